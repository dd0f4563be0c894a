"""The one study of the real model that all tests look at."""

from pathlib import Path

import pytest

from inspector import Study, study_hallucination
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.questions.sets import Question, load
from inspector.models import Model

SAMPLING = Sampling(samples=2, longest=8)


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    """Built-in questions, enough for 40 right and 40 wrong answers."""
    return load("world_facts", count=170, seed=1)


@pytest.fixture(scope="session")
def study(smollm2: Model, questions: list[Question]) -> Study:
    """The real model asked these."""
    return study_hallucination(smollm2, questions, sampling=SAMPLING)


@pytest.fixture(scope="session")
def saved(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's folder, to be read only."""
    return study.save(tmp_path_factory.mktemp("studies") / "facts")

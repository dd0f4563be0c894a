"""The one study of the real model that all tests look at."""

import random
from pathlib import Path

import pytest
from fixtures_cli import Command

from inspector import Study, models, study_hallucination
from inspector.hallucination import neuron_states
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.probe import select
from inspector.hallucination.questions.sets import Question, load
from inspector.models import Model

SAMPLING = Sampling(samples=2, longest=8)
KNOWN = (
    "author",
    "capital",
    "city_country",
    "continent",
    "country_of_capital",
    "element_symbol",
    "landmark",
    "language",
)
"""Relations of which the model knows about half, so that few questions do."""
QUESTIONS = 125
TEXTS = 3
"""Built-in texts that its probe's neurons are looked for in."""


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    """Built-in questions, enough for 40 right and 40 wrong answers."""
    known = [question for question in load("world_facts") if question.relation in KNOWN]
    return random.Random(1).sample(known, QUESTIONS)


@pytest.fixture(scope="session")
def study(smollm2: Model, questions: list[Question]) -> Study:
    """The real model asked these; fewer bootstraps, draws, shuffles and texts than a user's study has."""
    with pytest.MonkeyPatch.context() as fewer:
        fewer.setattr(select, "BOOTSTRAPS", 10)
        fewer.setattr(select, "SHUFFLES", 2)
        fewer.setattr(select, "RANDOM_DRAWS", 3)
        fewer.setattr(neuron_states, "TEXTS", TEXTS)
        return study_hallucination(smollm2, questions, sampling=SAMPLING)


@pytest.fixture(scope="session")
def saved(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's folder, to be read only."""
    return study.save(tmp_path_factory.mktemp("studies") / "facts")


@pytest.fixture
def real(smollm2: Model, command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, which gets the real model as it is loaded already."""
    monkeypatch.setattr(models, "load_model", lambda *names, **options: smollm2)
    return command

"""Questions asked, and answers measured, by workers of a Ray cluster: answers and numbers are those of one process."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_tiny import Words

from inspector.cluster import Workers, cluster
from inspector.errors import InputError, ModelError
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.answers.engine import AnswersOnRay, parts_of
from inspector.hallucination.answers.measure import Fed, Meter
from inspector.hallucination.answers.resume import ask_all
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.models import Backend, Model
from inspector.progress import Progress
from inspector.testing import tiny_model

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORDS = [["what", "is", *(f"w{number}{word}" for word in range(number % 40)), "?"] for number in range(110)]
QUESTIONS = [Question(f"q{number}", " ".join(words), ("a",)) for number, words in enumerate(WORDS)]
FORM, SAMPLING = Form(), Sampling(samples=2, longest=5)
DEADLY = QUESTIONS[40].question


class Mortal(Words):
    """Kills the process that asks one question, the first time, or always; but not the driver's."""

    def __init__(self, marker: Path, driver: int, *, always: bool = False) -> None:
        super().__init__()
        self.marker, self.driver, self.always = marker, driver, always

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        if DEADLY in text and os.getpid() != self.driver and (self.always or not self.marker.exists()):
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(text, add_special_tokens)


def load(seed: int = 0) -> Model:
    return replace(tiny_model("LlamaForCausalLM", seed), tokenizer=Words())


def load_mortal(marker: Path, driver: int, always: bool) -> Model:
    return replace(load(), tokenizer=Mortal(marker, driver, always=always))


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """One for all tests, whose workers find this file; and few questions to a batch."""
    of = Backend.of
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        patch.setattr(Backend, "of", lambda device: replace(of(device), answer_rows=30))
        with cluster(None, Workers(2)):
            yield


@pytest.fixture(scope="module")
def alone(model: Model) -> list[Any]:
    """What one process answers."""
    return ask_all(model, QUESTIONS, FORM, SAMPLING)


def fed_of(model: Model, asked: list[Any]) -> tuple[Meter, Fed]:
    meter = Meter(model, FORM)
    spoken = [(q.question, one.answers[0]) for q, one in zip(QUESTIONS, asked, strict=True) if one.answers[0]]
    return meter, meter.feed([q for q, _ in spoken], [ids for _, ids in spoken])


@pytest.mark.parametrize("count", [1, 2])
def test_workers_answer_and_measure_what_one_process_does_to_the_last_bit(
    model: Model, alone: list[Any], count: int, tmp_path: Path
) -> None:
    with AnswersOnRay(load, Workers(count)).helpers(model, FORM, SAMPLING) as helpers:
        assert ask_all(model, QUESTIONS, FORM, SAMPLING, helpers=helpers) == alone
        meter, fed = fed_of(model, alone)
        assert len(list(parts_of(fed))) > 1
        got = meter.joined(fed, helpers.measured(fed), tmp_path)
    for name, values in vars(meter.measure(fed)).items():
        np.testing.assert_array_equal(getattr(got, name), values, err_msg=name)


def test_a_killed_workers_questions_are_asked_once_more_and_counted_once(
    model: Model, alone: list[Any], tmp_path: Path
) -> None:
    said: list[str] = []
    mortal = partial(load_mortal, tmp_path / "killed", os.getpid(), False)
    with AnswersOnRay(mortal, says=said.append).helpers(model, FORM, SAMPLING) as helpers:
        assert ask_all(model, QUESTIONS, FORM, SAMPLING, tmp_path, helpers=helpers) == alone
    assert len(said) == 1 and said[0].startswith("A worker died at questions 'q")
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == len(QUESTIONS)


def test_questions_that_kill_every_worker_end_the_study_in_one_line(model: Model, tmp_path: Path) -> None:
    mortal = partial(load_mortal, tmp_path / "killed", os.getpid(), True)
    with (
        pytest.raises(InputError, match=r"^Two workers died at questions 'q\d+' to 'q\d+': [^\n]*$"),
        AnswersOnRay(mortal).helpers(model, FORM, SAMPLING) as helpers,
    ):
        ask_all(model, QUESTIONS, FORM, SAMPLING, helpers=helpers)


def test_other_weights_are_refused(model: Model) -> None:
    with (
        pytest.raises(ModelError, match="A worker has weights"),
        AnswersOnRay(partial(load, 1)).helpers(model, FORM, SAMPLING),
    ):
        pass


def test_an_interrupted_driver_goes_on_and_asks_nothing_twice(model: Model, alone: list[Any], tmp_path: Path) -> None:
    done: list[int] = []

    def listener(name: str, count: int, total: int | None) -> None:
        done.extend([count] if count else [])
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), AnswersOnRay(load).helpers(model, FORM, SAMPLING) as helpers:
        ask_all(model, QUESTIONS, FORM, SAMPLING, tmp_path, Progress(listener), helpers)
    kept = len((tmp_path / "answers.jsonl").read_text().splitlines())
    assert 0 < kept < len(QUESTIONS)
    with AnswersOnRay(load).helpers(model, FORM, SAMPLING) as helpers:
        assert ask_all(model, QUESTIONS, FORM, SAMPLING, tmp_path, helpers=helpers) == alone
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == len(QUESTIONS)

"""Answers and their marks: prompts of unequal length, the judge that a run names, the user's random numbers."""

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import with_words

from inspector.batches import tokenise
from inspector.errors import InputError
from inspector.hallucination import trials
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.compare_decoding import compare_decoding
from inspector.hallucination.compare_guards import compare_policies
from inspector.hallucination.grading.graders import Endpoint, TokenF1, WholeWords
from inspector.hallucination.grading.recorded import as_settings, judge_of
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.hallucination.study import Study
from inspector.models import load_model
from inspector.testing import random_texts, tiny_hf, tiny_model
from inspector.verification.text_bench import TextBench

ENDPOINT = Endpoint("http://127.0.0.1:9/v1", "marker-7b", timeout=3.0)


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPTJForCausalLM", "MambaForCausalLM"])
def test_questions_of_any_lengths_are_answered_together_as_alone(architecture: str, samples: int) -> None:
    model = with_words(tiny_model(architecture), template="chat")
    questions = [Question(str(n), " ".join(["why"] * n) + "?", ()) for n in (1, 2, 9, 20, 3, 30)]
    asker = Asker(model, Form("chat", ()), Sampling(samples=samples, longest=4))
    together = asker.ask(questions)
    assert together == [asker.ask([question])[0] for question in questions]


def test_loading_a_model_draws_none_of_the_users_random_numbers() -> None:
    hf = tiny_hf("LlamaForCausalLM")

    def drawn(load: bool) -> list[Any]:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        if load:
            load_model(hf, device="cpu")
        return [random.random(), np.random.random(), torch.rand(3).tolist()]

    assert drawn(load=False) == drawn(load=True)


# -- the judge -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", [WholeWords(), TokenF1(0.7), ENDPOINT], ids=lambda judge: judge.name)
def test_a_judge_is_known_again_from_the_settings(judge: Any) -> None:
    assert judge_of({"study": as_settings(judge)}) == judge


def test_an_endpoint_judges_model_and_address_are_in_the_settings_and_its_key_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    written = as_settings(ENDPOINT)
    assert written["judge"] == "endpoint"
    assert {"url": ENDPOINT.url, "model": "marker-7b"}.items() <= written["judge_options"].items()
    assert "secret-key" not in str(written)
    assert as_settings(WholeWords()) == {"judge": "whole-words"}


@dataclass(frozen=True)
class Mine:
    """A judge of the user's."""

    secret: object = None
    name: str = "mine"

    def __call__(self, question: str, answers: Any, answer: str) -> str:
        return "right"


@pytest.mark.parametrize("written", [as_settings(Mine(object())), {"judge": "endpoint"}], ids=["own", "older run"])
def test_what_is_marked_again_is_refused_where_the_judge_cant_be_made_again(written: dict[str, Any]) -> None:
    model = tiny_model()
    study = Study({"fingerprint": model.card["fingerprint"]}, {"study": written}, {}, (), {})
    for again in (compare_decoding, compare_policies):
        with pytest.raises(InputError, match=f"marked by the judge '{written['judge']}', which can't be made again"):
            again(study, model)


def test_what_is_asked_again_is_marked_by_the_studys_own_judge() -> None:

    model = with_words(tiny_model())
    made = {"judge": "token-f1", "judge_options": {"threshold": 0.7}}
    form = {"name": "few-shot", "shots": []}
    sampling = {name: getattr(Sampling(), name) for name in Sampling.__dataclass_fields__}
    study = Study(model.card, {"study": {**sampling, "form": form, **made}}, {}, (), {})

    prose = TextBench(model, tokenise(None, random_texts(2, 20, 30), bos=None, window=64))
    bench = trials.answer_bench(study, model, [], prose, 0, 0)
    assert bench.judge == TokenF1(0.7)
    plain = replace(study, settings={"study": {**study.settings["study"], "judge": "whole-words", "judge_options": {}}})
    assert trials.answer_bench(plain, model, [], prose, 0, 0).name != bench.name

"""Scores that take passes of their own, each against its definition on the plain Hugging Face model."""

from dataclasses import dataclass, replace
from functools import cache
from math import ceil

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, loaded, with_words

from inspector.errors import InputError
from inspector.hallucination.answers.context import context_places
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.baselines import Passes, measure_all, with_passes
from inspector.hallucination.baselines.p_true import ASKED
from inspector.hallucination.baselines.rauq import rauq
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.models import Model
from inspector.progress import Task
from inspector.testing import tiny_hf

KINDS = ["LlamaForCausalLM", "GPT2LMHeadModel", "Qwen3ForCausalLM"]
SHOTS = (("first", "one"),)


@cache
def eager(architecture: str) -> torch.nn.Module:
    """The plain model, which gives whole patterns of attention."""
    hf = tiny_hf(architecture)
    hf.set_attn_implementation("eager")
    return hf


@dataclass(frozen=True)
class Truth:
    """One text by the plain model: log-probabilities `[pos, vocab]` and patterns `[layer, head, query, key]`."""

    logp: np.ndarray
    patterns: np.ndarray

    @classmethod
    def of(cls, architecture: str, ids: tuple[int, ...]) -> "Truth":
        with torch.no_grad():
            out = eager(architecture)(input_ids=torch.tensor([ids]), use_cache=False, output_attentions=True)
        logp = out.logits[0].double().log_softmax(dim=-1).numpy()
        return cls(logp, torch.cat(out.attentions).double().numpy())

    def of_tokens(self, ids: tuple[int, ...], start: int) -> np.ndarray:
        """Log-probabilities of the tokens from `start` on."""
        return np.array([self.logp[place - 1, ids[place]] for place in range(start, len(ids))])


def passes_of(model: Model, form: Form, answers: list[Answered]) -> Passes:
    """What a baseline may run."""
    meter = Meter(model, form)
    fed = meter.feed([one.put for one in answers], [one.ids[0] for one in answers], [one.prompt for one in answers])
    return Passes(meter, answers, fed)


def an_answer(number: int, ids: tuple[tuple[int, ...], ...], context: str | None = "a passage of words .") -> Answered:
    """An answer with its samples."""
    question = Question(str(number), f"who is number {number} ?", ())
    return Answered(question, ids, tuple("" if not one else "w" for one in ids), ("right",) * len(ids), context)


ANSWERS = [
    an_answer(0, ((50, 60, 33), (50,), (51, 52), (50,))),
    an_answer(1, ((33,), (), (20, 21), (40, 41))),
    an_answer(2, ((20, 21, 22, 23, 24), (9, 10), (9, 10), (9, 10))),
]


@pytest.fixture(params=["few-shot", "chat"])
def form(request: pytest.FixtureRequest) -> Form:
    """Both forms of asking."""
    return Form(request.param, SHOTS)


@pytest.mark.parametrize("rows", [64, 3], ids=["one block", "blocks of 3 queries"])
@pytest.mark.parametrize("architecture", architectures(KINDS))
def test_scores_are_the_definitions_on_the_plain_model(
    architecture: str, form: Form, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("attention", "attention_tiles"):
        monkeypatch.setattr(f"inspector.models.{module}.tile_rows", lambda *sizes: rows)
    model = with_words(loaded(architecture), "a template")
    found, notes = measure_all(passes_of(model, form, ANSWERS), Task("scoring"))
    assert not notes
    assert (
        set(found) == {one.name for one in with_passes()} == {"P(True)", "RAUQ", "lookback ratio", "predictive entropy"}
    )
    layers = range(model.shape.layers // 3, min(ceil(2 * model.shape.layers / 3) + 1, model.shape.layers))
    for row, one in enumerate(ANSWERS):
        prompt = form.prompt(model.tokenizer, one.put)
        ids, start = (*prompt, *one.ids[0]), len(prompt)
        truth = Truth.of(architecture, ids)
        links = np.array([[truth.patterns[layer, :, j, j - 1] for j in range(start + 1, len(ids))] for layer in layers])
        by_hand = []
        for layer in range(len(layers)):
            head = links[layer].mean(axis=0).argmax() if links.shape[1] else 0
            c = [np.exp(truth.of_tokens(ids, start)[0])]
            a = 0.2 if form.name == "few-shot" else 0.5
            for j, logp in enumerate(truth.of_tokens(ids, start)[1:]):
                c.append(a * np.exp(logp) + (1 - a) * links[layer][j, head] * c[-1])
            by_hand.append(-np.mean(np.log(c)))
        assert found["RAUQ"][row] == pytest.approx(max(by_hand), rel=1e-4)

        words = model.tokenizer(one.context, add_special_tokens=False)["input_ids"]
        place = next(i for i in range(len(ids)) if list(ids[i : i + len(words)]) == words)
        ratios = np.zeros(truth.patterns.shape[:2])
        for query in range(start, len(ids)):
            looked = truth.patterns[:, :, query, place : place + len(words)].mean(axis=-1)
            own = truth.patterns[:, :, query, start : query + 1].mean(axis=-1)
            ratios += looked / (looked + own) / len(one.ids[0])
        np.testing.assert_allclose(found["lookback ratio"][row], ratios.ravel(), rtol=1e-3)

        spoken = [sample for sample in one.ids[1:] if sample]
        logps = [Truth.of(architecture, (*prompt, *s)).of_tokens((*prompt, *s), start).sum() for s in spoken]
        assert found["predictive entropy"][row] == pytest.approx(-np.mean(logps), rel=1e-4)

        text = ASKED.format(question=one.put, answer=one.texts[0])
        asked = (
            tuple(model.tokenizer(text)["input_ids"])
            if form.name == "few-shot"
            else tuple(
                model.tokenizer(
                    model.tokenizer.apply_chat_template(
                        [{"role": "user", "content": text}], add_generation_prompt=True
                    ),
                    add_special_tokens=False,
                )["input_ids"]
            )
        )
        after = Truth.of(architecture, asked).logp[-1]
        yes, no = (model.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("True", "False"))
        assert found["P(True)"][row] == pytest.approx(after[yes] - after[no], rel=1e-3, abs=1e-4)


def test_what_cannot_be_known_of_these_answers_is_left_out(llama: Model) -> None:
    model, form = with_words(llama), Form(shots=SHOTS)
    bare = [replace(one, context=None, ids=one.ids[:1], texts=one.texts[:1]) for one in ANSWERS]
    assert set(measure_all(passes_of(model, form, bare), Task("scoring"))[0]) == {"RAUQ", "P(True)"}
    one_without = [*ANSWERS[:2], replace(ANSWERS[2], context=None)]
    assert "lookback ratio" not in measure_all(passes_of(model, form, one_without), Task("scoring"))[0]
    long = replace(ANSWERS[0], ids=(ANSWERS[0].ids[0], (7,) * 300, (8,), (9,)), texts=("w",) * 4, marks=("right",) * 4)
    found, notes = measure_all(passes_of(model, form, [long, *ANSWERS[1:]]), Task("scoring"))
    assert "predictive entropy" not in found and "RAUQ" in found
    assert len(notes) == 1 and "predictive entropy was left out. Answer '0' (a sample of it)" in notes[0]
    silent = replace(ANSWERS[0], ids=ANSWERS[0].ids[:1], texts=ANSWERS[0].texts[:1])
    found, notes = measure_all(passes_of(model, form, [silent, *ANSWERS[1:]]), Task("scoring"))
    assert notes == [f"predictive entropy was left out. 1 of {len(ANSWERS)} answers have no sample with tokens."]


def test_an_answer_that_is_certain_at_each_token_has_no_uncertainty_and_one_without_chance_a_finite_one() -> None:
    attention = np.random.default_rng(0).random((3, 2, 4))
    assert rauq(np.ones(5), np.ones((3, 2, 4)), 0.2) == 0.0
    assert np.isfinite(rauq(np.zeros(5), attention, 0.2))
    likely, unlikely = rauq(np.full(5, 0.9), attention, 0.2), rauq(np.full(5, 0.1), attention, 0.2)
    assert 0 < likely < unlikely


def test_a_passage_stands_where_its_words_do_in_an_own_prompt_and_is_refused_where_they_do_not(llama: Model) -> None:
    model = with_words(llama)
    meter = Meter(model, Form(shots=SHOTS))
    own = replace(ANSWERS[0], prompt="read this : a passage of words . and say who")
    assert context_places(meter, [own]) == {0: (4, 9)}
    with pytest.raises(InputError, match="doesn't hold its context"):
        context_places(meter, [replace(own, context="another one")])

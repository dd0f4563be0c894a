"""Asking: what is drawn is the distribution that was asked for, and a question's answers are its own."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from fixtures_tiny import BREAK, EVERY, Words, loaded, with_words
from torch import Tensor

from inspector.errors import InputError
from inspector.hallucination.answers.ask import Asked, Asker, Sampling, stop_tokens
from inspector.hallucination.questions.prompts import SHOTS, Form
from inspector.hallucination.questions.sets import Question, built_in
from inspector.models import Backend, Model
from inspector.testing.planted import VOCAB

FEW = Sampling(samples=2, longest=6)


def sample(logits: Tensor, draws: Tensor, sampling: Sampling) -> Tensor:
    return sampling.member.draw(logits, draws)


# -- drawing ---------------------------------------------------------------------------------------------------------


def shares_by_transformers(logits: Tensor, sampling: Sampling) -> Tensor:
    """Each token's probability by transformers' own warpers, in the order in which `generate` applies them."""
    from transformers.generation.logits_process import (
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    for warp in (
        TemperatureLogitsWarper(float(sampling.temperature)),
        TopKLogitsWarper(sampling.top_k),
        TopPLogitsWarper(float(sampling.top_p)),
    ):
        logits = warp(None, logits)
    return logits.softmax(dim=-1)


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 50, 0.9), (1.0, 60, 1.0), (1.0, 1000, 1.0), (0.3, 7, 0.95), (3.0, 7, 0.5), (2.0, 1, 1.0), (1.5, 60, 0.01)],
)
def test_over_a_grid_of_draws_each_token_comes_as_often_as_transformers_warpers_say(
    temperature: float, top_k: int, top_p: float, spread: float
) -> None:
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    torch.manual_seed(0)
    grid = (torch.arange(5000, dtype=torch.float64) + 0.5) / 5000
    for row in spread * torch.randn(3, 60, dtype=torch.float64):
        counts = torch.bincount(sample(row.expand(len(grid), -1), grid, sampling), minlength=60)
        expected = len(grid) * shares_by_transformers(row.unsqueeze(0), sampling)[0]
        assert float((counts - expected).abs().max()) <= 1.001  # an interval of [0, 1) holds that many grid points
        assert (counts[expected == 0] == 0).all()


def test_the_smallest_draw_gives_the_likeliest_token_and_the_largest_one_that_was_kept() -> None:
    logits = torch.randn(50, 60, generator=torch.Generator().manual_seed(1))
    sampling = Sampling(top_p=0.7, top_k=20)
    assert torch.equal(sample(logits, torch.zeros(50), sampling), logits.argmax(dim=-1))
    last = sample(logits, torch.full((50,), 1 - 2**-24), sampling)
    kept = shares_by_transformers(logits, sampling)
    assert (kept.gather(1, last.unsqueeze(1)) > 0).all()
    assert torch.equal(kept.gather(1, last.unsqueeze(1)).squeeze(1), kept.masked_fill(kept == 0, 2.0).min(dim=1).values)


def test_a_rows_token_depends_on_no_other_row() -> None:
    logits, draws = torch.randn(9, 60), torch.rand(9)
    together = sample(logits, draws, Sampling())
    alone = [int(sample(logits[i : i + 1], draws[i : i + 1], Sampling())) for i in range(9)]
    assert together.tolist() == alone


def test_draws_depend_on_seed_and_question_and_on_nothing_else() -> None:
    question = Question("a", "Who?", ("Ada",))
    draws = Sampling(seed=3).draws(question)
    assert draws.shape == (10, 24)
    assert ((draws >= 0) & (draws < 1)).all()
    assert len(set(draws.flatten().tolist())) == draws.size
    for same in (Sampling(seed=3, temperature=0.5), Sampling(seed=3, top_p=0.5), Sampling(seed=3, top_k=2)):
        assert (same.draws(Question("a", "What else?", ())) == draws).all()
    assert (Sampling(seed=3, samples=4).draws(question) == draws[:4]).all()
    assert not (Sampling(seed=4).draws(question) == draws).any()
    assert not (Sampling(seed=3).draws(Question("b", "Who?", ("Ada",))) == draws).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", -1),
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_k", 0),
        ("longest", 0),
        ("samples", 10_001),
        ("seed", -1),
    ],
)
def test_a_sampling_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^Sampling\(.*\) got {value} for {name}\. Pass a (whole )?number "):
        Sampling(**{name: value})


# -- with a tiny model -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> Model:
    return with_words(loaded("LlamaForCausalLM"))


QUESTIONS = [Question(str(n), " ".join(f"word{n}{k}" for k in range(1 + n % 3)) + " ?", ()) for n in range(20)]


def test_a_short_question_answered_at_length_waits_for_a_longer_one(tiny: Model) -> None:
    """Its answer has all the tokens that it may have while the other question is still being told."""
    asker = Asker(tiny, Form(shots=()), Sampling(samples=0, longest=4))
    short = Question("short", "who ?", ())
    long = [Question(f"long{n}", " ".join(f"word{n}{k}" for k in range(9)), ()) for n in range(9)]
    (alone,) = asker.ask([short])
    assert len(alone.answers[0]) == 4
    assert asker.ask([short, *long])[0] == alone


def test_batches_hold_each_question_once_beside_others_of_its_length(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = Asker(tiny, Form(), FEW)
    few = replace(Backend.of("cpu"), answer_rows=15)
    monkeypatch.setattr(Backend, "of", lambda device: few)
    found = list(asker.batches(QUESTIONS))
    assert sorted(q.id for batch in found for q in batch) == sorted(q.id for q in QUESTIONS)
    for batch in found:
        assert 1 <= len(batch) <= 5  # three answers each
        assert len({len(asker.form.prompt(tiny.tokenizer, q.question)) for q in batch}) == 1
    assert found == list(asker.batches(QUESTIONS))
    assert list(asker.batches([])) == []


def assert_answers_are_those_of_full_forwards(asker: Asker, question: Question, asked: Asked) -> None:
    """Each token is what the plain forward over all tokens before it gives, and after the last comes a stop."""
    draws, longest = asker.sampling.draws(question), asker.sampling.longest
    assert asked.id == question.id
    assert len(asked.answers) == 1 + len(draws)
    prompt = asker.form.prompt(asker.model.tokenizer, question.question)
    for number, answer in enumerate(asked.answers):
        logits = asker.model.logits(torch.tensor([[*prompt, *answer]]))[0, len(prompt) - 1 :].float()[:longest]
        if number == 0:
            chosen = logits.argmax(dim=-1)
        else:
            chosen = sample(logits, torch.from_numpy(draws[number - 1, : len(logits)].copy()), asker.sampling)
        assert tuple(chosen[: len(answer)].tolist()) == answer
        assert not asker.stop[list(answer)].any()
        assert len(answer) == longest or asker.stop[chosen[-1]]


@pytest.mark.parametrize("samples", [0, 3])
@pytest.mark.parametrize("form", ["few-shot", "chat"])
def test_answers_are_those_of_full_forwards_greedy_first_then_each_by_its_own_draws(form: Any, samples: int) -> None:
    model = with_words(loaded("GPTNeoXForCausalLM"), template="chat")
    asker = Asker(model, Form(form), Sampling(samples=samples, longest=8))
    for batch in asker.batches(QUESTIONS):
        for question, asked in zip(batch, asker.ask(batch), strict=True):
            assert_answers_are_those_of_full_forwards(asker, question, asked)


def test_no_answer_holds_a_line_break_or_a_special_token_or_an_id_that_is_no_token(tiny: Model) -> None:
    stop = stop_tokens(tiny)
    beyond = set(range(len(tiny.tokenizer), VOCAB))
    breaks = {BREAK, *(i for i in range(BREAK + 1, len(tiny.tokenizer)) if i % EVERY == EVERY - 1)}
    assert set(stop.nonzero().flatten().tolist()) == {0, 1, 2} | breaks | beyond
    asker = Asker(tiny, Form(), Sampling(samples=8, longest=10, temperature=5.0, top_k=200, top_p=1.0))
    answers = [answer for batch in asker.batches(QUESTIONS) for one in asker.ask(batch) for answer in one.answers]
    assert {len(answer) for answer in answers} >= {0, 3, 10}  # some are stopped, and at any length
    assert not {token for answer in answers for token in answer} & set(stop.nonzero().flatten().tolist())


def test_the_same_answers_come_in_any_batch_and_after_any_other(tiny: Model) -> None:
    asker = Asker(tiny, Form(), Sampling(samples=4, longest=8))
    same = [q for q in QUESTIONS if int(q.id) % 3 == 2]
    together = asker.ask(same)
    assert asker.ask(same[::-1]) == together[::-1]
    assert [asker.ask([question])[0] for question in same] == together
    assert Asker(tiny, Form(), Sampling(samples=4, longest=8, seed=1)).ask(same) != together


def test_without_a_tokenizer_nothing_is_asked(llama: Model) -> None:
    with pytest.raises(InputError, match="this model came without a tokenizer"):
        Asker(llama, Form(), FEW)


def test_without_a_chat_template_the_chat_form_is_refused(tiny: Model) -> None:
    with pytest.raises(InputError, match="this tokenizer has no chat template"):
        Asker(tiny, Form("chat"), FEW)


def test_a_question_longer_than_the_context_is_refused_before_anything_runs(tiny: Model) -> None:
    asker = Asker(tiny, Form(), FEW)
    rest = tiny.shape.context - FEW.longest - len(asker.form.prompt(tiny.tokenizer, ""))
    fits, too_long = (Question("long", " ".join(["word"] * n), ()) for n in (rest, rest + 1))
    assert len(asker.ask(next(asker.batches([fits])))) == 1
    with pytest.raises(InputError, match=f"take {tiny.shape.context + 1} tokens and the model's context is"):
        next(asker.batches([*QUESTIONS, too_long]))


# -- forms -----------------------------------------------------------------------------------------------------------


BUILT_IN = [q.question for name in ("world_facts", "false_premises") for q in built_in(name)][::25]
ODD = ["", "?", "1914?", "ไหน", "“Why” is it?", " Who?", "Who?\n", "Who\tor what?", "Answer:", "Ünïcödé", "…and then?"]


def test_few_shot_prompts_are_questions_and_answers_and_end_where_the_answer_begins(smollm2: Model) -> None:
    prompt = Form(shots=(("Who was first?", "Ada"),)).prompt(smollm2.tokenizer, "And  who\nwas next?")
    expected = "Question: Who was first?\nAnswer: Ada\n\nQuestion: And who was next?\nAnswer:"
    assert smollm2.tokenizer.decode(prompt) == expected
    assert len(SHOTS) == 4


def test_chat_prompts_are_the_tokenizers_own_template_with_the_shots_as_earlier_turns(smollm2: Model) -> None:
    tokenizer = smollm2.tokenizer
    turns = [
        {"role": "user", "content": "Who was first?"},
        {"role": "assistant", "content": "Ada"},
        {"role": "user", "content": "And who was next?"},
    ]
    expected = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    prompt = Form("chat", shots=(("Who was first?", "Ada"),)).prompt(tokenizer, "And who was next?")
    assert list(prompt) == expected
    assert tokenizer.decode(prompt).endswith("user\nAnd who was next?<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize("shots", [SHOTS, ()], ids=["shots", "no shots"])
@pytest.mark.parametrize(("name", "ends"), [("few-shot", "\nAnswer:"), ("chat", "<|im_end|>\n<|im_start|>assistant\n")])
def test_every_prompt_begins_with_the_prefix_and_ends_with_the_tail_and_the_question_is_between(
    smollm2: Model, name: Any, ends: str, shots: Any
) -> None:
    tokenizer, form = smollm2.tokenizer, Form(name, shots)
    prefix, tail = form.prefix(tokenizer), form.tail(tokenizer)
    last = form.prompt(tokenizer, "Who?")[-tail:]
    assert tokenizer.decode(last) == ends
    assert tokenizer.decode(prefix).endswith("Question:" if name == "few-shot" else "<|im_start|>user\n")
    for question in [*BUILT_IN, *ODD]:
        prompt = form.prompt(tokenizer, question)
        assert prompt[: len(prefix)] == prefix
        assert prompt[-tail:] == last
        between = tokenizer.decode(prompt[len(prefix) : -tail])
        assert between.split() == question.split()


@pytest.mark.parametrize("question", ["\n\nWho?", "\t Who?"])
@pytest.mark.parametrize(
    "name",
    ["few-shot", "chat"],
)
def test_white_space_before_a_question_does_not_change_the_prefix(smollm2: Model, name: Any, question: str) -> None:
    form = Form(name)
    prefix = form.prefix(smollm2.tokenizer)
    assert form.prompt(smollm2.tokenizer, question)[: len(prefix)] == prefix


@pytest.mark.parametrize(
    "answer", ["Paris", "New York City", "1945", "Gabriel García Márquez", "  Au ", "O'Neill", "東京"]
)
def test_a_given_answers_tokens_are_those_that_follow_the_prompt(smollm2: Model, answer: str) -> None:
    tokenizer = smollm2.tokenizer
    few, chat = Form(), Form("chat")
    ids = few.answer_ids(tokenizer, "Where?", answer)
    text = f"{tokenizer.decode(few.prompt(tokenizer, 'Where?'))} {answer.strip()}"
    assert [*few.prompt(tokenizer, "Where?"), *ids] == tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == f" {answer.strip()}"
    assert tokenizer.decode(chat.answer_ids(tokenizer, "Where?", answer)) == answer.strip()


@pytest.mark.parametrize("name", ["few-shot", "chat"])
@pytest.mark.parametrize("answer", ["", "  ", "\n", "one\ntwo"])
def test_an_answer_that_is_not_one_line_is_refused(name: Any, answer: str) -> None:
    with pytest.raises(InputError, match="is not one line of text"):
        Form(name).answer_ids(Words("chat"), "Where?", answer)


# -- with the real model ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asker(smollm2: Model) -> Asker:
    return Asker(smollm2, Form(), FEW)


@pytest.fixture(scope="module")
def questions(asker: Asker) -> list[Question]:
    """Four questions of one length."""
    return next(batch for batch in asker.batches(built_in("world_facts")[::40]) if len(batch) >= 4)[:4]


@pytest.fixture(scope="module")
def asked(asker: Asker, questions: list[Question]) -> list[Asked]:
    return asker.ask(questions)


def test_the_real_models_answers_are_those_of_full_forwards(
    asker: Asker, questions: list[Question], asked: list[Asked]
) -> None:
    assert asker.decoder.paths[0] == "shared"
    for question, one in zip(questions[:2], asked, strict=False):
        assert_answers_are_those_of_full_forwards(asker, question, one)


def test_the_real_model_answers_alone_as_beside_other_questions(
    asker: Asker, questions: list[Question], asked: list[Asked]
) -> None:
    assert asker.ask(questions[2:3]) == asked[2:3]
    assert asker.ask(questions[:0:-1]) == asked[:0:-1]


def test_the_real_models_answers_are_one_line_and_their_text_gives_their_tokens_back(
    asker: Asker, questions: list[Question], asked: list[Asked]
) -> None:
    tokenizer, usual = asker.model.tokenizer, 0
    for question, one in zip(questions, asked, strict=True):
        for answer in one.answers:
            text = tokenizer.decode(answer)
            assert len(text.splitlines()) <= 1
            assert not set(answer) & {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
            if text.startswith(" ") and text.strip():
                usual += 1
                assert asker.form.answer_ids(tokenizer, question.question, text) == answer
    assert usual >= 10


def test_stop_tokens_of_the_real_tokenizer_are_the_special_ones_and_those_with_a_line_break(smollm2: Model) -> None:
    tokenizer, stop = smollm2.tokenizer, stop_tokens(smollm2)
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    for i in [*special, *range(len(tokenizer))[::7], *tokenizer("a\nb\n\nc")["input_ids"]]:
        assert bool(stop[i]) == (i in special or "\n" in tokenizer.decode([i]))
    assert tokenizer.eos_token_id in special

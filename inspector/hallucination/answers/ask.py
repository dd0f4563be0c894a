"""Asking a model: one greedy answer and several samples to each question, as token ids."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any
from weakref import WeakKeyDictionary
from zlib import crc32

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, Lt
from jaxtyping import Bool, Float
from torch import Tensor

from inspector.arguments import Count, Number, takes_fields
from inspector.errors import InputError
from inspector.hallucination.answers.samplers import Member
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.models import Backend, Decoder, Model

MOST_SAMPLES = 10_000
"""Samples of a question: more are a slip of the hand, and their draws alone fill memory."""


@takes_fields
@dataclass(frozen=True)
class Sampling:
    """How answers are drawn: one greedy, and `samples` at this temperature from the top k and top p.

    Draws are numbered by seed, question and sample, not by batch: the same question gets the same
    random numbers in any batch, with any other questions, and under any intervention.
    """

    samples: Annotated[int, Ge(0), Le(MOST_SAMPLES)] = 10
    temperature: Annotated[float, Gt(0), Lt(float("inf"))] = 1.0
    top_p: Annotated[float, Gt(0), Le(1)] = 0.9
    top_k: Count = 50
    longest: Count = 24
    seed: Number = 0

    @property
    def member(self) -> Member:
        """The distribution that samples are drawn from, as a member of the decoding family."""
        return Member("sampled", self.temperature, top_k=self.top_k, top_p=self.top_p)

    def draws(self, question: Question) -> Float[np.ndarray, "sample step"]:
        """The uniform numbers that choose this question's sampled tokens."""
        return np.random.default_rng([self.seed, crc32(question.id.encode())]).random((self.samples, self.longest))


@dataclass(frozen=True)
class Asked:
    """What a model answered to one question: token ids, the greedy answer first."""

    id: str
    answers: tuple[tuple[int, ...], ...]


class Asker:
    """Asks questions in batches; nothing is padded and nothing is masked.

    Args:
        model: from `load_model`.
        form: how questions are put.
        sampling: how many samples, and their draws.
        member: the distribution they are drawn from; the sampling's own where None.
    """

    def __init__(self, model: Model, form: Form, sampling: Sampling, member: Member | None = None) -> None:
        if model.tokenizer is None:
            raise InputError("Questions are text and this model came without a tokenizer. Load it with one.")
        self.model, self.form, self.sampling = model, form, sampling
        self.member = member or sampling.member
        self.prefix = form.prefix(model.tokenizer)
        self.decoder = Decoder(model, self.prefix)
        self.stop = stop_tokens(model)

    def batches(self, questions: Sequence[Question]) -> Iterator[list[Question]]:
        """Questions that are asked together, as many as fit; always the same for the same questions.

        With samples a batch's prompts have one length: the prompt is then computed once for all of its answers.
        Without, those of similar length are together.

        Raises:
            InputError: a question is longer than the model's context.
        """
        by_length: dict[int, list[Question]] = defaultdict(list)
        for question in questions:
            by_length[len(self._prompt(question))].append(question)
        size = max(1, Backend.of(self.model.device).answer_rows // (1 + self.sampling.samples))
        groups = [by_length[length] for length in sorted(by_length, reverse=True)]
        for together in groups if self.sampling.samples else [list(chain.from_iterable(groups))]:
            yield from (together[i : i + size] for i in range(0, len(together), size))

    def ask(self, questions: Sequence[Question]) -> list[Asked]:
        """Answers to a batch of questions."""
        copies, skip = 1 + self.sampling.samples, len(self.prefix)
        prompts = [self._prompt(question)[skip:] for question in questions]
        draws = np.full((len(questions), copies, self.sampling.longest), np.nan)
        for i, question in enumerate(questions):
            draws[i, 1:] = self.sampling.draws(question)
        answers = self.decoder.generate(
            prompts,
            copies,
            _Chooser(self.member, draws.reshape(-1, self.sampling.longest), self.model.device),
            self.stop,
            self.sampling.longest,
        )
        return [Asked(q.id, tuple(answers[i * copies : (i + 1) * copies])) for i, q in enumerate(questions)]

    def _prompt(self, question: Question) -> tuple[int, ...]:
        prompt = self.form.prompt(self.model.tokenizer, question.question)
        check_prompt(self.model, self.prefix, prompt, self.sampling.longest)
        return prompt


def check_prompt(model: Model, prefix: tuple[int, ...], prompt: tuple[int, ...], answer: int) -> None:
    """Check that a prompt begins as all do, and fits into the model's context with its answer.

    Raises:
        InputError: it doesn't.
    """
    if len(prompt) + answer > model.shape.context:
        raise InputError(
            f"A prompt and its answer take {len(prompt) + answer} tokens and the model's context is "
            f"{model.shape.context}. Leave out the longest questions, or shorten what they are about."
        )
    if prompt[: len(prefix)] != prefix:
        raise InputError(
            "The question changes how the prompt prefix is tokenised, so the shared prefix can't be reused. Rephrase "
            "its first word."
        )


class _Chooser:
    """Picks each row's next token: the likeliest where its draw is NaN, else by its draw."""

    def __init__(self, member: Member, draws: np.ndarray, device: torch.device) -> None:
        self.member = member
        dtype = Backend.of(device).accumulate
        self.draws = torch.tensor(draws, dtype=dtype, device=device)

    def __call__(self, logits: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        draws = self.draws[rows, steps]
        chosen = logits.argmax(dim=-1)
        drawn = ~draws.isnan()
        if drawn.any():
            chosen[drawn] = self.member.draw(logits[drawn], draws[drawn])
        return chosen


_stops: WeakKeyDictionary[Any, dict[tuple[object, ...], Tensor]] = WeakKeyDictionary()
"""By tokenizer: a vocabulary takes a while to decode."""


def stop_tokens(model: Model) -> Bool[Tensor, " vocab"]:
    """True at token ids that end an answer: `Model.end_ids`, and those with a line break in them. Don't write to it."""
    tokenizer: Any = model.tokenizer
    known, vocab = min(len(tokenizer), model.shape.vocab), model.shape.vocab
    ends = sorted(model.end_ids)
    found, key = _stops.setdefault(tokenizer, {}), (known, vocab, model.device, *ends)
    if key not in found:
        stop = torch.ones(vocab, dtype=torch.bool)
        texts = tokenizer.batch_decode([[i] for i in range(known)], clean_up_tokenization_spaces=False)
        stop[:known] = torch.tensor(["\n" in text for text in texts])
        stop[ends] = True
        found[key] = stop.to(model.device)
    return found[key]

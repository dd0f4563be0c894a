"""Measuring answers: one pass over question and answer, the same for fitting and for scoring."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from inspector.batches import TokenSequence, batches
from inspector.errors import InputError, ModelError
from inspector.hallucination.answers.ask import check_prompt
from inspector.hallucination.answers.cett import Contributions, NeuronContributions, ResidualMeans, Span, Uncertainty
from inspector.hallucination.questions.prompts import Form, as_spelt
from inspector.models import Decoder, Model, Prefix
from inspector.models.observe import Observer, observe
from inspector.progress import Task

BATCH_TOKENS = 2048


@dataclass(frozen=True)
class Fed:
    """Prompts with their answers as the model receives them, and where in them question and answer stand.

    With a `prefix` the rows are what follows it.
    """

    rows: list[TokenSequence]
    spans: Mapping[int, Span]
    prefix: Prefix | None = None

    def whole(self) -> list[TokenSequence]:
        """The rows with the prefix."""
        before = () if self.prefix is None else self.prefix.ids
        return [replace(row, ids=(*before, *row.ids)) for row in self.rows]

    def in_full(self) -> "Fed":
        """The same rows with the prefix in them, for what can't be seen behind a shared one: attention."""
        skipped = 0 if self.prefix is None else len(self.prefix.ids)
        spans = {number: span.moved(skipped) for number, span in self.spans.items()}
        return Fed(self.whole(), spans)

    def parts(self, count: int) -> Iterator["Fed"]:
        """At most so many rows at a time, the longest first: rows of about one length are padded the least."""
        ordered = sorted(self.rows, key=lambda row: -len(row.ids))
        for start in range(0, len(ordered), count):
            rows = ordered[start : start + count]
            yield Fed(rows, {row.text: self.spans[row.text] for row in rows}, self.prefix)


@dataclass(frozen=True)
class Measured:
    """What a pass over answers saw; a row an answer, in the order given.

    `answer` and `question` are mean CETTs `[answer, layer, neuron]` (float16), `residual` the mean
    stream `[answer, layer, d_model]` (float16), `entropy` (nats) that of the answer's first token, `logprob`
    the mean log-probability of its tokens, `certainty` their distributions' mean KL divergence (nats)
    from the uniform one, `tokens` their number.
    """

    answer: np.ndarray
    question: np.ndarray
    residual: np.ndarray
    entropy: np.ndarray
    logprob: np.ndarray
    certainty: np.ndarray
    tokens: np.ndarray


class Meter:
    """Measures answers to questions put in one form.

    Args:
        model: from `load_model`; it must have neurons.
        form: how questions are put.
        decoder: one for this model and form, if there is one already.
    """

    def __init__(self, model: Model, form: Form, decoder: Decoder | None = None) -> None:
        self.model, self.form = model, form
        self.head, self.tail = len(form.prefix(model.tokenizer)), form.tail(model.tokenizer)
        self.decoder = decoder or Decoder(model, form.prefix(model.tokenizer))

    def feed(
        self,
        questions: Sequence[str],
        answers: Sequence[tuple[int, ...]],
        prompts: Sequence[str | None] | None = None,
        names: Sequence[str] | None = None,
    ) -> Fed:
        """Rows of question and answer; the shared beginning is left out where it is computed apart.

        Args:
            questions: as they are put.
            answers: token ids.
            prompts: the whole text before an answer, where it isn't the form's.
            names: what errors call the answers; their numbers where None.

        Raises:
            InputError: an answer without tokens, or one that doesn't fit into the model's context with its prompt.
        """
        names = names or [str(number) for number in range(len(answers))]
        if prompts is not None and any(prompts):
            return self._fed_whole(questions, answers, prompts, names)
        put = [self.form.prompt(self.model.tokenizer, question) for question in questions]
        for name, prompt, answer in zip(names, put, answers, strict=True):
            self._check(name, self.form.prefix(self.model.tokenizer), prompt, answer)
        longest = max(len(prompt) + len(answer) for prompt, answer in zip(put, answers, strict=True))
        prefix = self.decoder.prefix if longest <= (self.decoder.window or longest) else None
        skip = 0 if prefix is None else self.head
        rows, spans = [], {}
        for number, (prompt, answer) in enumerate(zip(put, answers, strict=True)):
            ids, end = (*prompt, *answer)[skip:], len(prompt) - skip
            rows.append(TokenSequence(number, number, 0, ids))
            spans[number] = Span((self.head - skip, end - self.tail), (end, len(ids)))
        return Fed(rows, spans, prefix)

    def _fed_whole(
        self,
        questions: Sequence[str],
        answers: Sequence[tuple[int, ...]],
        prompts: Sequence[str | None],
        names: Sequence[str],
    ) -> Fed:
        """Rows whose prompts share no beginning."""
        rows, spans = [], {}
        for number, (question, answer, prompt) in enumerate(zip(questions, answers, prompts, strict=True)):
            if prompt is None:
                ids = self.form.prompt(self.model.tokenizer, question)
                asked = (self.head, len(ids) - self.tail)
            else:
                ids = as_spelt(self.model.tokenizer, prompt)
                asked = place_in(self.model.tokenizer, prompt, question, ids)
            self._check(names[number], (), ids, answer)
            rows.append(TokenSequence(number, number, 0, (*ids, *answer)))
            spans[number] = Span(asked, (len(ids), len(ids) + len(answer)))
        return Fed(rows, spans)

    def _check(self, name: str, prefix: tuple[int, ...], prompt: tuple[int, ...], answer: tuple[int, ...]) -> None:
        """Check that an answer has tokens, follows some, and fits into the model's context with them."""
        if not answer:
            raise InputError(f"Answer {name} has no tokens, so nothing can be measured of it. Leave it out.")
        if not prompt:
            raise InputError(f"Answer {name} has a prompt without tokens, so it follows nothing. Give what it follows.")
        try:
            check_prompt(self.model, prefix, prompt, len(answer))
        except InputError as error:
            raise InputError(f"Answer {name}: {error}") from error

    def watch(self, fed: Fed, observers: Sequence[Observer], task: Task | None = None) -> None:
        """Run the rows once, with these listening."""
        fed_in = batches(fed.rows, BATCH_TOKENS, self.model.pad_id)
        observe(self.model, fed_in, observers, prefix=fed.prefix, task=task)

    def contributions_of(
        self, neurons: Int[np.ndarray, "neuron 2"], fed: Fed, also: Sequence[Observer] = ()
    ) -> Float[np.ndarray, "answer neuron"]:
        """Mean CETT of these neurons `(layer, neuron)` over each answer's tokens; no other is measured.

        The same to the bit as `measure` gives, in float16.
        """
        wanted = NeuronContributions(self.model, fed.spans, neurons)
        self.watch(fed, [wanted, *also])
        return wanted.answer

    def _size(self, fed: Fed) -> tuple[int, int, int]:
        shape = self.model.shape
        return len(fed.rows), len(shape.layers_of("neuron")), shape.d_mlp

    def measure(self, fed: Fed, folder: Path | None = None, task: Task | None = None) -> Measured:
        """Everything a study needs of these answers; CETTs go to files in `folder` where it is given.

        Raises:
            ModelError: logits that aren't finite.
        """
        answer, question, stream = self._arrays(fed, folder)
        residual, uncertainty = ResidualMeans(self.model, fed.spans, stream), Uncertainty(fed.spans)
        self.watch(fed, [Contributions(self.model, fed.spans, answer, question), residual, uncertainty], task)
        if not np.isfinite(uncertainty.logprob).all():
            raise ModelError(
                "The model's logits are NaN or infinite on some answers. Try dtype float32, or fix the weights."
            )
        tokens = np.array([span.answer[1] - span.answer[0] for span in fed.spans.values()])
        return Measured(
            answer, question, residual.means, uncertainty.entropy, uncertainty.logprob, uncertainty.certainty, tokens
        )

    def joined(
        self, fed: Fed, parts: Iterable[tuple[Fed, Measured]], folder: Path | None = None, task: Task | None = None
    ) -> Measured:
        """What `measure` gives, from parts of the answers that were measured elsewhere."""
        row_of = {text: row for row, text in enumerate(fed.spans)}
        entropy, logprob, certainty = (np.full(len(fed.rows), np.nan, np.float32) for _ in range(3))
        tokens = np.zeros(len(fed.rows), np.int64)
        whole = Measured(*self._arrays(fed, folder), entropy, logprob, certainty, tokens)
        for part, measured in parts:
            rows = [row_of[text] for text in part.spans]
            for name, values in vars(measured).items():
                getattr(whole, name)[rows] = values
            if task is not None:
                task.advance(sum(len(row.ids) for row in part.rows))
        return whole

    def _arrays(self, fed: Fed, folder: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Room for CETTs over answers and questions, and for the mean stream."""
        shape = self.model.shape
        answer, question = (_array(folder, name, self._size(fed)) for name in ("answer", "question"))
        stream = (len(fed.rows), len(shape.layers_of("resid_post")), shape.d_model)
        return answer, question, _array(folder, "residual", stream)


def place_in(tokenizer: Any, prompt: str, text: str, ids: tuple[int, ...]) -> tuple[int, int]:
    """Where a text's tokens stand in a prompt; all but the first token where its words aren't in it."""
    start = prompt.rfind(text)
    if start < 0:
        return min(1, len(ids) - 1), len(ids)
    before, after = (shared(as_spelt(tokenizer, prompt[:end]), ids) for end in (start, start + len(text)))
    return before, max(after, before + 1)


def shared(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """How many tokens two sequences begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _array(folder: Path | None, name: str, size: tuple[int, ...]) -> np.ndarray:
    if folder is None:
        return np.zeros(size, np.float16)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=size)

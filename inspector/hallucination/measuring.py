"""Measuring answers: one pass over question and answer, the same for fitting and for scoring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inspector.batching import TokenSequence, batches
from inspector.detectors.base import Listener
from inspector.errors import InputError
from inspector.hallucination.cett import Contributions, Doubt, ResidualMeans, Span
from inspector.hallucination.prompts import Form
from inspector.models import Decoder, Model
from inspector.observe import Progress, observe

RESIDUAL_DEPTHS = (0.25, 0.5, 0.75)
"""Where the residual probe may look, as shares of the model's depth."""

BATCH_TOKENS = 2048


@dataclass(frozen=True)
class Fed:
    """Prompts with their answers as they are fed, and where in them question and answer stand."""

    rows: list[TokenSequence]
    spans: Mapping[int, Span]


@dataclass(frozen=True)
class Measured:
    """What a pass over answers saw; a row an answer, in the order given.

    `answer` and `question` are mean CETTs `[answer, layer, neuron]` (float16), `residual` the mean
    stream `[answer, depth, d_model]`, `entropy` (nats) that of the answer's first token, `logprob`
    the mean log-probability of its tokens, `tokens` their number.
    """

    answer: np.ndarray
    question: np.ndarray
    residual: np.ndarray
    entropy: np.ndarray
    logprob: np.ndarray
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
        self.before = form.prefix(model.tokenizer)
        self.prefix = (decoder or Decoder(model, self.before)).prefix
        self.skip = len(self.before) if self.prefix is not None else 0
        self.tail = form.tail(model.tokenizer)

    def feed(self, questions: Sequence[str], answers: Sequence[tuple[int, ...]]) -> Fed:
        """Rows of question and answer; the shared beginning is left out where it is computed apart.

        Raises:
            InputError: an answer without tokens.
        """
        rows, spans = [], {}
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            if not answer:
                raise InputError(f"Answer {number} has no tokens, so nothing can be measured of it. Leave it out.")
            prompt = self.form.prompt(self.model.tokenizer, question)
            ids, end = (*prompt, *answer)[self.skip :], len(prompt) - self.skip
            rows.append(TokenSequence(number, number, 0, ids))
            spans[number] = Span((len(self.before) - self.skip, end - self.tail), (end, len(ids)))
        return Fed(rows, spans)

    def whole(self, fed: Fed) -> list[TokenSequence]:
        """The rows with the shared beginning that was computed apart."""
        return [replace(row, ids=(*self.before[: self.skip], *row.ids)) for row in fed.rows]

    def watch(self, fed: Fed, listeners: Sequence[Listener], progress: Progress | None = None) -> None:
        """Run the rows once, with these listening."""
        observe(
            self.model,
            batches(fed.rows, BATCH_TOKENS, self.model.pad_id),
            listeners,
            prefix=self.prefix,
            progress=progress,
        )

    def contributions(self, fed: Fed) -> np.ndarray:
        """Mean CETT over each answer's tokens, `[answer, column]`, layer by layer, neuron by neuron."""
        answer, question = (_array(None, name, self._size(fed)) for name in ("answer", "question"))
        self.watch(fed, [Contributions(self.model, fed.spans, answer, question)])
        return answer.reshape(len(answer), -1)

    def _size(self, fed: Fed) -> tuple[int, int, int]:
        shape = self.model.shape
        return len(fed.rows), len(shape.layers_of("neuron")), shape.d_mlp

    def measure(self, fed: Fed, folder: Path | None = None, progress: Progress | None = None) -> Measured:
        """Everything a study needs of these answers; CETTs go to files in `folder` where it is given."""
        shape = self.model.shape
        answer, question = (_array(folder, name, self._size(fed)) for name in ("answer", "question"))
        layers = tuple(sorted({int(depth * (shape.layers - 1)) for depth in RESIDUAL_DEPTHS}))
        residual, doubt = ResidualMeans(self.model, fed.spans, layers), Doubt(fed.spans)
        self.watch(fed, [Contributions(self.model, fed.spans, answer, question), residual, doubt], progress)
        tokens = np.array([span.answer[1] - span.answer[0] for span in fed.spans.values()])
        return Measured(answer, question, residual.means, doubt.entropy, doubt.logprob, tokens)


def _array(folder: Path | None, name: str, size: tuple[int, ...]) -> np.ndarray:
    if folder is None:
        return np.zeros(size, np.float16)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=size)

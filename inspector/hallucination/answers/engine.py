"""Who asks questions and measures answers: this process, or workers of a Ray cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from inspector.batches import longest_first, next_rows
from inspector.cluster import ModelWorker, OnCluster, Pool, Work
from inspector.hallucination.answers.ask import Asked, Asker, Sampling
from inspector.hallucination.answers.measure import BATCH_TOKENS, Fed, Measured, Meter
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.models import Model

ROWS = 64
"""Answers that a worker measures at a time, at the least."""


@runtime_checkable
class Helpers(Protocol):
    """Who does the work of one study."""

    def asked(self, batches: Iterable[Sequence[Question]]) -> Iterator[tuple[Sequence[Question], list[Asked]]]:
        """Batches of questions with their answers, in their order."""
        ...

    def measured(self, fed: Fed) -> Iterator[tuple[Fed, Measured]]:
        """Parts of the answers with what was measured of them."""
        ...


@runtime_checkable
class AnswerEngine(Protocol):
    """Brings helpers to a study."""

    def helpers(self, model: Model, form: Form, sampling: Sampling) -> AbstractContextManager[Helpers]:
        """Helpers for one study, who go when the context ends."""
        ...


@dataclass(frozen=True)
class AnswersOnRay(OnCluster):
    """Workers of a Ray cluster; pass it to `study_hallucination` as `engine`. See `OnCluster`, and

    Args:
        says: hears of a worker that died, in a sentence.
    """

    says: Callable[[str], object] = lambda said: None

    @contextmanager
    def helpers(self, model: Model, form: Form, sampling: Sampling) -> Iterator[Helpers]:
        """Workers for one study.

        Raises:
            InputError: Ray isn't installed, or the cluster can't be reached or is too small.
            ModelError: a worker can't load the model, or has another one or other versions of libraries.
        """
        with self.pool(Worker, (form, sampling), model, self.says) as workers:
            yield _OnRay(workers)


@dataclass(frozen=True)
class _OnRay:
    """Hands batches and parts to a cluster's workers.

    Args:
        pool: the workers.
    """

    pool: Pool

    def asked(self, batches: Iterable[Sequence[Question]]) -> Iterator[tuple[Sequence[Question], list[Asked]]]:
        """Batches of questions with their answers, in their order."""
        return self.pool.done(batches, ASKING)

    def measured(self, fed: Fed) -> Iterator[tuple[Fed, Measured]]:
        """Parts of the answers with what was measured of them."""
        return self.pool.done(parts_of(fed), MEASURING)


ASKING = Work(
    lambda worker, batch: worker.ask.remote(batch),
    lambda batch, asked: asked,
    lambda batch: f"questions '{batch[0].id}' to '{batch[-1].id}'",
    "Leave these out",
    "ask for fewer samples",
)
MEASURING = Work(
    lambda worker, part: worker.measure.remote(part.rows, dict(part.spans), part.prefix is not None),
    lambda part, measured: Measured(**{name: array.copy() for name, array in vars(measured).items()}),
    lambda part: f"{len(part.rows)} answers, the first of them number {min(part.spans)}",
    "Leave these out",
    "leave out the longest answers",
)


def parts_of(fed: Fed) -> Iterator[Fed]:
    """The batches of a pass, some together: each part has the batches that the whole pass would have."""
    ordered, start = longest_first(fed.rows), 0
    while start < len(ordered):
        stop = start
        while stop < len(ordered) and stop - start < ROWS:
            stop += len(next_rows(ordered, BATCH_TOKENS, stop))
        rows = ordered[start:stop]
        yield Fed(rows, {row.text: fed.spans[row.text] for row in rows}, fed.prefix)
        start = stop


class Worker(ModelWorker):
    """It asks and measures.

    Args:
        load: gives the model.
        form: how questions are put.
        sampling: how answers are drawn.
    """

    def __init__(self, load: Callable[[], Model], form: Form, sampling: Sampling) -> None:
        super().__init__(load)
        self.form, self.sampling = form, sampling

    def ask(self, questions: Sequence[Question]) -> list[Asked]:
        """Answers to a batch of questions."""
        return self._asker.ask(questions)

    def measure(self, rows: Sequence[Any], spans: dict[int, Any], shared: bool) -> Measured:
        """Measure some answers; with `shared` their rows are what follows the form's prefix."""
        meter = self._meter
        return meter.measure(Fed(list(rows), spans, meter.decoder.prefix if shared else None))

    @cached_property
    def _asker(self) -> Asker:
        return Asker(self.model, self.form, self.sampling)

    @cached_property
    def _meter(self) -> Meter:
        return Meter(self.model, self.form)

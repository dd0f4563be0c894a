"""Texts under a scheme: what it changes of their loss and predictions, all of it or a part alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inspector.detectors.trials import Outcome
from inspector.models import Model
from inspector.models.beginnings import Beginnings
from inspector.models.matrices import Matrix
from inspector.progress import Task
from inspector.quantisation.apply import quantised
from inspector.quantisation.remedies import Way
from inspector.quantisation.schemes import Scheme
from inspector.verification.text_bench import TextBench

AS_IT_IS = Way()
"""The scheme with nothing spared."""


class Bench:
    """Outcomes under a scheme, less those of the unmodified model."""

    def __init__(self, model: Model, texts: TextBench, plan: Scheme) -> None:
        self.model, self.texts, self.plan = model, texts, plan
        self.before = texts.outcome((), ("loss", "kl"))["loss"]  # with the reference that a kl is from
        self.beginnings = Beginnings(model)

    def know_beginnings(self) -> None:
        """Keep the unmodified streams, so that a part alone is tried from its layer on, where that gives the same."""
        with self.beginnings.kept():
            self.texts.outcome((), ("loss",))
        with self.beginnings.begun_at(self.model.shape.layers // 2):
            again = self.texts.outcome((), ("loss",))["loss"]
        if not np.allclose(again, self.before, rtol=0, atol=1e-6):
            self.beginnings.forget()

    def alone(self, task: Task, those: Sequence[Matrix]) -> Outcome:
        """As `outcome`, with only these matrices under the scheme."""
        only = [matrix.name for matrix in those]
        first = min(matrix.layer for matrix in those)
        with quantised(self.model, self.plan, only=only), self.beginnings.begun_at(first):
            return self._changed(self.texts, task)

    def outcome(self, task: Task, way: Way = AS_IT_IS) -> Outcome:
        """Each text's change of loss, and its kl."""
        texts = self.after(way.prefix) if way.prefix else self.texts
        kept = tuple(range(len(way.prefix)))
        spared = replace(way.spared, tokens=(*way.spared.tokens, *kept)) if kept else way.spared
        with quantised(self.model, way.plan or self.plan, spared=spared):
            return self._changed(texts, task)

    def _changed(self, texts: TextBench, task: Task) -> Outcome:
        found = texts.outcome((), ("loss", "kl"))
        task.advance()
        return {"loss": found["loss"] - self.before, "kl": found["kl"]}

    def after(self, prefix: tuple[int, ...]) -> TextBench:
        """The texts after a prefix: the same predictions, beside those of the unmodified model without it."""
        rows = [replace(row, ids=(*prefix, *row.ids)) for row in self.texts.rows]
        after = TextBench(self.model, rows, [], start=len(prefix))
        after.reference = self.texts.reference
        return after

"""Loss, divergence, the largest activation and the sink rate on texts, with something taken out of the model."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from torch import Tensor

from inspector.batches import Batch, TokenSequence
from inspector.detectors.base import load_detectors
from inspector.detectors.tally import Tally
from inspector.models import Model
from inspector.progress import Task
from inspector.records import Evidence, Finding
from inspector.sites import Site
from inspector.verification.text_bench import TextBench, over_texts


def largest_by_text(e: Evidence) -> dict[int, float]:
    """The largest |x| after any layer, by text; NaN where one is."""
    return dict(zip(e["text"].tolist(), e["largest"].max(axis=1).tolist(), strict=True))


class Largest:
    """The largest |x| in the residual stream of each text, as a detector's metric."""

    name = "largest"
    kinds: tuple[str, ...] = ("resid_post",)
    metrics: Mapping[str, Callable[[Evidence], Mapping[int, float]]] = {"largest": largest_by_text}

    def reducer(self, model: Model) -> "LargestReducer":
        """A reducer for one pass of this model."""
        return LargestReducer(model)

    def judge(self, evidence: Evidence, names: Any, thresholds: Any) -> Sequence[Finding]:
        """It finds nothing: it only measures."""
        return ()


class LargestReducer:
    """Keeps each text's largest |x| after each layer."""

    kinds: tuple[str, ...] = ("resid_post",)

    def __init__(self, model: Model) -> None:
        self.tally = Tally(model.shape.layers)

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in one layer's stream."""
        size = x.abs().amax(dim=-1).float().masked_fill(~batch.real, 0.0)
        self.tally.put("largest", site.layer, batch.text, size.amax(dim=1))

    def merge(self, other: "LargestReducer") -> None:
        """Take in what another reducer measured on other texts."""
        self.tally.merge(other.tally)

    def evidence(self) -> Evidence:
        """The measurements so far."""
        return self.tally.evidence(Largest.name, {}, {})


class Bench:
    """Loss, KL, the largest activation and the sink rate on texts, with something taken out."""

    def __init__(self, model: Model, rows: Sequence[TokenSequence]) -> None:
        sinks = [one for one in load_detectors() if "sink_rate" in getattr(one, "metrics", {})]
        self.texts = TextBench(model, rows, [*sinks, Largest()])
        self.metrics = self.texts.metrics
        self.before = self.texts.outcome((), self.metrics)
        self.task: Task | None = None
        self.unmodified = {name: self._mean(self.before, name) for name in ("loss", "largest", "sink_rate")}

    def without(self, removed: AbstractContextManager[None]) -> dict[str, float]:
        """A row of numbers."""
        with removed:
            found = self.texts.outcome((), self.metrics)
        if self.task is not None:
            self.task.advance()
        ends = over_texts({"loss": found["loss"] - self.before["loss"], "kl": found["kl"]})
        return {**ends, **{name: self._mean(found, name) for name in ("largest", "sink_rate")}}

    @staticmethod
    def _mean(found: Mapping[str, np.ndarray], name: str) -> float:
        return float(found[name].mean()) if name in found else float("nan")

"""Massive activations: a few residual-stream entries thousands of times the median.

Sun, Chen, Kolter, Liu 2024, "Massive Activations in Large Language Models" (arXiv 2402.17762): an
entry x of a layer's residual stream is massive where |x| > 100 and |x| ≥ 1000 · median |x| over
all tokens and dims of that layer. Plateaus, step-up and step-down blocks: Sun, Canziani, LeCun,
Zhu 2026 (arXiv 2603.05498).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.detectors.base import Names, Reducer
from inspector.detectors.massive import frames as judge
from inspector.detectors.massive.thresholds import Thresholds
from inspector.records import Evidence, Finding

if TYPE_CHECKING:
    from inspector.models import Model


class Massive:
    """Finds massive activations; thresholds `ratio`, `magnitude`, `dim_ratio` (0 switches one off)."""

    name = "massive"
    kinds: tuple[str, ...] = ("resid_post",)

    def reducer(self, model: "Model") -> Reducer:
        """A reducer for one scan of this model."""
        from inspector.detectors.massive.reducer import MassiveReducer

        return MassiveReducer(model)

    def judge(self, evidence: Evidence, names: Names, **thresholds: float) -> Sequence[Finding]:
        """Findings of this evidence under these thresholds."""
        return judge.findings(evidence, names, Thresholds(**thresholds))

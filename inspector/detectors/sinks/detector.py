"""Attention sinks: heads that park their attention on the first or another meaningless token.

Gu et al. 2024, "When Attention Sink Emerges in Language Models" (arXiv 2410.10781): key k receives
α_k = 1/(T−k) · Σ_{q ≥ k} A[q, k]; the sink rate at k is the share of texts, layers and heads with
α_k > ε; ε = 0.3, T = 64. Attention is causal, so the first 64 tokens of a longer text give exactly
what the text cut to 64 would.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inspector.detectors.base import Names, Reducer
from inspector.detectors.sinks import frames as judge
from inspector.records import Evidence, Finding

if TYPE_CHECKING:
    from inspector.models import Model

CONTROL_TEXTS, CONTROL_TOKENS = 16, 64


class Sinks:
    """Finds attention sinks; threshold `epsilon`, strictly below the received attention of a sink."""

    name = "sinks"
    kinds: tuple[str, ...] = ("attention",)

    def reducer(self, model: "Model") -> Reducer:
        """A reducer for one scan of this model."""
        from inspector.detectors.sinks.reducer import SinksReducer

        return SinksReducer(model)

    def judge(self, evidence: Evidence, names: Names, **thresholds: float) -> Sequence[Finding]:
        """Findings of this evidence under these thresholds."""
        return judge.findings(evidence, names, judge.Thresholds(**thresholds))

    def controls(self, model: "Model", seed: int) -> Mapping[str, list[list[int]]]:
        """Two inputs without meaning: random tokens, where sinks stay, and one token repeated.

        With rotary positions a repeated token gives every position the same stream, attention is
        uniform, and the sink vanishes; a model with learned positions can keep it.
        """
        rng = np.random.default_rng(seed)
        length = min(CONTROL_TOKENS, model.shape.context)
        ordinary = np.array(model.ordinary_ids)
        words = rng.choice(ordinary, size=(CONTROL_TEXTS, length)).tolist()
        repeated = rng.choice(ordinary, size=CONTROL_TEXTS).tolist()
        return {"random": words, "repeated": [[token] * length for token in repeated]}

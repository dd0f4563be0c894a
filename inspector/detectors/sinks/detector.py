"""Attention sinks: heads that place most of their attention on the first or another meaningless token.

Gu et al. 2024, "When Attention Sink Emerges in Language Models" (arXiv 2410.10781): key k receives
α_k = 1/(T−k) · Σ_{q ≥ k} A[q, k]; the sink rate at k is the share of texts, layers and heads with
α_k > ε; ε = 0.3, T = 64. Attention is causal, so the first 64 tokens of a longer text give exactly
what the text cut to 64 would.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inspector.detectors.base import Names, Reducer
from inspector.detectors.measured import Measured
from inspector.detectors.pooled import PerText, texts_in
from inspector.detectors.shown import Door, Headline, Screen, TextTable, Tile
from inspector.detectors.sinks import sentences
from inspector.detectors.sinks.findings import findings
from inspector.detectors.sinks.frames import FRAMES, in_rates, pooled_values, rate_by_text, rates, sink_rate
from inspector.detectors.sinks.neurons import COLUMNS
from inspector.detectors.sinks.schema import SCHEMA
from inspector.detectors.sinks.terms import TERMS
from inspector.detectors.sinks.thresholds import DEFAULTS, Thresholds
from inspector.figures.drawing import Drawing
from inspector.figures.palette import BLUE
from inspector.records import Evidence, Finding, Sentence

if TYPE_CHECKING:
    from inspector.models import Model

CONTROL_TEXTS, CONTROL_TOKENS = 16, 64


class Sinks:
    """Finds attention sinks; threshold `epsilon`, strictly below the received attention of a sink."""

    name = "sinks"
    title = "Attention sinks"
    accent = BLUE
    terms = TERMS
    schema = SCHEMA
    kinds: tuple[str, ...] = ("attention",)
    thresholds = Thresholds
    frames = FRAMES
    tables = ("windows",)
    page = ("sinks.heads", "sinks.controls", "windows")
    neurons = COLUMNS
    screen = Screen(
        "Heads that place their attention on a token that says little, mostly the first.",
        order=2,
        door=Door(
            "Where does attention go?", "A text", "The children ran down to the sea.", "Find where it goes", order=3
        ),
    )
    metrics: Mapping[str, Callable[[Evidence], Mapping[int, float]]] = {"sink_rate": rate_by_text}
    operations = ("hide", "hide all")
    trials = "inspector.detectors.sinks.trials:SinkTrials"

    def reducer(self, model: "Model") -> Reducer:
        """A reducer for one scan of this model."""
        from inspector.detectors.sinks.reducer import SinksReducer

        return SinksReducer(model)

    def judge(self, evidence: Evidence, names: Names, thresholds: Thresholds = DEFAULTS) -> Sequence[Finding]:
        """Findings of this evidence under these thresholds."""
        return findings(evidence, names, thresholds)

    def pooled(self, evidence: Evidence) -> Mapping[str, PerText]:
        """Received attention and what goes with it, of texts that are long enough."""
        return pooled_values(evidence)

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

    def notes(self, m: Measured) -> Iterator[str]:
        """Attention that was not finite, and texts that are too short for a rate."""
        for name, e in {self.name: m.evidence, **{f"{self.name}.{n}": e for n, e in m.controls.items()}}.items():
            lost = e["skipped"]
            if lost.any():
                yield (
                    f"{name}: attention was not finite in {np.count_nonzero(lost)} of {len(lost)} layers, in up to "
                    f"{lost.max()} texts; these texts are in no rate at all, and rates are over what remains."
                )
        if short := texts_in(m.evidence) - in_rates(m.evidence):
            yield (
                f"sinks: {short} of {texts_in(m.evidence)} sequences have fewer than "
                f"{m.evidence.facts['shortest']} tokens (or no finite attention) and are in no rate: received "
                "attention grows as texts get shorter."
            )

    def sentences(self, m: Measured) -> Iterator[Sentence]:
        """The sink rate, the heads that are sinks, and what tests said."""
        yield from sentences.found(m)
        yield from sentences.tested(m)

    def text_tables(self, m: Measured) -> Iterator[TextTable]:
        """The strongest heads; and, where they were tested, effects and windows over the cache."""
        return sentences.tables(m)

    def figures(self, m: Measured) -> Mapping[str, Drawing]:
        """The map of heads, received attention by position, controls, the curve over ε, and windows."""
        from inspector.detectors.sinks import figures

        return figures.drawings(m)

    def tiles(self, m: Measured) -> Iterator[Tile]:
        """How many heads are sinks."""
        heads, epsilon = m.frame("heads"), m.thresholds.epsilon
        count = int((heads["received"] > epsilon).sum())
        yield Tile("Sink heads", f"{count:,}", f"of {len(heads):,} place over {epsilon:.0%} on one token")

    def headlines(self, m: Measured) -> Mapping[str, Headline]:
        """The numbers that two runs are compared by."""
        by_text = rates(m.evidence, m.thresholds.epsilon)
        rate, _, _ = sink_rate(m.evidence, m.thresholds)
        return {
            "sink rate at key 0": Headline(rate, by_text),
            "mean received attention of heads": Headline(float(m.frame("heads")["received"].mean())),
        }

    def comparison(self, first: Measured, second: Measured) -> Mapping[str, Drawing]:
        """Two runs' sink rates over the layers, and their heads."""
        from inspector.detectors.sinks import figures

        return figures.comparison(first, second)

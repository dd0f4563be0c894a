"""Massive activations: a few residual-stream entries thousands of times the median.

Sun, Chen, Kolter, Liu 2024, "Massive Activations in Large Language Models" (arXiv 2402.17762): an
entry x of a layer's residual stream is massive where |x| > 100 and |x| ≥ 1000 · median |x| over
all tokens and dims of that layer. Plateaus, step-up and step-down blocks: Sun, Canziani, LeCun,
Zhu 2026 (arXiv 2603.05498).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inspector.detectors.base import Names, Reducer
from inspector.detectors.massive import sentences
from inspector.detectors.massive.findings import findings
from inspector.detectors.massive.frames import FRAMES
from inspector.detectors.massive.neurons import COLUMNS
from inspector.detectors.massive.schema import SCHEMA
from inspector.detectors.massive.terms import TERMS
from inspector.detectors.massive.thresholds import DEFAULTS, SCALE_FREE, Thresholds, medians
from inspector.detectors.measured import Measured
from inspector.detectors.pooled import PerText, is_sampled, mean_of, texts_in
from inspector.detectors.shown import Door, Headline, Screen, Spares, Suggestion, TextTable, Tile
from inspector.figures.drawing import Drawing
from inspector.figures.palette import ORANGE
from inspector.records import Evidence, Finding, Sentence
from inspector.stats import mean_known

if TYPE_CHECKING:
    from inspector.models import Model

WRITES = 0.1
"""Share of a jump that a neuron writes, or cancels, to be called a spike's neuron."""


class Massive:
    """Finds massive activations; thresholds `ratio`, `magnitude`, `dim_ratio` (0 switches one off)."""

    name = "massive"
    title = "Massive activations"
    accent = ORANGE
    terms = TERMS
    schema = SCHEMA
    kinds: tuple[str, ...] = ("resid_post",)
    thresholds = Thresholds
    presets: Mapping[str, Mapping[str, float]] = {"scale-free": SCALE_FREE}
    frames = FRAMES
    tables = ("spike_sink",)
    page = (
        *(f"massive.{name}" for name in ("plateaus", "writers", "layers", "outliers", "token_outliers", "directions")),
        "spike_sink",
    )
    neurons = COLUMNS
    screen = Screen(
        "A few numbers inside the model are thousands of times larger than the rest.",
        order=1,
        door=Door(
            "What is massive in my model?", "A text", "The capital of France is Paris.", "Find what is massive", order=2
        ),
    )
    operations = ("zero", "zero, as far", "mean", "drop")
    trials = "inspector.detectors.massive.trials:MassiveTrials"

    def reducer(self, model: "Model") -> Reducer:
        """A reducer for one scan of this model."""
        from inspector.detectors.massive.reducer import MassiveReducer

        return MassiveReducer(model)

    def judge(self, evidence: Evidence, names: Names, thresholds: Thresholds = DEFAULTS) -> Sequence[Finding]:
        """Findings of this evidence under these thresholds."""
        return findings(evidence, names, thresholds)

    def pooled(self, evidence: Evidence) -> Mapping[str, PerText]:
        """Each text's largest |x|."""
        return {"peak": PerText(_peaks(evidence), step=2.0**-8)}

    def notes(self, m: Measured) -> Iterator[str]:
        """Layers with NaN or infinity."""
        lost = m.evidence["nonfinite"]
        if lost.any():
            where = f"{np.count_nonzero(lost)} of {len(lost)} layers"
            yield f"NaN or infinity in {where}, at up to {lost.max()} tokens: there they are in no statistic."
        zeros = np.count_nonzero(medians(m.evidence) == 0)
        if zeros:
            yield (
                f"massive: the median |x| of {zeros} of {len(lost)} layers is 0, so that ratios to it are undefined; "
                "there entries are flagged by the other thresholds alone."
            )

    def sentences(self, m: Measured) -> Iterator[Sentence]:
        """What is massive, the life cycle of each plateau, and what tests said."""
        yield from sentences.found(m)
        yield from sentences.tested(m)

    def text_tables(self, m: Measured) -> Iterator[TextTable]:
        """Plateaus; and, where they were tested, effects, and spikes and sinks each kept or ablated."""
        return sentences.tables(m)

    def figures(self, m: Measured) -> Mapping[str, Drawing]:
        """The life cycle, the map of the first text, and the table of spikes and sinks."""
        from inspector.detectors.massive import figures

        return figures.drawings(m)

    def tiles(self, m: Measured) -> Iterator[Tile]:
        """How many entries, and the largest."""
        return sentences.tiles(m)

    def headlines(self, m: Measured) -> Mapping[str, Headline]:
        """The numbers that two runs are compared by."""
        largest = _peaks(m.evidence)
        mean = float(mean_of(m.evidence, "peak")) if is_sampled(m.evidence) else mean_known(largest.astype(np.float64))
        layers = m.frame("layers")
        return {
            "largest |x|, mean over texts": Headline(mean, largest),
            "largest ratio to the median": Headline(float(layers["ratio"].max())),
            "massive entries per text": Headline(float(layers["n_flagged"].sum()) / max(1, texts_in(m.evidence))),
        }

    def comparison(self, first: Measured, second: Measured) -> Mapping[str, Drawing]:
        """Two runs' largest |x| over the layers, and their maps with the same colours."""
        from inspector.detectors.massive import figures

        return figures.comparison(first, second)

    def suggestion(self, m: Measured) -> Suggestion | None:
        """The largest plateau's dim, zeroed where it is written."""
        plateaus = m.frame("plateaus")
        if not len(plateaus):
            return None
        top = plateaus.iloc[0]
        position = None if pd.isna(top["position"]) else int(top["position"])
        return Suggestion("resid_post", int(top["first"]), int(top["dim"]), position, "zero")

    def spares(self, m: Measured) -> Spares:
        """Dims and tokens of what is flagged, and the neurons that write a tenth of a spike or more, or cancel it."""
        dims = frozenset(one.unit for one in m.findings if one.unit is not None)
        tokens = frozenset(one.position for one in m.findings if one.position is not None)
        if not dims or not m.has("writers"):
            return Spares(dims, tokens=tokens)
        table = m.frame("writers").dropna(subset=["neuron"])
        mostly = table.loc[table["share"] >= WRITES, ["layer", "neuron"]].astype(int)
        return Spares(dims, frozenset(mostly.itertuples(index=False, name=None)), tokens)

    def sizes(self, m: Measured, kind: str, layer: int) -> Sequence[float] | None:
        """The largest |x| of each dim of the stream."""
        sizes: Sequence[float] = m.evidence["dim_max"][layer].tolist()
        return sizes if kind == "resid_post" else None


def _peaks(e: Evidence) -> np.ndarray:
    """Each text's largest |x| over all layers; NaN where nothing is finite."""
    return np.asarray(np.fmax.reduce(np.abs(e["value"]), axis=(1, 2)))

"""What single neurons write into the spikes."""

import numpy as np
import pandas as pd

from inspector.detectors.massive.plateaus import plateaus
from inspector.detectors.massive.thresholds import DEFAULTS
from inspector.detectors.massive.writers import writers
from inspector.detectors.neurons import Described, NeuronColumns
from inspector.records import Evidence


def _written(evidence: Evidence, described: Described) -> pd.DataFrame:
    """The main spike's dim that each neuron writes most of, how much, and its share; see `describe_neurons`."""
    found = plateaus(evidence, {}, DEFAULTS)
    dims = found.loc[found["main"], "dim"].unique().tolist() if len(found) else []
    if not dims:
        return pd.DataFrame()
    shares = _shares(writers(evidence, {}, DEFAULTS))
    rows = []
    for (layer, neuron), w, peak in zip(described.neurons.tolist(), described.output, described.peak, strict=True):
        dim = max(dims, key=lambda d: abs(w[d]))
        share = shares.get((layer, neuron, dim), np.nan)
        rows.append((dim, float(peak * w[dim]), float(w[dim] ** 2 / (w**2).sum()), share))
    return pd.DataFrame(rows, columns=list(COLUMNS.dtypes))


def _shares(contributors: pd.DataFrame) -> dict[tuple[int, int, int], float]:
    """The largest share of a jump that a neuron (layer, neuron) contributes in a dim."""
    if not len(contributors):
        return {}
    largest: pd.Series = contributors.dropna(subset="neuron").groupby(["layer", "neuron", "dim"])["share"].max()
    return {(int(layer), int(neuron), int(dim)): float(share) for (layer, neuron, dim), share in largest.items()}


COLUMNS = NeuronColumns(
    _written, {"dim": "Int64", "writes": "float64", "dim_share": "float64", "spike_share": "float64"}
)
"""Beside each described neuron."""

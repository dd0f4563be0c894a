"""What is massive: thresholds, and the levels of the layers they are compared with."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from inspector.detectors.base import Names
from inspector.detectors.thresholds import threshold
from inspector.records import Evidence
from inspector.stats import bin_edges, histogram_quantile


@dataclass(frozen=True)
class Thresholds:
    """When an entry is massive: all three must hold. 0 switches one off."""

    ratio: float = threshold(
        1000.0,
        "|x| over the median |x| of its layer (all real tokens × dims); the paper's 1,000 was set on 7B models",
        label="At least this many medians",
        steps=(10, 30, 100, 300, 1000, 3000, 10_000),
    )
    magnitude: float = threshold(
        100.0,
        "|x| itself; the paper's 100; 0 switches it off, for small models",
        label="And |x| above",
        steps=(0, 10, 30, 100, 300, 1000, 3000),
    )
    dim_ratio: float = threshold(
        0.0,
        "|x| over the layer's other dims (the median of the dims' maxima); off at 0, and 10 is a scale-free choice",
        label="And × the layer's other dims",
        steps=(0, 3, 10, 30, 100),
    )


DEFAULTS = Thresholds()

SCALE_FREE = {"ratio": 100.0, "magnitude": 0.0, "dim_ratio": 10.0}
"""Thresholds that don't depend on a model's scale; the published ones were set on 7B models."""


def medians(e: Evidence) -> Float[np.ndarray, " layer"]:
    """Median |x| of each layer's stream; NaN where nothing finite was seen.

    Exact where the bin that holds it has one value, as where many entries are equal. Runs that don't say which values
    a bin holds have it to a bin's width (0.8 %), and 0 where it is below 2**-24.
    """
    if "bin_max" not in e.arrays:
        found = np.array([histogram_quantile(counts) for counts in e["histogram"]])
        return np.where(found < bin_edges()[1], 0.0, found)
    # A shard of a run that didn't say brings 0, below what the bin can hold.
    smallest = np.fmax(smallest_of_bins(e).astype(np.float64), bin_edges()[:-1])
    pairs = zip(e["histogram"], smallest, np.fmax(e["bin_max"].astype(np.float64), smallest), strict=True)
    return np.array([histogram_quantile(counts, values=(low, high)) for counts, low, high in pairs])


def over_median(size: Float[np.ndarray, "*rows"], median: Float[np.ndarray, "*rows"]) -> Float[np.ndarray, "*rows"]:
    """Sizes over the median of their layer, which is no ratio (NaN) where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(median > 0, size.astype(np.float64) / median, np.nan)


def smallest_of_bins(e: Evidence) -> Float[np.ndarray, "layer bin"]:
    """The smallest |x| that was counted in each bin; its edge in runs that don't say."""
    edges = np.broadcast_to(bin_edges()[:-1], e["histogram"].shape)
    return np.where(np.isfinite(e["bin_min"]), -e["bin_min"], edges) if "bin_min" in e.arrays else edges


def typical_dim_max(e: Evidence) -> Float[np.ndarray, " layer"]:
    """Median over dims of the largest |x| a dim reaches, without tokens all of whose dims are huge (if a run says)."""
    return np.median(e.arrays.get("dim_usual", e["dim_max"]), axis=1)


def cutoffs(e: Evidence, t: Thresholds) -> Float[np.ndarray, " layer"]:
    """The |x| from which an entry of each layer is massive."""
    bounds = [t.ratio * medians(e), np.full(len(e["histogram"]), t.magnitude), t.dim_ratio * typical_dim_max(e)]
    return np.max(bounds, axis=0)


def entry_flags(e: Evidence, t: Thresholds) -> Bool[np.ndarray, "text layer entry"]:
    """Which kept entries are massive: at least the cutoff, and strictly larger than the magnitude."""
    size, cut = np.abs(e["value"]).astype(np.float64), cutoffs(e, t)[:, None]
    return np.asarray((size >= cut) & (size > t.magnitude))


def flagged(e: Evidence, t: Thresholds) -> tuple[np.ndarray, ...]:
    """(row, layer, entry) of every kept entry that is massive."""
    return np.nonzero(entry_flags(e, t))


def named(ids: np.ndarray, names: Names) -> list[str]:
    """Each token id's text, or `#id` where it is not known."""
    return [names.get(int(i), f"#{i}") for i in ids]

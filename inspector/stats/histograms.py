"""Log-spaced histograms, what a streaming pass can keep of a distribution.

A histogram here counts |x| in bins whose edges are the float32 numbers with a 7-bit mantissa:
128 bins an octave, so a bin is between 0.4 % and 0.8 % wide. It is what a streaming pass can keep
of a distribution: medians, tails and quantisation errors are read from it after the run.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Int

BINS_PER_OCTAVE = 128
LOWEST_EXPONENT = -24
HISTOGRAM_BINS = 64 * BINS_PER_OCTAVE
"""Bins from 2**-24 to 2**40; what is smaller or larger falls into the first or the last bin."""


@cache
def bin_edges() -> Float[np.ndarray, " edges"]:
    """Edges of the histogram's bins, `HISTOGRAM_BINS + 1` numbers, not to be written to; the first is 0."""
    octave, step = np.divmod(np.arange(HISTOGRAM_BINS + 1), BINS_PER_OCTAVE)
    edges = np.ldexp(1.0 + step / BINS_PER_OCTAVE, octave + LOWEST_EXPONENT)
    edges[0] = 0.0
    edges.flags.writeable = False
    return edges


def histogram_quantile(
    counts: Int[np.ndarray, " bins"],
    q: float = 0.5,
    values: tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]] | None = None,
) -> float:
    """The q-quantile of counted magnitudes, linear inside its bin; NaN where nothing was counted.

    Args:
        counts: how many are in each bin.
        q: from 0 to 1.
        values: the smallest and the largest magnitude counted in each bin; the bin's edges where None. With them it is
            exact where a bin holds one value, and between two bins the middle of both.
    """
    total = counts.sum()
    if total == 0:
        return float("nan")
    cumulative = np.cumsum(counts)
    target = q * total
    index = int(np.searchsorted(cumulative, max(target, 1e-9)))  # the first bin that holds any, for the smallest
    edges = bin_edges()
    low, high = (edges[:-1], edges[1:]) if values is None else values
    if values is not None and cumulative[index] == target < total:
        return float((high[index] + low[int(np.searchsorted(cumulative, target, side="right"))]) / 2)
    inside = (target - (cumulative[index] - counts[index])) / counts[index]
    return float(low[index] + inside * (high[index] - low[index]))


def histogram_share(counts: Int[np.ndarray, " bins"], above: float) -> float:
    """Share of the counted magnitudes that are at least `above`, a bin's taken as spread evenly; NaN without any."""
    total = counts.sum()
    if total == 0:
        return float("nan")
    edges = bin_edges()
    inside = np.clip((edges[1:] - above) / np.diff(edges), 0.0, 1.0)
    return float((counts * inside).sum() / total)


def quantisation_error(counts: Int[np.ndarray, " bins"], largest: float, levels: int = 127) -> float:
    """Mean squared error of symmetric round-to-nearest quantisation, from the histogram.

    The scale is `largest / levels` (per tensor; int8 has 127 levels a side). Values inside a bin
    are taken as spread evenly; bins that begin above `largest` are left out. NaN without data.
    """
    step = largest / levels
    kept = np.where(bin_edges()[:-1] <= largest, counts, 0)
    if step == 0 or kept.sum() == 0:
        return float("nan")
    magnitudes = np.minimum(_bin_points(), largest)
    error = (magnitudes - np.round(magnitudes / step) * step) ** 2
    return float((error.mean(axis=1) * kept).sum() / kept.sum())


def mean_square(counts: Int[np.ndarray, " bins"]) -> float:
    """Mean square of the counted magnitudes; NaN without data."""
    total = counts.sum()
    return float(((_bin_points() ** 2).mean(axis=1) * counts).sum() / total) if total else float("nan")


@cache
def _bin_points(points: int = 16) -> Float[np.ndarray, "bins points"]:
    """Evenly spread magnitudes inside each bin."""
    edges = bin_edges()
    share = (np.arange(points) + 0.5) / points
    return edges[:-1, None] + share * np.diff(edges)[:, None]


def excess_kurtosis(moments: Float[np.ndarray, "*rows 5"]) -> Float[np.ndarray, "*rows"]:
    """Excess kurtosis from the raw sums (n, Σx, Σx², Σx³, Σx⁴); NaN where n is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        n, s1, s2, s3, s4 = np.moveaxis(moments, -1, 0)
        m, e2, e3, e4 = s1 / n, s2 / n, s3 / n, s4 / n
        variance = e2 - m**2
        central = e4 - 4 * m * e3 + 6 * m**2 * e2 - 3 * m**4
        return np.asarray(central / variance**2 - 3)

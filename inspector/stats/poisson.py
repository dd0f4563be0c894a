"""A bootstrap that adds up over shards: each text's weights are a hash of its number (Chamandy et al. 2012).

A resample of many texts has each of them about Poisson(1) times, independently. Where these counts follow from the
text's number alone, any machine draws the same ones, and weighted sums of shards are weighted sums of the whole.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri, stdtrit

from inspector.stats.intervals import FEWEST_CLUSTERS, exact_share_ends

REPLICATES = 128
"""Weighted resamples: a standard deviation over so many is known to 6 %."""
_MOST = 12
"""A text that a resample would have more often, one of 10¹⁰, is there so many times."""
_BELOW = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(_MOST)])


def hashed(numbers: Int[np.ndarray, " text"], salt: int = 0) -> np.ndarray:
    """Sixty-four bits of each number, spread evenly (SplitMix64's finaliser); another salt gives others."""
    with np.errstate(over="ignore"):
        x = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(salt + 1)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def poisson_weights(numbers: Int[np.ndarray, " text"]) -> Float[np.ndarray, "draw text"]:
    """How often each text is in each resample: a hash of its number and the resample's."""
    of_text = hashed(numbers).view(np.int64)
    uniform = np.stack([hashed(of_text, salt) >> np.uint64(11) for salt in range(1, REPLICATES + 1)]) / 2.0**53
    return np.searchsorted(_BELOW, uniform, side="right").astype(np.float64)


def pooled_interval(
    mean: Float[np.ndarray, "*columns"] | float,
    draws: Float[np.ndarray, "draw *columns"],
    texts: int,
    *,
    share: bool,
    level: float = 0.95,
) -> tuple[Float[np.ndarray, "*columns"], Float[np.ndarray, "*columns"]]:
    """Interval of means over texts from their resamples.

    A mean's is normal, with the resamples' standard deviation; a share's is Clopper and Pearson's on its effective
    number of texts, as in `mean_interval`.

    Args:
        mean: over all texts.
        draws: the same of each resample.
        texts: how many there are.
        share: whether the means are of shares, from 0 to 1.
        level: how often the interval is to hold the mean.
    """
    mean = np.asarray(mean, np.float64)
    if texts < FEWEST_CLUSTERS:
        return np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
    error = np.sqrt(np.mean((draws - mean) ** 2, axis=0))
    if not share:
        half = -ndtri((1 - level) / 2) * error
        return np.asarray(mean - half), np.asarray(mean + half)
    ends = np.full((2, mean.size), np.nan)
    usual = (ndtri((1 - level) / 2) / stdtrit(texts - 1, (1 - level) / 2)) ** 2
    for at, (p, e) in enumerate(zip(mean.reshape(-1), error.reshape(-1), strict=True)):
        if np.isfinite(p):
            effective = texts if e == 0 else p * (1 - p) / e**2 * usual
            ends[:, at] = exact_share_ends(float(p), float(effective), level)
    return ends[0].reshape(mean.shape), ends[1].reshape(mean.shape)

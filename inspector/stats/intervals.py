"""Intervals over texts or questions, some of which belong together: means, shares, and whatever is bootstrapped.

Means have a studentised bootstrap, which heeds skew; shares have Clopper and Pearson's exact interval on the effective
number of texts. Their coverage is measured by `benchmarks/calibration.py` and shown in docs/statistics.md.
"""

import math
import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

FEWEST_CLUSTERS = 8
"""With fewer texts no interval is given: it would not hold what it says, or hold everything."""

FEWEST_SPARSE = 16
"""With fewer texts, of which all but one or two say exactly the same, no interval is given."""

KEPT_WEIGHTS = 1_000_000
"""Draws times clusters up to which weights are kept for the next interval: 8 MB."""

ROUNDING = 1e-20
"""Squared deviations below this share of the squares themselves are floating-point rounding."""


def bootstrap(
    statistic: Callable[[Float[np.ndarray, "draw cluster"]], Float[np.ndarray, "draw *columns"]],
    clusters: int,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Float[np.ndarray, "draw *columns"]:
    """A statistic's bootstrap draws: as many clusters as there are, drawn with replacement, again and again.

    Args:
        statistic: called with how often each cluster is in each draw; gives its value for each draw. One of rows takes
            each row's weight from its cluster's: `weights[:, cluster]`.
        clusters: how many there are: texts, questions, or what keeps several of them together (see `numbered`).
        resamples: draws.
        seed: the same seed and number of clusters give the same draws.
    """
    drawn = _few_weights if clusters * resamples <= KEPT_WEIGHTS else _weights
    return statistic(drawn(clusters, resamples, seed))


def _weights(clusters: int, resamples: int, seed: int) -> Float[np.ndarray, "draw cluster"]:
    """How often each cluster is in each draw; not to be written to."""
    shares = np.full(clusters, 1 / clusters)
    weights = np.random.default_rng(seed).multinomial(clusters, shares, size=resamples).astype(np.float64)
    weights.flags.writeable = False
    return weights


_few_weights = lru_cache(maxsize=4)(_weights)
"""Draws are the most of an interval's time, and hundreds of findings on the same texts have the same."""


def interval(
    draws: Float[np.ndarray, "draw *columns"], ends: tuple[float, float] = (0.025, 0.975)
) -> tuple[Float[np.ndarray, "*columns"], Float[np.ndarray, "*columns"]]:
    """What bootstrap draws lie between: two of their quantiles. NaNs are left out, and all NaN gives NaN."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(draws, ends, axis=0)
    return np.asarray(low), np.asarray(high)


def numbered(cluster: Shaped[np.ndarray, " row"] | None, rows: int) -> tuple[Int[np.ndarray, " row"], int]:
    """Each row's cluster as a number from 0, and how many there are; where None each row is its own."""
    groups = np.arange(rows) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    return groups, int(groups.max()) + 1 if len(groups) else 0


def mean_interval(
    values: Float[np.ndarray, "text *columns"],
    cluster: Int[np.ndarray, " text"] | None = None,
    *,
    share: bool | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "*columns"], Float[np.ndarray, "*columns"]]:
    """Interval of the mean over texts, for every column at once; texts of one `cluster` count together.

    A column of shares gets Clopper and Pearson's interval on its
    effective number of texts (Korn and Graubard 1998), so that texts that all say the same leave room; any other the
    studentised bootstrap (Efron 1981), which is right for skew. NaNs are left out, and so are infinities, as in
    `mean_known`.

    Args:
        values: a value of each text.
        cluster: what keeps texts together, such as the windows of one long text; where None each is by itself.
        share: whether the values are shares of something, from 0 to 1; where None, zeros and ones are taken for such.
            Differences aren't, whatever they happen to be.
        level: how often the interval is to hold the mean.
        resamples: draws of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Both ends; NaN with fewer than `FEWEST_CLUSTERS` clusters that hold a value, and where so few texts differ that
        the bootstrap has no end.
    """
    shape = values.shape[1:]
    flat = values.reshape(len(values), math.prod(values.shape[1:])).astype(np.float64)
    groups, size = numbered(cluster, len(flat))
    present = np.isfinite(flat)
    sums, counts = np.zeros((size, flat.shape[1])), np.zeros((size, flat.shape[1]))
    np.add.at(sums, groups, np.where(present, flat, 0.0))
    np.add.at(counts, groups, present)
    ends = np.full((2, flat.shape[1]), np.nan)
    enough = (counts > 0).sum(axis=0) >= FEWEST_CLUSTERS
    binary = np.all(~present | np.isin(flat, (0.0, 1.0)), axis=0)
    of_shares = enough & (binary if share is None else share)
    for column in np.flatnonzero(of_shares):
        ends[:, column] = _share_ends(sums[:, column], counts[:, column], bool(binary[column]), level)
    others = enough & ~of_shares
    if others.any():
        ends[:, others] = _studentised(sums[:, others], counts[:, others], level, resamples, seed)
    return ends[0].reshape(shape), ends[1].reshape(shape)


def weighted_interval(parts: Iterable[tuple[float, float, float, float]]) -> tuple[float, float]:
    """Interval of a weighted sum of independent estimates, each with its own: `(weight, estimate, low, high)`.

    By the method of variance estimates recovery (Zou and Donner 2008); NaN where an end is.
    """
    total, below, above = 0.0, 0.0, 0.0
    for weight, estimate, low, high in parts:
        down, up = (weight * (estimate - end) for end in ((low, high) if weight > 0 else (high, low)))
        total, below, above = total + weight * estimate, below + down**2, above + up**2
    return total - math.sqrt(below), total + math.sqrt(above)


def _share_ends(
    sums: Float[np.ndarray, " cluster"], counts: Float[np.ndarray, " cluster"], binary: bool, level: float
) -> tuple[float, float]:
    """Clopper and Pearson's interval on as many texts as say independently what these say."""
    held = counts > 0
    clusters, texts = int(held.sum()), float(counts.sum())
    p = float(sums.sum() / texts)
    squares = float(((sums - p * counts) ** 2).sum())
    if squares <= ROUNDING * float((sums**2).sum()):  # equal shares, of which p is a rounded mean
        squares = 0.0
    variance = clusters / (clusters - 1) * squares / texts**2
    tail = (1 - level) / 2
    if variance == 0:
        effective = float(clusters)
    else:
        effective = p * (1 - p) / variance * (texts / (texts - 1) if binary else 1.0)
        usual = stdtrit(texts - 1, tail) if binary else ndtri(tail)
        effective *= (usual / stdtrit(clusters - 1, tail)) ** 2
        effective = min(effective, texts) if binary else effective
    return exact_share_ends(p, effective, level)


def exact_share_ends(p: float, effective: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share that was seen on so many texts, which need not be a whole number."""
    hits, tail = p * effective, (1 - level) / 2
    low = 0.0 if p <= 0 else float(betaincinv(hits, effective - hits + 1, tail))
    high = 1.0 if p >= 1 else float(betaincinv(hits + 1, effective - hits, 1 - tail))
    return low, high


def _studentised(
    sums: Float[np.ndarray, "cluster column"],
    counts: Float[np.ndarray, "cluster column"],
    level: float,
    resamples: int,
    seed: int,
) -> Float[np.ndarray, "2 column"]:
    """Bootstrap-t intervals of ratios of sums; the tails are widened for small samples as √(n/(n−1)) widens a z.

    Where so few clusters differ that many draws hold none of them, it has no end: then Student's interval, as if one
    more cluster were like the one that differs most, or none with fewer than `FEWEST_SPARSE` clusters.
    """

    def studied(weights: Float[np.ndarray, "draw cluster"]) -> Float[np.ndarray, "draw column 2"]:
        total = weights @ counts
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ sums) / total
            squares = weights @ sums**2 - 2 * mean * (weights @ (sums * counts)) + mean**2 * (weights @ counts**2)
            rounding = 1e-12 * (weights @ sums**2)
            error = np.sqrt(np.where(squares > rounding, squares, 0.0)) / total
        return np.stack([mean, error], axis=-1)

    mean, error = np.moveaxis(studied(np.ones((1, len(sums))))[0], -1, 0)
    draws = bootstrap(studied, len(sums), resamples=resamples, seed=seed)
    away = draws[..., 0] - mean
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(away == 0, 0.0, away / draws[..., 1])
    n = (counts > 0).sum(axis=0)
    ends = np.empty((2, len(mean)))
    for column in range(len(mean)):
        tail = float(ndtr(np.sqrt(n[column] / (n[column] - 1)) * ndtri((1 - level) / 2)))
        known = t[~np.isnan(t[:, column]), column]
        ends[:, column] = np.quantile(known, (1 - tail, tail), method="inverted_cdf")
    alike = error == 0
    ends = mean - np.where(alike, 0.0, ends) * error
    sparse = ~np.isfinite(ends).all(axis=0)
    worst = np.abs(sums - mean * counts).max(axis=0) / counts.sum(axis=0)
    half = -stdtrit(np.maximum(n - 1, 1), (1 - level) / 2) * np.sqrt(error**2 + worst**2)
    half = np.where(n >= FEWEST_SPARSE, half, np.nan)
    return np.where(sparse, np.stack([mean - half, mean + half]), ends)


def mean_known(values: Float[np.ndarray, " _input"]) -> float:
    """The mean over the inputs on which a metric is known, which is finite there; NaN without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")

"""How well scores tell two kinds of answers apart: AUROC with intervals, and calibration."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri, stdtrit

from inspector.stats.intervals import FEWEST_CLUSTERS, mean_interval, mean_known, numbered, weighted_interval


def auroc(
    scores: Float[np.ndarray, "row *columns"], positive: Bool[np.ndarray, " row"]
) -> Float[np.ndarray, "*columns"]:
    """Area under the ROC curve of each column: P(a positive's score > a negative's), ties count half.

    NaN where one of the two kinds is missing.
    """
    from scipy.stats import rankdata  # takes a second to import, and only studies need it

    p, n = int(positive.sum()), int((~positive).sum())
    if not p or not n:
        return np.full(scores.shape[1:], np.nan)
    ranks = rankdata(scores, axis=0)
    return np.asarray((ranks[positive].sum(axis=0) - p * (p + 1) / 2) / (p * n))


def auroc_interval(
    scores: Float[np.ndarray, "row *columns"],
    positive: Bool[np.ndarray, " row"],
    cluster: Int[np.ndarray, " row"] | None = None,
    *,
    level: float = 0.95,
) -> tuple[Float[np.ndarray, "*columns"], Float[np.ndarray, "*columns"]]:
    """Interval of each column's AUROC, for few of a kind and near 1 as well; rows of one `cluster` count together.

    Newcombe's score interval (2006, "Confidence intervals for an effect size measure based on the Mann–Whitney
    statistic", part 2, method 5). Where the variance by DeLong et al. 1988, clustered as by Obuchowski 1997, is larger
    than that method's, it is scaled up to it, and its normal quantile becomes Student's.

    Returns:
        Both ends; NaN with fewer than `FEWEST_CLUSTERS` clusters that hold either kind, and where a score is NaN.
    """
    flat = scores.reshape(len(scores), math.prod(scores.shape[1:])).astype(np.float64)
    ends = np.full((2, flat.shape[1]), np.nan)
    groups, _ = numbered(cluster, len(positive))
    if min(len(np.unique(groups[kind])) for kind in (positive, ~positive)) >= FEWEST_CLUSTERS:
        for column in np.flatnonzero(~np.isnan(flat).any(axis=0)):
            values = flat[:, column]
            ends[:, column] = _newcombe(values, positive, groups, (1 - level) / 2)
    return ends[0].reshape(scores.shape[1:]), ends[1].reshape(scores.shape[1:])


def auroc_difference(
    first: Float[np.ndarray, " row"],
    second: Float[np.ndarray, " row"],
    positive: Bool[np.ndarray, " row"],
    cluster: Int[np.ndarray, " row"] | None = None,
    *,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """How much larger one score's AUROC is than another's on the same rows, and the interval's ends.

    DeLong et al. 1988 for two areas of the same rows, clustered as by Obuchowski 1997, with Student's quantile.

    Returns:
        The difference, and both ends; these are NaN with fewer than `FEWEST_CLUSTERS` clusters of either kind, and
        where no row tells the two apart.
    """
    groups, _ = numbered(cluster, len(positive))
    areas = [float(auroc(scores, positive)) for scores in (first, second)]
    difference = areas[0] - areas[1]
    clusters = min(len(np.unique(groups[kind])) for kind in (positive, ~positive))
    if clusters < FEWEST_CLUSTERS or np.isnan(difference):
        return difference, float("nan"), float("nan")
    away = _away(first, positive, areas[0]) - _away(second, positive, areas[1])
    variance = _by_cluster(away, groups)
    if variance <= 0:  # both are perfect, or the same
        return difference, float("nan"), float("nan")
    half = -float(stdtrit(clusters - 1, (1 - level) / 2)) * math.sqrt(variance)
    return difference, max(-1.0, difference - half), min(1.0, difference + half)


def prediction_rejection(risks: Float[np.ndarray, " row"], wrong: Bool[np.ndarray, " row"]) -> float:
    """Prediction–rejection ratio: of what rejecting the riskiest answers first can gain, the share that it gains.

    1 where every wrong answer is rejected before any other, 0 for a random order, below 0 for a worse one; rows of
    equal risk are in no order. NaN where all are of one kind. Malinin and Gales 2021, rejection rates counted alike.
    """
    if not len(risks) or wrong.all() or not wrong.any():
        return float("nan")
    base = float(wrong.mean())
    mine, best = (float(error_by_coverage(order, wrong).mean()) for order in (risks, wrong.astype(float)))
    return (base - mine) / (base - best)


def error_by_coverage(
    risks: Float[np.ndarray, " row"], wrong: Bool[np.ndarray, " row"] | Float[np.ndarray, " row"]
) -> Float[np.ndarray, " row"]:
    """Share of wrong rows among the least risky one, two, … of them; rows of equal risk count as their mean."""
    order = np.argsort(risks, kind="stable")
    first = np.flatnonzero(np.diff(risks[order], prepend=-np.inf))
    sizes = np.diff(first, append=len(risks))
    even = np.repeat(np.add.reduceat(wrong[order].astype(float), first) / sizes, sizes)
    return np.asarray(even.cumsum() / np.arange(1, len(risks) + 1))


def _newcombe(
    scores: Float[np.ndarray, " row"], positive: Bool[np.ndarray, " row"], groups: Int[np.ndarray, " row"], tail: float
) -> tuple[float, float]:
    """The areas θ that lie within so many of their own standard errors of the area seen."""
    from scipy.optimize import brentq

    area = float(auroc(scores, positive))
    clusters = [float(len(np.unique(groups[kind]))) for kind in (positive, ~positive)]
    rows = [float(kind.sum()) for kind in (positive, ~positive)]
    scale, quantile = 1.0, float(ndtri(tail))
    if 0 < area < 1:
        expected, seen = _hanley(area, *rows), _delong(scores, positive, groups, area)
        scale = max(expected, seen) / _hanley(area, *clusters)
        quantile = float(stdtrit(min(clusters) - 1, tail)) if seen > expected else quantile

    def outside(theta: float) -> float:
        return (area - theta) ** 2 - quantile**2 * scale * _hanley(theta, *clusters)

    edge = 1e-9
    low = brentq(outside, edge, area - edge) if area > 2 * edge and outside(edge) > 0 else 0.0
    high = brentq(outside, area + edge, 1 - edge) if area < 1 - 2 * edge and outside(1 - edge) > 0 else 1.0
    return float(low), float(high)


def _hanley(theta: float, positives: float, negatives: float) -> float:
    """Hanley and McNeil's variance of an area, made symmetric by Newcombe."""
    half = (positives + negatives) / 2 - 1
    return theta * (1 - theta) * (1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / positives / negatives


def _delong(
    scores: Float[np.ndarray, " row"], positive: Bool[np.ndarray, " row"], groups: Int[np.ndarray, " row"], area: float
) -> float:
    """The area's variance from how each row compares with all of the other kind, summed by cluster."""
    return _by_cluster(_away(scores, positive, area), groups)


def _away(
    scores: Float[np.ndarray, " row"], positive: Bool[np.ndarray, " row"], area: float
) -> Float[np.ndarray, " row"]:
    """What each row adds to its area's deviation: the share of the other kind that it is on the right side of."""
    from scipy.stats import rankdata

    among_all = rankdata(scores)
    away = np.empty(len(scores))
    for kind, sign in ((positive, 1.0), (~positive, -1.0)):
        beats = (among_all[kind] - rankdata(scores[kind])) / (~kind).sum()
        away[kind] = ((beats if sign > 0 else 1 - beats) - area) / kind.sum()
    return away


def _by_cluster(away: Float[np.ndarray, " row"], groups: Int[np.ndarray, " row"]) -> float:
    """Variance of a sum whose terms come together in clusters."""
    by_cluster = np.bincount(groups, away)
    clusters = len(np.unique(groups))
    return float(clusters / (clusters - 1) * (by_cluster**2).sum())


def balanced_mean_interval(
    values: Float[np.ndarray, " row"],
    positive: Bool[np.ndarray, " row"],
    cluster: Int[np.ndarray, " row"] | None = None,
    *,
    level: float = 0.95,
) -> tuple[float, float]:
    """Interval of the mean of both kinds' shares (balanced accuracy, where values are hits, 0 or 1).

    Each kind's own interval, put together by `weighted_interval`. NaN with fewer than `FEWEST_CLUSTERS` clusters of
    either kind.
    """
    groups, _ = numbered(cluster, len(positive))
    parts = []
    for kind in (positive, ~positive):
        low, high = map(float, mean_interval(values[kind], groups[kind], share=True, level=level))
        parts.append((0.5, mean_known(values[kind]), low, high))
    return weighted_interval(parts)


def calibration_floor(risks: Float[np.ndarray, " row"], share: float, draws: int = 200, seed: int = 0) -> float:
    """The calibration error that such risks have on average if every one of them is true, for want of answers.

    Args:
        risks: P(positive) where both kinds weigh the same.
        share: of the rows that are positive.
        draws: of the rows' kinds.
        seed: of these.
    """
    chances = risks * share / np.maximum(risks * share + (1 - risks) * (1 - share), 1e-300)
    kinds = np.random.default_rng(seed).random((draws, len(risks))) < chances
    return float(np.mean([calibration_error(risks, one, balanced_weights(one)) for one in kinds if 0 < one.mean() < 1]))


def balanced_weights(positive: Bool[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Weights of rows under which both kinds weigh the same, 1 on average."""
    return np.where(positive, 0.5 / positive.mean(), 0.5 / (~positive).mean())


def calibration_error(
    risks: Float[np.ndarray, " row"],
    positive: Bool[np.ndarray, " row"],
    weights: Float[np.ndarray, " row"] | None = None,
    bins: int = 10,
) -> float:
    """Mean |share of positives − mean risk| over bins of equally many rows; NaN without any (Naeini et al. 2015)."""
    if not len(risks):
        return float("nan")
    weights = np.ones(len(risks)) if weights is None else weights
    edges = np.unique(np.quantile(risks, np.linspace(0, 1, bins + 1)[1:-1]))
    part = np.searchsorted(edges, risks, side="right")  # equal risks are in one bin
    gaps = np.bincount(part, weights * (positive - risks))
    return float(np.abs(gaps).sum() / weights.sum())

"""Whether scores are higher for one of two kinds of rows, beyond what strata and covariates say, rows held together."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int


def stratified_auroc(
    scores: Float[np.ndarray, "row column"], positive: Bool[np.ndarray, " row"], stratum: Int[np.ndarray, " row"]
) -> Float[np.ndarray, " column"]:
    """AUROC over pairs of one stratum; strata with one kind only say nothing, and NaN where all are so."""
    from scipy.stats import rankdata

    beyond, pairs = np.zeros(scores.shape[1]), 0
    for one in np.unique(stratum):
        here = stratum == one
        p, n = int(positive[here].sum()), int((~positive[here]).sum())
        if p and n:
            ranks = rankdata(scores[here], axis=0)
            beyond += ranks[positive[here]].sum(axis=0) - p * (p + 1) / 2
            pairs += p * n
    return beyond / pairs if pairs else np.full(scores.shape[1], np.nan)


def association(
    scores: Float[np.ndarray, "row column"],
    positive: Bool[np.ndarray, " row"],
    stratum: Int[np.ndarray, " row"],
    clusters: Sequence[Int[np.ndarray, " row"]],
    covariates: Float[np.ndarray, "row covariate"] | None = None,
) -> Float[np.ndarray, " column"]:
    """One-sided p that a column is higher where `positive`, within strata.

    Van Elteren's test (the summed Mann–Whitney statistics of the strata) with a variance that heeds which rows belong
    together, by several keys at once (Cameron, Gelbach and Miller 2011), beside Student's t with as many degrees of
    freedom as the key with the fewest groups has, less one. With covariates both ranks and kinds are what is left of
    them after linear regression on these within strata.

    Args:
        scores: what is tested, column by column.
        positive: each row's kind.
        stratum: rows are compared within one.
        clusters: for each key, the group that a row belongs to.
        covariates: what must not explain it.

    Returns:
        p; NaN where the kinds don't differ within any stratum, and where nothing is left of a column.
    """
    from scipy.stats import rankdata
    from scipy.stats import t as student

    kinds, ranks = positive.astype(float), np.empty(scores.shape)
    for one in np.unique(stratum):
        here = stratum == one
        ranks[here] = rankdata(scores[here], axis=0) / here.sum()
    kinds, ranks = _within(kinds[:, None], stratum), _within(ranks, stratum)
    if covariates is not None:
        basis = _basis(_within(covariates, stratum))
        kinds, ranks = (values - basis @ (basis.T @ values) for values in (kinds, ranks))
    parts = kinds * ranks
    variance = _variance(parts, clusters)
    groups = min(len(np.unique(key)) for key in clusters)
    known = (variance > 1e-12 * np.maximum(1.0, (parts**2).sum(axis=0))) & (groups > 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = parts.sum(axis=0) / np.sqrt(variance)
    return np.where(known, student.sf(t, max(1, groups - 1)), np.nan)


def flexible(values: Float[np.ndarray, " row"], bins: int = 5) -> Float[np.ndarray, "row column"]:
    """A covariate as columns that follow it wherever it goes: its ranks, and in which of its quantile bins it lies."""
    from scipy.stats import rankdata

    ranks = rankdata(values) / len(values)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, values, side="right")
    return np.column_stack([ranks, *(place == one for one in np.unique(place)[1:])]).astype(float)


def _within(values: Float[np.ndarray, "row column"], stratum: Int[np.ndarray, " row"]) -> np.ndarray:
    """Values less their stratum's mean."""
    number = np.unique(stratum, return_inverse=True)[1]
    sums = np.zeros((number.max() + 1, values.shape[1]))
    np.add.at(sums, number, values)
    return np.asarray(values - (sums / np.bincount(number)[:, None])[number])


def _basis(values: Float[np.ndarray, "row column"]) -> np.ndarray:
    """Orthonormal columns that span these."""
    left, sizes, _ = np.linalg.svd(values, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * max(1.0, sizes.max(initial=0.0))])


def _variance(
    parts: Float[np.ndarray, "row column"], clusters: Sequence[Int[np.ndarray, " row"]]
) -> Float[np.ndarray, " column"]:
    """Variance of the parts' sum, rows of one group by any key together; at least that by each key alone."""
    alone = [_by(parts, key) for key in clusters]
    total = np.zeros(parts.shape[1])
    for size in range(1, len(clusters) + 1):
        for keys in combinations(clusters, size):
            same_by_all = np.unique(np.stack(keys), axis=1, return_inverse=True)[1]
            total += (-1) ** (size + 1) * _by(parts, same_by_all.ravel())
    return np.asarray(np.maximum.reduce([*alone, total]))


def _by(parts: Float[np.ndarray, "row column"], key: Int[np.ndarray, " row"]) -> np.ndarray:
    groups = np.unique(key, return_inverse=True)[1]
    sums = np.zeros((groups.max() + 1, parts.shape[1]))
    np.add.at(sums, groups, parts)
    return np.asarray(len(sums) / max(1, len(sums) - 1) * (sums**2).sum(axis=0))

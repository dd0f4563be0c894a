"""The risk that a study gives an answer: the score or combination that was best where nothing was fitted, calibrated.

A logistic regression on what one pass over question and answer tells: the probe's log-odds, the first token's entropy,
the answer's mean log-probability, self-certainty and length. Which of them it looks at is chosen inside each fold. So
is its calibration: beta calibration (Kull, Silva Filho and Flach 2017) by answers that it wasn't fitted on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logit

from inspector.detectors.hneurons.arrays import HEADLINE, HeadlineArrays, headline_columns
from inspector.hallucination.probe.nested_cv import INNER, Nested
from inspector.hallucination.probe.splits import Folds, split
from inspector.stats import auroc

CHOICES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in HEADLINE if name != "length"},
    "all but the probe": tuple(name for name in HEADLINE if name != "probe"),
    "all together": HEADLINE,
}
"""Which scores may make the headline risk. Of equally good ones the first: a score alone before a combination."""

UNCHANGED = np.array([1.0, 1.0, 0.0])
"""A calibration that changes nothing."""
FREE = 1000.0
"""scikit-learn's inverse penalty of a calibration's two slopes: as good as none."""


@dataclass(frozen=True)
class Headline:
    """The fitted headline risk.

    Args:
        odds: out-of-fold log-odds of each row, as if incorrect and correct answers were equally many.
        chosen: which of `CHOICES` the final fit looks at.
        fit: the final fit.
    """

    odds: Float[np.ndarray, " row"]
    chosen: str
    fit: HeadlineArrays


def headline(
    plain: Mapping[str, Float[np.ndarray, " row"]],
    probe: Nested,
    made_up: Bool[np.ndarray, " row"],
    keys: Int[np.ndarray, "row key"],
    folds: Folds,
    seed: int,
) -> Headline:
    """Choose and fit inside each outer fold's complement, predict the fold; then once more on all rows.

    Args:
        plain: scores by name, `HEADLINE` without the probe.
        probe: its log-odds, out of fold and inside each fold.
        made_up: whether an answer is incorrect.
        keys: what rows may share.
        folds: the outer folds.
        seed: of the inner folds.
    """
    odds = np.full(len(made_up), np.nan)
    for fold in range(folds.count):
        rows, held = folds.fit_on(fold) & np.isfinite(probe.inner[fold]), folds.held_out(fold)
        scores = headline_columns({**plain, "probe": np.where(held, probe.log_odds, probe.inner[fold])})
        fit, _ = _calibrated(scores[rows], made_up[rows], keys[rows], seed)
        odds[held] = fit.log_odds(scores[held]) - logit(fit.base)
    fit, chosen = _calibrated(headline_columns({**plain, "probe": probe.log_odds}), made_up, keys, seed)
    return Headline(odds, chosen, fit)


def _calibrated(
    scores: Float[np.ndarray, "row score"],
    made_up: Bool[np.ndarray, " row"],
    keys: Int[np.ndarray, "row key"],
    seed: int,
) -> tuple[HeadlineArrays, str]:
    """The choice with the largest AUROC on inner folds that it wasn't fitted on, calibrated by its log-odds there."""
    folds = split(keys, made_up, INNER, seed)
    odds = {name: np.full(len(made_up), np.nan) for name in CHOICES}
    for name, mine in odds.items():
        for fold in range(INNER):
            rows, held = folds.fit_on(fold), folds.held_out(fold)
            mine[held] = _fitted(scores[rows], made_up[rows], name).raw(scores[held])
    chosen = max(odds, key=lambda name: float(auroc(odds[name], made_up)))
    return replace(_fitted(scores, made_up, chosen), calibration=_calibration(odds[chosen], made_up)), chosen


def _calibration(
    odds: Float[np.ndarray, " row"], made_up: Bool[np.ndarray, " row"]
) -> Float[np.ndarray, " calibration"]:
    """Beta calibration that never turns the order round; one slope (Platt's) where it would."""
    from sklearn.linear_model import LogisticRegression

    both = np.stack([-np.logaddexp(0, -odds), np.logaddexp(0, odds)], axis=1)
    for slopes in (both, both.sum(axis=1, keepdims=True)):
        fit = LogisticRegression(C=FREE, max_iter=1000).fit(slopes, made_up)
        if (fit.coef_ > 0).all():
            return np.array([fit.coef_[0, 0], fit.coef_[0, -1], fit.intercept_[0]])
    return np.array([0.0, 0.0, logit(made_up.mean())])  # scores that say nothing


def _fitted(scores: Float[np.ndarray, "row score"], made_up: Bool[np.ndarray, " row"], choice: str) -> HeadlineArrays:
    """A logistic regression on the chosen scores, standardised; its risks have the rows' share of incorrect ones."""
    from sklearn.linear_model import LogisticRegression

    used = np.array([name in CHOICES[choice] for name in HEADLINE])
    mean, spread = scores.mean(axis=0), scores.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(max_iter=500).fit(((scores - mean) / scale)[:, used], made_up)
    weight = np.zeros(len(HEADLINE))
    weight[used] = model.coef_[0]
    return HeadlineArrays(
        weight, mean, scale, model.intercept_.astype(np.float64), UNCHANGED, np.array([made_up.mean()])
    )

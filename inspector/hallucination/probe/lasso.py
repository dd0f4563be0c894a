"""L1 or elastic-net logistic regression along a path of penalties, on far more neurons than answers.

Sequential strong rules (Tibshirani et al. 2012, "Strong rules for discarding predictors in
lasso-type problems") name the few neurons that can matter at each penalty; scikit-learn's liblinear
fits those, its coordinate descent an elastic net; the optimality conditions of all neurons are then
checked, and what was discarded wrongly comes back. The result is the solution over all neurons:
measured against skglm and against liblinear on everything, the same supports, in a quarter and a
hundredth of the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.alike import Alike
from inspector.errors import InputError
from inspector.printable import counted

PENALTIES = np.geomspace(0.9, 0.1, 16)
"""The path, as shares of the smallest penalty under which no neuron has a weight."""

MOST = 100
"""Most neurons of a probe; the path ends before it has more."""
MOST_ELASTIC = 300
"""An elastic net keeps neurons that say the same together, so it has more."""

REWEIGHTINGS, FLATTEST = 50, 1e-4
"""Most steps of an elastic net, which needs about five, and the least weight of a row in one."""

SLACK = 1.01
"""How far over its bound a gradient may be before a discarded neuron comes back: liblinear's own tolerance."""


@dataclass(frozen=True, repr=False, eq=False)
class Fit(Alike):
    """A logistic regression on a few standardised columns: the log-odds that a row is positive.

    Args:
        columns: which columns have a weight.
        weight: weights of the standardised columns.
        mean, scale: how those columns are standardised.
        bias: the intercept.
    """

    columns: Int[np.ndarray, " column"]
    weight: Float[np.ndarray, " column"]
    mean: Float[np.ndarray, " column"]
    scale: Float[np.ndarray, " column"]
    bias: float

    def __repr__(self) -> str:
        return f"<Fit on {counted(len(self.columns), 'column')}, bias {self.bias:+.3g}>"

    def log_odds(self, values: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " row"]:
        """Log-odds of rows, from their values in `columns`; summed in float64, in the order of the columns."""
        return ((values.astype(np.float64) - self.mean) / self.scale * self.weight).sum(axis=1) + self.bias


def balanced(positive: Bool[np.ndarray, " row"], rows: Bool[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Weights of the rows to fit on: each kind has half of the total of 1, other rows have 0."""
    weights = np.zeros(len(positive))
    for kind in (positive & rows, ~positive & rows):
        weights[kind] = 0.5 / max(1, kind.sum())
    return weights


def moments(
    x: Float[np.ndarray, "row column"], weights: Float[np.ndarray, " row"]
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"]]:
    """Weighted mean and standard deviation of every column; the latter is infinite for a constant column."""
    share = (weights / weights.sum()).astype(np.float32)
    mean = share @ x
    spread = np.sqrt(_variance(x, share, mean))
    return mean, np.where(spread > 1e-6 * np.abs(mean) + 1e-12, spread, np.inf).astype(np.float32)


def _variance(x: np.ndarray, share: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The variance in blocks of rows, so that no second array of x's size is made."""
    total = np.zeros(x.shape[1])
    for start in range(0, len(x), 64):
        centred = x[start : start + 64] - mean
        total += share[start : start + 64] @ (centred * centred)
    return total


def path(
    x: Float[np.ndarray, "row column"],
    positive: Bool[np.ndarray, " row"],
    weights: Float[np.ndarray, " row"],
    penalties: Float[np.ndarray, " penalty"] = PENALTIES,
    most: int = MOST,
    l1_ratio: float = 1.0,
) -> Iterator[Fit]:
    """Fits from the strongest penalty to the weakest, until a fit has more than `most` columns.

    Args:
        x: features as measured, float32; they are standardised here, by the rows that are fitted on.
        positive: the rows' kind.
        weights: the rows' weights, 0 for rows to leave out; of both kinds some must be positive.
        penalties: falling shares of the smallest penalty that leaves no column.
        most: where to end.
        l1_ratio: share of the penalty that is L1, the rest L2: 1 is the lasso, less an elastic net.

    Raises:
        InputError: the weighted rows are all of one kind.
    """
    share = weights / (weights.sum() or 1.0)
    balance = float(share[positive].sum())
    if not 1e-9 < balance < 1 - 1e-9:
        raise InputError(
            "insufficient data: in some fold only one kind of answers shares no subject and no answer with the rest. "
            "Ask more questions, on more subjects."
        )
    mean, scale = moments(x, weights)
    rows = np.flatnonzero(weights)
    gradient = _gradient(x, share * (balance - positive), mean, scale)
    top = before = float(np.abs(gradient).max()) / l1_ratio
    support = np.zeros(0, dtype=np.int64)
    for penalty in top * penalties:
        active = np.union1d(support, np.flatnonzero(np.abs(gradient) >= l1_ratio * (2 * penalty - before)))
        while True:
            values = (x[np.ix_(rows, active)] - mean[active]) / scale[active]
            fit, odds = _fit(values, positive[rows], share[rows], penalty, l1_ratio)
            residual = np.zeros(len(x))
            residual[rows] = share[rows] * (1 / (1 + np.exp(-odds)) - positive[rows])
            gradient = _gradient(x, residual, mean, scale)
            wrongly = np.setdiff1d(np.flatnonzero(np.abs(gradient) > SLACK * l1_ratio * penalty), active)
            if not len(wrongly):
                break
            active = np.union1d(active, wrongly)
        before, weight = penalty, fit[:-1]
        support = active[weight != 0]
        if len(support) > most:
            return
        yield Fit(
            support,
            weight[weight != 0],
            mean[support].astype(np.float64),
            scale[support].astype(np.float64),
            float(fit[-1]),
        )


def _gradient(x: np.ndarray, residual: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> Float[np.ndarray, " column"]:
    """The loss's gradient by the weights of the standardised columns, without standardising them all."""
    return (residual.astype(np.float32) @ x - residual.sum() * mean) / scale


def _fit(
    values: np.ndarray, positive: np.ndarray, share: np.ndarray, penalty: float, l1_ratio: float
) -> tuple[Float[np.ndarray, " weight"], Float[np.ndarray, " row"]]:
    """scikit-learn's weights of these columns, the intercept last, and the rows' log-odds."""
    from sklearn.linear_model import LogisticRegression

    if not values.shape[1]:
        odds = float(np.log(share[positive].sum() / share[~positive].sum()))
        return np.array([odds]), np.full(len(values), odds)
    values = values.astype(np.float64)
    if l1_ratio < 1:
        return _reweighted(values, positive, share, penalty, l1_ratio)
    model = LogisticRegression(
        l1_ratio=1.0, solver="liblinear", C=1 / penalty, intercept_scaling=10.0, tol=1e-4, max_iter=1000, random_state=0
    )
    model.fit(values, positive, sample_weight=share)
    return np.append(model.coef_[0], model.intercept_), model.decision_function(values)


def _reweighted(
    values: np.ndarray, positive: np.ndarray, share: np.ndarray, penalty: float, l1_ratio: float
) -> tuple[Float[np.ndarray, " weight"], Float[np.ndarray, " row"]]:
    """An elastic net by iteratively reweighted least squares, each by coordinate descent, as glmnet has it.

    scikit-learn's SAGA hadn't converged in ten times the time, on CETTs of which many say nearly the same.
    """
    from sklearn.linear_model import ElasticNet

    weights = np.zeros(values.shape[1] + 1)
    odds = np.full(len(values), np.log(share[positive].sum() / share[~positive].sum()))
    for _ in range(REWEIGHTINGS):
        risk = 1 / (1 + np.exp(-odds))
        curve = np.maximum(risk * (1 - risk), FLATTEST)
        model = ElasticNet(alpha=penalty / (share * curve).sum(), l1_ratio=l1_ratio, tol=1e-6, max_iter=5000)
        model.fit(values, odds + (positive - risk) / curve, sample_weight=share * curve)
        before, weights = weights, np.append(model.coef_, model.intercept_)
        odds = model.predict(values)
        if np.abs(weights - before).max() < 1e-4 * max(1.0, np.abs(weights).max()):
            break
    return weights, odds

"""How well do neurons distinguish incorrect from correct answers, on answers that nothing was fitted on?

Everything here is nested: an outer fold is held out, and what is fitted or chosen for it (penalty,
neurons, weights, how to combine) comes from the other folds alone, less the rows that share an answer
or a subject with it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.errors import InputError
from inspector.hallucination.probe.lasso import MOST_ELASTIC, PENALTIES, Fit, balanced, path
from inspector.hallucination.probe.splits import Folds, split, with_own
from inspector.progress import Task
from inspector.stats import auroc

OUTER, INNER = 5, 4


@dataclass(frozen=True)
class Answers:
    """What is fitted on: a row an answer.

    Args:
        x: mean CETT over the answer's tokens.
        made_up: True where the answer is wrong.
        keys: what rows may share (see `splits`), the subject first.
        question: mean CETT over the question's tokens, for the 3-vs-1 design; None for 1-vs-1.
        l1_ratio: share of the probe's penalty that is L1; an elastic net below 1.
    """

    x: Float[np.ndarray, "row neuron"]
    made_up: Bool[np.ndarray, " row"]
    keys: Int[np.ndarray, "row key"]
    question: Float[np.ndarray, "row neuron"] | None = None
    l1_ratio: float = 1.0

    def path(self, rows: Bool[np.ndarray, " row"], penalties: Float[np.ndarray, " penalty"]) -> Iterator[Fit]:
        """Fits on these rows; in the 3-vs-1 design incorrect answers stand against correct ones and all questions."""
        if self.question is None:
            weights = balanced(self.made_up, rows)
            if self.l1_ratio == 1:
                return path(self.x, self.made_up, weights, penalties)
            return path(self.x, self.made_up, weights, penalties, MOST_ELASTIC, self.l1_ratio)
        positive = np.concatenate([self.made_up, np.zeros_like(self.made_up)])
        return path(self._both, positive, balanced(positive, np.tile(rows, 2)), penalties)

    @cached_property
    def subject(self) -> Int[np.ndarray, " row"]:
        """Each row's subject, a number of its own where it has none: rows of one are drawn together."""
        return with_own(self.keys[:, 0])

    @cached_property
    def accepted(self) -> Int[np.ndarray, " row"]:
        """Each row's accepted answer, a number of its own where it has none."""
        return with_own(self.keys[:, 1]) if self.keys.shape[1] > 1 else np.arange(len(self.keys))

    @cached_property
    def _both(self) -> Float[np.ndarray, "rows neuron"]:
        """Answers, then questions."""
        return self.x if self.question is None else np.concatenate([self.x, self.question])


@dataclass(frozen=True)
class Nested:
    """Out-of-fold log-odds of every row, and what was chosen for each outer fold.

    Args:
        log_odds: by the fit that never saw the row.
        inner: for each outer fold, log-odds of the rows fitted on, by inner fits that never saw them; NaN elsewhere.
        steps: how many steps down the path each outer fold's fit is.
        neurons: how many neurons it has.
    """

    log_odds: Float[np.ndarray, " row"]
    inner: Float[np.ndarray, "fold row"]
    steps: tuple[int, ...]
    neurons: tuple[int, ...]


def nested(answers: Answers, folds: Folds, seed: int, task: Task) -> Nested:
    """Fit and choose inside each outer fold's complement, and predict the fold."""
    count = folds.count
    log_odds, inner = np.full(len(answers.x), np.nan), np.full((count, len(answers.x)), np.nan)
    steps, neurons = [], []
    for fold in range(count):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        fit, step, inner[fold] = choose(answers, rows, seed)
        log_odds[held] = fit.log_odds(answers.x[np.ix_(held, fit.columns)])
        steps.append(step)
        neurons.append(len(fit.columns))
        task.advance()
    return Nested(log_odds, inner, tuple(steps), tuple(neurons))


def choose(answers: Answers, rows: Bool[np.ndarray, " row"], seed: int) -> tuple[Fit, int, Float[np.ndarray, " row"]]:
    """The fit on these rows at the penalty that inner folds found best.

    Returns:
        The fit, how many steps down the path it is, and the rows' log-odds by inner fits that never
        saw them (NaN outside the rows).
    """
    fewest = min(int((answers.made_up & rows).sum()), int((~answers.made_up & rows).sum()))
    if fewest < 2 * INNER:
        raise InputError(
            f"insufficient data: {fewest} answers of one kind share no subject and no answer with the held-out ones; "
            f"at least {2 * INNER} are needed. Ask more questions, on more subjects."
        )
    index = np.flatnonzero(rows)
    folds = split(answers.keys[index], answers.made_up[index], INNER, seed)
    odds = np.full((len(rows), len(PENALTIES)), np.nan)
    for fold in range(INNER):
        held = np.zeros_like(rows)
        held[index] = folds.held_out(fold)
        fitted = np.zeros_like(rows)
        fitted[index] = folds.fit_on(fold)
        for step, fit in enumerate(answers.path(fitted, PENALTIES)):
            odds[held, step] = fit.log_odds(answers.x[np.ix_(held, fit.columns)])
    reached = ~np.isnan(odds[index]).any(axis=0)
    areas = np.where(reached, auroc(np.nan_to_num(odds[index]), answers.made_up[index]), -1.0)
    fits = list(answers.path(rows, PENALTIES))
    step = min(int(areas.argmax()), len(fits) - 1)
    return fits[step], step, odds[:, step]


def stability(
    answers: Answers, rows: Bool[np.ndarray, " row"], fit: Fit, step: int, draws: int, seed: int, task: Task
) -> Float[np.ndarray, " column"]:
    """Share of bootstrap samples of the rows in which each of the fit's neurons is chosen with its sign."""
    rng = np.random.default_rng(seed)
    index = np.flatnonzero(rows)
    chosen = np.zeros(len(fit.columns))
    for _ in range(draws):
        drawn = np.bincount(rng.choice(index, len(index)), minlength=len(rows))
        fits = list(path(answers.x, answers.made_up, _redrawn(answers.made_up, drawn), PENALTIES[: step + 1]))
        weights = dict(zip(fits[-1].columns.tolist(), fits[-1].weight.tolist(), strict=True))
        mine = np.array([weights.get(column, 0.0) for column in fit.columns.tolist()])
        chosen += np.sign(mine) == np.sign(fit.weight)
        task.advance()
    return chosen / draws


def _redrawn(made_up: np.ndarray, drawn: np.ndarray) -> Float[np.ndarray, " row"]:
    """Balanced weights of rows, by how often each was drawn."""
    weights = np.zeros(len(made_up))
    for kind in (made_up, ~made_up):
        weights[kind] = 0.5 * drawn[kind] / max(1, drawn[kind].sum())
    return weights


def shuffled(answers: Answers, folds: Folds, steps: tuple[int, ...], seed: int, task: Task) -> float:
    """AUROC of probes fitted to shuffled labels, at the true labels' penalties: what they make of nothing."""
    labels = np.random.default_rng(seed).permutation(answers.made_up)
    log_odds = np.full(len(labels), np.nan)
    for fold, step in enumerate(steps):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        last = list(path(answers.x, labels, balanced(labels, rows), PENALTIES[: step + 1]))[-1]
        log_odds[held] = last.log_odds(answers.x[np.ix_(held, last.columns)])
    task.advance()
    return float(auroc(log_odds, labels))


NEWTON = 1024
"""Most columns for Newton's method, whose steps take their number cubed."""
RIDGES = (0.01, 0.1, 1.0)
"""Inverse penalties of the dense probes."""


def ridge(
    features: Float[np.ndarray, "row column"],
    made_up: Bool[np.ndarray, " row"],
    rows: Bool[np.ndarray, " row"],
    inverse_penalty: float = 1.0,
) -> Float[np.ndarray, " row"]:
    """Log-odds of all rows by an L2 logistic regression on standardised features, fitted on some rows.

    The rows' kinds weigh the same; the penalty is relative to the summed loss, as scikit-learn has it. Newton's method
    takes fewer steps than L-BFGS, which is for many columns: most of a study's time went there. Where there are far
    fewer rows than columns, it is fitted on the rows' own span, to which the penalty keeps the weights anyway.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, spread = features[rows].mean(axis=0), features[rows].std(axis=0)
    values = (features - mean) / np.where(spread > 0, spread, 1.0)
    if 2 * rows.sum() <= values.shape[1]:
        values = values @ np.linalg.qr(values[rows].T)[0]
    weights = balanced(made_up, rows)[rows] * rows.sum()
    solver = "newton-cholesky" if values.shape[1] <= NEWTON else "lbfgs"
    model = LogisticRegression(C=inverse_penalty, solver=solver, max_iter=500, tol=1e-4)
    with warnings.catch_warnings():
        # Of a step that float32 can't better: L-BFGS goes on from it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(values[rows], made_up[rows], sample_weight=weights)
    return np.asarray(model.decision_function(values))


def out_of_fold(
    features: Float[np.ndarray, "row column"],
    made_up: Bool[np.ndarray, " row"],
    folds: Folds,
    inverse_penalty: float = 1.0,
) -> Float[np.ndarray, " row"]:
    """Log-odds of every row by a ridge that never saw it."""
    odds = np.full(len(made_up), np.nan)
    for fold in range(folds.count):
        held = folds.held_out(fold)
        odds[held] = ridge(features, made_up, folds.fit_on(fold), inverse_penalty)[held]
    return odds


def random_neurons(
    answers: Answers, folds: Folds, counts: tuple[int, ...], draws: int, seed: int, task: Task
) -> Float[np.ndarray, " draw"]:
    """AUROC of as many neurons drawn at random, for each draw.

    Ridges are fitted on them; of three penalties the best is taken in their favour.
    """
    rng = np.random.default_rng(seed)
    areas = []
    for _ in range(draws):
        task.advance()
        odds = np.full((len(RIDGES), len(answers.made_up)), np.nan)
        for fold, count in enumerate(counts):
            columns = rng.choice(answers.x.shape[1], max(1, count), replace=False)
            held, rows = folds.held_out(fold), folds.fit_on(fold)
            for i, inverse_penalty in enumerate(RIDGES):
                odds[i, held] = ridge(answers.x[:, columns], answers.made_up, rows, inverse_penalty)[held]
        areas.append(max(float(auroc(row, answers.made_up)) for row in odds))
    return np.array(areas)


def residual_probe(
    residual: Float[np.ndarray, "row depth d_model"],
    answers: Answers,
    folds: Folds,
    seed: int,
    task: Task,
) -> Float[np.ndarray, " row"]:
    """Out-of-fold log-odds of a ridge on the residual stream after one layer.

    Inside each fold the layer is chosen, at the strongest penalty, and then the penalty.
    """
    odds = np.full(len(answers.made_up), np.nan)
    for fold in range(folds.count):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        inside, made_up = split(answers.keys[rows], answers.made_up[rows], 3, seed), answers.made_up[rows]
        depths = range(residual.shape[1])
        depth = max(depths, key=lambda depth: _inner_auroc(residual[rows, depth], made_up, inside, RIDGES[0]))
        penalty = max(RIDGES[:2], key=lambda one: _inner_auroc(residual[rows, depth], made_up, inside, one))
        odds[held] = ridge(residual[:, depth].astype(np.float32), answers.made_up, rows, penalty)[held]
        task.advance()
    return odds


def _inner_auroc(
    stream: Float[np.ndarray, "row d_model"], made_up: Bool[np.ndarray, " row"], folds: Folds, inverse_penalty: float
) -> float:
    return float(auroc(out_of_fold(stream.astype(np.float32), made_up, folds, inverse_penalty), made_up))


def combined(
    inside: Nested, other: Float[np.ndarray, " row"], answers: Answers, folds: Folds
) -> Float[np.ndarray, " row"]:
    """Out-of-fold log-odds of probe and another score together, weighed on inner out-of-fold log-odds."""
    odds = np.full(len(other), np.nan)
    for fold in range(len(inside.steps)):
        rows, held = folds.fit_on(fold) & ~np.isnan(inside.inner[fold]), folds.held_out(fold)
        probe = np.where(held, inside.log_odds, inside.inner[fold])
        odds[held] = ridge(np.nan_to_num(np.stack([probe, other], axis=1)), answers.made_up, rows)[held]
    return odds

"""How many neurons does it take, and does it matter which: AUROC over k, of chosen neurons beside random ones."""

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.detectors.hneurons.arrays import Curve
from inspector.hallucination.probe.lasso import balanced, moments
from inspector.hallucination.probe.nested_cv import Answers, ridge
from inspector.hallucination.probe.splits import Folds
from inspector.progress import Task
from inspector.stats import auroc, auroc_interval

KS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
DRAWS = 20
INVERSE_PENALTY = 0.1
"""Of every ridge here, so that chosen and random neurons are fitted alike."""


def k_curve(answers: Answers, folds: Folds, seed: int, task: Task) -> Curve:
    """Out-of-fold AUROC of ridges on k neurons: those whose means differ most in the other folds, and random ones.

    A draw's random neurons at one k are among those at a larger one.
    """
    count = answers.x.shape[1]
    ks = np.array([k for k in KS if k <= count] or [count])
    orders = [_best_first(answers, folds.fit_on(fold)) for fold in range(folds.count)]
    chosen = _odds(answers, folds, orders, ks)
    task.advance()
    rng, random = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        drawn = [rng.permutation(count) for _ in orders]
        random.append([float(auroc(odds, answers.made_up)) for odds in _odds(answers, folds, drawn, ks)])
        task.advance()
    areas = np.array([float(auroc(odds, answers.made_up)) for odds in chosen])
    low, high = auroc_interval(chosen.T, answers.made_up, answers.subject)
    return Curve(ks, areas, low, high, np.array(random))


def _best_first(answers: Answers, rows: Bool[np.ndarray, " row"]) -> Int[np.ndarray, " neuron"]:
    """Neurons by how far the means of both kinds are apart on these rows, in standard deviations."""
    mean, spread = moments(answers.x, balanced(answers.made_up, rows))  # infinite where a neuron never differs
    share = balanced(answers.made_up, rows & answers.made_up).astype(np.float32)
    away = np.abs(share @ answers.x / share.sum() - mean) / spread
    return np.argsort(-away, kind="stable")


def _odds(
    answers: Answers, folds: Folds, orders: list[Int[np.ndarray, " neuron"]], ks: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "k row"]:
    """Out-of-fold log-odds by the first k neurons of each fold's order."""
    odds = np.full((len(ks), len(answers.made_up)), np.nan)
    for fold, order in enumerate(orders):
        held, rows = folds.held_out(fold), folds.fit_on(fold)
        values = answers.x[:, np.sort(order[: ks[-1]])]  # in order they are read several times as fast
        rank = np.argsort(np.argsort(order[: ks[-1]]))
        for i, k in enumerate(ks.tolist()):
            odds[i, held] = ridge(values[:, rank[:k]], answers.made_up, rows, INVERSE_PENALTY)[held]
    return odds

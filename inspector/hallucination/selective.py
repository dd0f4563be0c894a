"""Answering only when it is safe: risk–coverage curves, their area, and accuracy at fixed coverage."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

RESAMPLES = 2000

COVERAGES = (0.5, 0.8)
"""Shares of the questions, the least risky ones, at which accuracy is reported."""


@dataclass(frozen=True)
class Selective:
    """What a policy gave on every question, each a row.

    Args:
        risk: by which its answers are ranked; anything that grows with the risk.
        wrong: whether its answer is wrong. (One that declines by itself is not.)
        answered: whether the policy answered, by a threshold that wasn't chosen on this question.
    """

    risk: Float[np.ndarray, " question"]
    wrong: Bool[np.ndarray, " question"]
    answered: Bool[np.ndarray, " question"]

    def measures(self, weights: Float[np.ndarray, "draw question"]) -> dict[str, Float[np.ndarray, " draw"]]:
        """Coverage, accuracy of what is answered, share of wrong answers, area under the curve, accuracy at coverages.

        Args:
            weights: how often each question counts; ones for the value itself, draws for an interval.
        """
        total, given = weights.sum(axis=1), weights @ self.answered
        errors = weights @ (self.answered & self.wrong)
        with np.errstate(invalid="ignore"):
            measured = {"coverage": given / total, "accuracy": 1 - errors / given, "wrong": errors / total}
        if np.ptp(self.risk) == 0:  # nothing ranks the questions: on average the curve is flat
            flat = weights @ self.wrong / total
            return measured | {"aurc": flat, **{_at(share): 1 - flat for share in COVERAGES}}
        order = np.argsort(self.risk, kind="stable")
        counted = weights[:, order]
        covered, failed = counted.cumsum(axis=1), (counted * self.wrong[order]).cumsum(axis=1)
        with np.errstate(invalid="ignore"):
            error = np.where(covered > 0, failed / covered, 0.0)
        measured["aurc"] = (error * counted).sum(axis=1) / total
        for share in COVERAGES:
            # A draw's last question may count several times; the nearest whole number of questions is taken.
            last = np.minimum((covered < share * total[:, None] - 1e-9).sum(axis=1), counted.shape[1] - 1)
            measured[_at(share)] = 1 - error[np.arange(len(error)), last]
        return measured


def _at(share: float) -> str:
    return f"accuracy_{100 * share:.0f}"


def curve(policy: Selective) -> tuple[Float[np.ndarray, " question"], Float[np.ndarray, " question"]]:
    """Coverage, and the share of wrong answers among the least risky questions up to there."""
    order = np.argsort(policy.risk, kind="stable")
    counted = np.arange(1, len(order) + 1)
    return counted / len(order), policy.wrong[order].cumsum() / counted


def draws(questions: int, seed: int) -> Float[np.ndarray, "draw question"]:
    """Bootstrap draws of questions, as how often each is in a draw."""
    shares = np.full(questions, 1 / questions)
    return np.random.default_rng(seed).multinomial(questions, shares, size=RESAMPLES).astype(np.float64)


def best_threshold(risk: Float[np.ndarray, " question"], wrong: Bool[np.ndarray, " question"]) -> float:
    """The threshold above which most wrong and fewest other answers lie (Youden's J); at it, one still answers.

    Where all answers are of one kind there is nothing to tell apart, and everything is answered.
    """
    if wrong.all() or not wrong.any():
        return float("inf")
    candidates = np.unique(risk)
    above = risk[:, None] > candidates
    gain = above[wrong].mean(axis=0) - above[~wrong].mean(axis=0)
    return float(candidates[gain.argmax()])


def answered_crosswise(
    risk: Float[np.ndarray, " question"], wrong: Bool[np.ndarray, " question"], seed: int
) -> Bool[np.ndarray, " question"]:
    """Whether each question is answered, by the threshold that the other half of the questions chose."""
    half = np.random.default_rng(seed).permutation(len(risk)) % 2 == 0
    answered = np.zeros(len(risk), dtype=bool)
    for mine in (half, ~half):
        answered[mine] = risk[mine] <= best_threshold(risk[~mine], wrong[~mine])
    return answered

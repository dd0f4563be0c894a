"""Answering only when it is safe: risk–coverage curves, their area, and accuracy at fixed coverage."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.stats import bootstrap, error_by_coverage, numbered

SPLITS = 200

COVERAGES = (0.5, 0.8)
"""Shares of the questions, the least risky ones, at which accuracy is reported."""


@dataclass(frozen=True)
class Selective:
    """What a policy gave on every question, each a row; shares, where it was tried in several ways.

    Args:
        risk: by which its answers are ranked; anything that grows with the risk.
        wrong: whether its answer is wrong.
        right: whether it is correct; one that abstains by itself is neither.
        answered: whether the policy answered, by a threshold that wasn't chosen on this question.
        subject: what each question is about, as a number: one subject's are drawn together; each alone where None.
    """

    risk: Float[np.ndarray, " question"]
    wrong: Float[np.ndarray, " question"]
    right: Float[np.ndarray, " question"]
    answered: Float[np.ndarray, " question"]
    subject: Int[np.ndarray, " question"] | None = None

    def draws(self, seed: int) -> dict[str, Float[np.ndarray, " draw"]]:
        """Bootstrap draws of all measures, over subjects; policies on the same questions have the same draws."""
        subject, subjects = numbered(self.subject, len(self.wrong))
        names = self.measures(np.ones((1, len(subject)))).keys()
        drawn = bootstrap(
            lambda weights: np.stack(list(self.measures(weights[:, subject]).values()), axis=1), subjects, seed=seed
        )
        return dict(zip(names, drawn.T, strict=True))

    def measures(self, weights: Float[np.ndarray, "draw question"]) -> dict[str, Float[np.ndarray, " draw"]]:
        """Coverage, accuracy of what is answered, share of wrong answers, area under the curve, accuracy at coverages.

        Args:
            weights: how often each question counts; ones for the value itself, draws for an interval.
        """
        total, given = weights.sum(axis=1), weights @ self.answered
        right, wrong = weights @ (self.answered * self.right), weights @ (self.answered * self.wrong)
        with np.errstate(invalid="ignore"):
            measured = {"coverage": given / total, "accuracy": right / given, "wrong": wrong / total}
        order = np.argsort(self.risk, kind="stable")
        counted = weights[:, order]
        covered = counted.cumsum(axis=1)
        first = np.flatnonzero(np.diff(self.risk[order], prepend=-np.inf))
        with np.errstate(invalid="ignore"):
            error, good = (
                np.where(covered > 0, (counted * _over_ties(counted, mine[order], first)).cumsum(axis=1) / covered, 0.0)
                for mine in (self.wrong, self.right)
            )
        measured["aurc"] = (error * counted).sum(axis=1) / total
        for share in COVERAGES:
            # A draw's last question may count several times; the nearest whole number of questions is taken.
            last = np.minimum((covered < share * total[:, None] - 1e-9).sum(axis=1), counted.shape[1] - 1)
            measured[_at(share)] = good[np.arange(len(good)), last]
        return measured


def _over_ties(
    counted: Float[np.ndarray, "draw question"], mine: Float[np.ndarray, " question"], first: Int[np.ndarray, " tie"]
) -> Float[np.ndarray, "draw question"]:
    """A 0 or 1 of each question as the mean over those of the same risk: no order among them is the right one."""
    sums, counts = (np.add.reduceat(part, first, axis=1) for part in (counted * mine, counted))
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / counts, 0.0)
    return np.repeat(means, np.diff(first, append=len(mine)), axis=1)


def _at(share: float) -> str:
    return f"accuracy_{100 * share:.0f}"


def curve(policy: Selective) -> tuple[Float[np.ndarray, " question"], Float[np.ndarray, " question"]]:
    """Coverage, and the share of wrong answers among the least risky questions up to there."""
    count = len(policy.risk)
    return np.arange(1, count + 1) / count, error_by_coverage(policy.risk, policy.wrong)


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
) -> Float[np.ndarray, " question"]:
    """How often each question is answered, by the thresholds that the other half of the questions chose.

    One split into halves is a matter of luck, so many are taken.
    """
    rng, answered = np.random.default_rng(seed), np.zeros(len(risk))
    for _ in range(SPLITS):
        half = rng.permutation(len(risk)) % 2 == 0
        for mine in (half, ~half):
            answered[mine] += risk[mine] <= best_threshold(risk[~mine], wrong[~mine])
    return answered / SPLITS

"""Does a probe of one kind of questions work on another kind: fitted on each domain, tried on each."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.detectors.hneurons.arrays import Domains
from inspector.errors import InputError
from inspector.hallucination.probe.lasso import Fit
from inspector.hallucination.probe.nested_cv import Answers, choose
from inspector.hallucination.probe.splits import split
from inspector.progress import Task
from inspector.stats import auroc, auroc_interval

FEWEST = 12
"""Correct answers and incorrect ones that a domain needs."""
FEWEST_TRIED = 5
"""Of each kind that must be left in a domain where it shares nothing with the one fitted on."""
FOLDS = 3
"""A domain is tried on itself in so many folds."""
MOST = 40
"""Domains, those with most answers of the rarer kind."""


def between_domains(
    answers: Answers, domain: Sequence[str], seed: int, task: Task, *, questions: Int[np.ndarray, " row"] | None = None
) -> tuple[tuple[str, ...], Domains]:
    """A probe of each domain with enough answers of both kinds, tried on each; on itself in folds.

    Answers of a domain that share a subject or an answer with the one fitted on are left out there.

    Args:
        answers: all of them.
        domain: each answer's; empty for none.
        seed: of the folds.
        task: hears of each domain.
        questions: which question each answer is to, as a number, where the domains are subjects: what keeps answers
            apart then, and what is drawn together.

    Returns:
        The domains' names, in the order of the arrays.
    """
    keys, together = answers.keys, answers.subject
    if questions is not None:
        own = questions + int(answers.keys.max(initial=0)) + 1  # no key of another kind has these numbers
        keys, together = np.concatenate([own[:, None], answers.keys[:, 1:]], axis=1), questions
    names = with_enough(domain, answers.made_up)
    rows = {name: np.flatnonzero(np.array(domain) == name) for name in names}
    shape = (len(names), len(names))
    area, low, high = (np.full(shape, np.nan) for _ in range(3))
    for i, source in enumerate(names):
        mine = Answers(answers.x[rows[source]], answers.made_up[rows[source]], keys[rows[source]])
        fit = _fitted(mine, np.ones(len(mine.made_up), bool), seed)
        for j, target in enumerate(names):
            there = rows[target] if source == target else _apart(rows[target], keys, mine.keys)
            odds = _within(mine, seed) if source == target else _tried(fit, answers, there)
            if odds is not None:
                told = (odds, answers.made_up[there])
                area[i, j] = auroc(*told)
                low[i, j], high[i, j] = auroc_interval(*told, together[there])
        task.advance()
    right, wrong = (
        np.array([int((answers.made_up[rows[name]] == kind).sum()) for name in names], np.int64)
        for kind in (False, True)
    )
    return names, Domains(right, wrong, area, low, high)


def with_enough(domain: Sequence[str], made_up: Bool[np.ndarray, " row"]) -> tuple[str, ...]:
    """Domains that have enough answers of both kinds, by name."""
    right, wrong = (Counter(np.array(domain)[made_up == kind].tolist()) for kind in (False, True))
    fewer = {name: min(right[name], wrong[name]) for name in set(domain) - {""}}
    enough = sorted((name for name in fewer if fewer[name] >= FEWEST), key=lambda name: (-fewer[name], name))
    return tuple(sorted(enough[:MOST]))


def _apart(
    rows: Int[np.ndarray, " row"], keys: Int[np.ndarray, "answer key"], others: Int[np.ndarray, "other key"]
) -> Int[np.ndarray, " kept"]:
    """Of these rows those that share no key with the others."""
    return rows[~np.isin(keys[rows], others[others >= 0]).any(axis=1)]


def _fitted(mine: Answers, rows: Bool[np.ndarray, " row"], seed: int) -> Fit | None:
    """A domain's probe; None where too few of its answers share nothing."""
    try:
        return choose(mine, rows, seed)[0]
    except InputError:
        return None


def _tried(fit: Fit | None, answers: Answers, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, " row"] | None:
    kinds = answers.made_up[rows]
    if fit is None or min(kinds.sum(), (~kinds).sum()) < FEWEST_TRIED:
        return None
    return fit.log_odds(answers.x[np.ix_(rows, fit.columns)])


def _within(mine: Answers, seed: int) -> Float[np.ndarray, " row"] | None:
    """Log-odds of a domain's answers by probes of the domain that never saw them."""
    folds = split(mine.keys, mine.made_up, FOLDS, seed)
    odds = np.full(len(mine.made_up), np.nan)
    for fold in range(folds.count):
        fit, held = _fitted(mine, folds.fit_on(fold), seed), folds.held_out(fold)
        if fit is None:
            return None
        odds[held] = fit.log_odds(mine.x[np.ix_(held, fit.columns)])
    return odds

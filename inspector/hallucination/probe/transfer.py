"""Does a probe of some answers detect incorrect ones among others: another relation's, another study's?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.detectors.hneurons.arrays import Transfer
from inspector.hallucination.probe.nested_cv import Answers, choose
from inspector.hallucination.probe.splits import apart
from inspector.progress import Task
from inspector.stats import auroc, auroc_interval

FEWEST = 20
"""Correct answers and incorrect ones that transfer between relations needs, on both sides."""


def between_relations(
    answers: Answers, relation: Sequence[str], logprob: Float[np.ndarray, " row"], seed: int, task: Task
) -> tuple[Transfer, ...]:
    """For each relation with enough answers of both kinds: a probe of all the others, tried on it."""
    names = np.array(relation)
    found = []
    for name in sorted({one for one in relation if one}):
        here = names == name
        others = apart(~here, answers.keys)
        if min(_fewer(answers.made_up[here]), _fewer(answers.made_up[others])) >= FEWEST:
            fit, _, _ = choose(answers, others, seed)
            odds = fit.log_odds(answers.x[np.ix_(here, fit.columns)])
            here_only = (logprob[here], answers.made_up[here], answers.subject[here])
            found.append(transfer("other relations", name, odds, *here_only))
        task.advance()
    return tuple(found)


def transfer(
    source: str,
    target: str,
    odds: Float[np.ndarray, " row"],
    logprob: Float[np.ndarray, " row"],
    made_up: Bool[np.ndarray, " row"],
    subject: Int[np.ndarray, " row"],
) -> Transfer:
    """How well log-odds from elsewhere tell these answers apart."""
    low, high = auroc_interval(odds, made_up, subject)
    right, wrong = int((~made_up).sum()), int(made_up.sum())
    areas = (float(auroc(odds, made_up)), float(low), float(high), float(auroc(-logprob, made_up)))
    return Transfer(source, target, right, wrong, *areas)


def _fewer(made_up: Bool[np.ndarray, " row"]) -> int:
    """How many there are of the rarer kind."""
    return int(min(made_up.sum(), (~made_up).sum()))

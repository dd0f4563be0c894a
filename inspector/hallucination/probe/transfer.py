"""Does a probe of some answers know made-up ones among others: another relation's, another study's?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.errors import InputError
from inspector.hallucination.grading.labels import Label
from inspector.hallucination.grading.normalise import words
from inspector.hallucination.probe.nested_cv import Advance, Answers, choose
from inspector.hallucination.probe.splits import apart
from inspector.hallucination.study import Study
from inspector.stats import auroc, bootstrap_auroc

FEWEST = 20
"""Right answers and wrong ones that transfer between relations needs, on both sides."""


@dataclass(frozen=True)
class Transfer:
    """A probe of some answers, tried on others that share no answer and no subject with them."""

    source: str
    target: str
    right: int
    wrong: int
    auroc: float
    low: float
    high: float
    logprob: float
    """AUROC of the mean log-probability on the same answers, which needs no probe."""


def between_relations(
    answers: Answers, relation: Sequence[str], logprob: Float[np.ndarray, " row"], seed: int, advance: Advance
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
            one = transfer(
                "other relations", name, odds, logprob[here], answers.made_up[here], answers.subject[here], seed
            )
            found.append(one)
        advance(1)
    return tuple(found)


def transfer(
    source: str,
    target: str,
    odds: Float[np.ndarray, " row"],
    logprob: Float[np.ndarray, " row"],
    made_up: Bool[np.ndarray, " row"],
    subject: Int[np.ndarray, " row"],
    seed: int,
) -> Transfer:
    """How well log-odds from elsewhere tell these answers apart."""
    low, high = bootstrap_auroc(odds, made_up, subject, seed=seed)
    right, wrong = int((~made_up).sum()), int(made_up.sum())
    areas = (float(auroc(odds, made_up)), float(low), float(high), float(auroc(-logprob, made_up)))
    return Transfer(source, target, right, wrong, *areas)


def _fewer(made_up: Bool[np.ndarray, " row"]) -> int:
    """How many there are of the rarer kind."""
    return int(min(made_up.sum(), (~made_up).sum()))


def with_transfers(study: Study, name: str, others: Mapping[str, Study]) -> Study:
    """The study with rows for each other one: its probe tried on this one's answers, and this one's on its.

    Args:
        study: what the rows are added to.
        name: what to call it in them.
        others: the other studies by what to call them.

    Raises:
        InputError: another study was made on another model.
    """
    mine = study.evidence["hneurons"]
    tried = [one for other in others for one in between(study, others[other], (name, other))]
    facts = {**mine.facts, "transfers": [*mine.facts["transfers"], *(list(vars(one).values()) for one in tried)]}
    return replace(study, evidence={**study.evidence, "hneurons": replace(mine, facts=facts)})


def between(first: Study, second: Study, names: tuple[str, str]) -> tuple[Transfer, Transfer]:
    """The first study's probe on the second's usable answers, and the other way round; no model is needed.

    Raises:
        InputError: the studies were made on different models.
    """
    if first.card["fingerprint"] != second.card["fingerprint"]:
        raise InputError("The two studies were made on different models or dtypes. Make both on one.")
    return _tried(first, second, names), _tried(second, first, names[::-1])


def _tried(source: Study, target: Study, names: tuple[str, str]) -> Transfer:
    """The source's probe on the target's usable answers that share no question, answer or subject with the source's."""
    e = target.evidence["hneurons"]
    usable = np.isin(e["label"], (Label.right, Label.wrong))
    known = np.unique(_texts(source))
    rows = np.flatnonzero(usable & ~np.isin(_texts(target), known[known != ""]).any(axis=1))
    contributions = target.evidence["hneurons.contributions"]["answer"]
    flat = contributions.reshape(len(contributions), -1)
    odds = source.probe.fit.log_odds(flat[np.ix_(rows, source.probe.fit.columns)].astype(np.float32))
    subjects = target.tables["answers"]["subject"][rows]
    own = np.array([name or f"#{row}" for row, name in zip(rows, subjects, strict=True)], dtype=str)
    groups = np.unique(own, return_inverse=True)[1]
    seed = target.settings["seed"]
    return transfer(*names, odds, e["logprob"][rows], e["label"][rows] == Label.wrong, groups, seed)


def _texts(study: Study) -> np.ndarray:
    """Each row's question, given answer, first accepted answer and subject, `[row, 4]`, as words."""
    table = study.tables["answers"]
    accepted = [text.split("; ")[0] for text in table["accepted"]]
    columns = (table["question"], table["answer"], accepted, table["subject"])
    return np.array([[" ".join(words(text)) or text for text in column] for column in columns]).T

"""Two studies' probes tried on each other's answers."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from inspector.detectors.hneurons.arrays import Transfer, as_facts, transfers_of
from inspector.errors import InputError
from inspector.hallucination.grading.labels import Label
from inspector.hallucination.grading.normalise import words
from inspector.hallucination.guard import questions_of
from inspector.hallucination.probe.transfer import transfer
from inspector.hallucination.study import Study


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
    facts = {**mine.facts, **as_facts([*transfers_of(mine.facts), *tried])}
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
    return transfer(*names, odds, e["logprob"][rows], e["label"][rows] == Label.wrong, groups)


def _texts(study: Study) -> np.ndarray:
    """Each row's question, given answer, first accepted answer and subject, `[row, 4]`, as words."""
    table = study.tables["answers"]
    accepted = [next(iter(question.answers), "") for question in questions_of(pd.DataFrame(dict(table)))]
    columns = (table["question"], table["answer"], accepted, table["subject"])
    return np.array([[" ".join(words(text)) or text for text in column] for column in columns]).T

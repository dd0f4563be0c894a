"""Answers of a study that its probe was not fitted on, and the risk above which they are mostly incorrect; no model."""

import json

import numpy as np
import pandas as pd

from inspector.errors import InputError
from inspector.hallucination.probe.splits import apart, keys_of
from inspector.hallucination.risk_coverage import best_threshold
from inspector.run.report import Report


def held_out_threshold(study: Report) -> float:
    """The risk that best parts wrong from other greedy answers, on those that the probe was not fitted on."""
    rows = held_out(study, 0)
    table = study.frame("hneurons.answers").iloc[rows]
    return best_threshold(table["risk"].to_numpy(), (table["mark"] == "wrong").to_numpy())


def held_out(study: Report, seed: int) -> np.ndarray:
    """Rows of answers that share no subject and no answer with those that the probe was fitted on.

    Of the answers that were correct or incorrect throughout, some were held out; of the others (inconsistent,
    abstained) none was fitted on, so only the same share of them is taken, at random.

    Raises:
        InputError: there are none.
    """
    table = study.frame("hneurons.answers")
    split = table["split"].to_numpy()
    subjects = table["subject"] if "subject" in table else [None] * len(table)
    keys = keys_of(table["question"].tolist(), list(subjects), accepted_of(table), table["answer"].tolist())
    apart_from_fitted = apart(split != "fit", keys)
    kept = np.flatnonzero((split == "held out") & apart_from_fitted)
    unused = np.flatnonzero((split == "not used") & apart_from_fitted)
    share = (split == "held out").sum() / max(1, (split != "not used").sum())
    drawn = np.random.default_rng(seed).permutation(unused)[: round(share * (split == "not used").sum())]
    if not len(kept):
        raise InputError(
            "Every held-out question shares a subject or an answer with those that the probe was fitted on. Make the "
            "study with more questions, on more subjects."
        )
    return np.sort(np.concatenate([kept, drawn]))


def accepted_of(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Each row's accepted answers; of a run made before they were kept one by one, what lies between semicolons."""
    if "aliases" in table:
        return [tuple(json.loads(aliases)) for aliases in table["aliases"]]
    return [tuple(alias for alias in accepted.split("; ") if alias) for accepted in table["accepted"]]

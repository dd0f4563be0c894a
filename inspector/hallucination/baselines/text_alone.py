"""What the words of questions and answers say by themselves: a score that needs no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from inspector.hallucination.baselines.contract import Baseline, Seen
from inspector.hallucination.probe.lasso import balanced
from inspector.hallucination.probe.splits import Folds

WORD = r"(?u)\w+|[^\w\s]"
"""A word or a mark: an answer of marks alone has words too."""


def text_alone(
    questions: Sequence[str], answers: Sequence[str], made_up: Bool[np.ndarray, " row"], folds: Folds
) -> Float[np.ndarray, " row"]:
    """Out-of-fold log-odds that an answer is incorrect, by its words and its question's.

    TF-IDF of each, apart, and a logistic regression (C = 1) in which both kinds of answers weigh the same; words and
    weights come from the other folds alone.
    """
    odds = np.full(len(made_up), np.nan)
    for fold in range(folds.count):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        odds[held] = _fitted(questions, answers, made_up, rows, held)
    return odds


def _fitted(
    questions: Sequence[str], answers: Sequence[str], made_up: np.ndarray, rows: np.ndarray, held: np.ndarray
) -> Any:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    fit, tried = [], []
    for texts in (questions, answers):
        vectors = TfidfVectorizer(token_pattern=WORD, sublinear_tf=True)
        fit.append(vectors.fit_transform([texts[row] for row in np.flatnonzero(rows).tolist()]))
        tried.append(vectors.transform([texts[row] for row in np.flatnonzero(held).tolist()]))
    weights = balanced(made_up, rows)[rows] * rows.sum()
    model = LogisticRegression(max_iter=500).fit(hstack(fit).tocsr(), made_up[rows], sample_weight=weights)
    return model.decision_function(hstack(tried).tocsr())


@dataclass(frozen=True)
class _TextAlone(Baseline):
    def odds(self, seen: Seen, made_up: Bool[np.ndarray, " row"], folds: Folds) -> Float[np.ndarray, " row"]:
        return text_alone(seen.questions, seen.answers, made_up, folds)


BASELINE = _TextAlone(
    "text alone",
    "logistic regression on TF-IDF of the question and of the answer",
    "arXiv 2605.17028 (what a set's text gives away)",
    cost="no model at all",
)

"""How alike the words of the model's samples are."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from inspector.hallucination.baselines.contract import Score, Seen
from inspector.hallucination.baselines.semantic_entropy import SAMPLED
from inspector.hallucination.grading.normalise import words, words_f1


def agreements(seen: Seen) -> np.ndarray | None:
    """Mean F1 of the words of all pairs of samples; None without samples."""
    if not seen.sampled:
        return None
    return np.array([_mean_f1([words(text) for text in row]) for row in seen.samples])


def _mean_f1(samples: Sequence[tuple[str, ...]]) -> float:
    return float(np.mean([words_f1(*pair) for pair in combinations(samples, 2)]))


BASELINE = Score(
    "lexical agreement",
    "mean F1 of the words of all pairs of samples",
    "Fomicheva et al. 2020, doi 10.1162/tacl_a_00330 (lexical similarity)",
    cost="the samples, drawn anyway where a study has them",
    caveat=SAMPLED,
    values=agreements,
)

"""Splitting answers so that nothing fitted on shares an answer or a subject with what it is tried on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from inspector.hallucination.grading.normalise import words


@dataclass(frozen=True)
class Folds:
    """Rows in folds. What shares a key with a fold but is outside it is left out when that fold is held out.

    Args:
        fold: each row's fold.
        keys: each row's keys (subject, accepted answer, given answer) as numbers, −1 for none.
        by: what keeps rows together: a key's number, or `all keys`.
    """

    fold: Int[np.ndarray, " row"]
    keys: Int[np.ndarray, "row key"]
    by: str

    @property
    def count(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    def held_out(self, fold: int) -> Bool[np.ndarray, " row"]:
        """The rows of this fold."""
        return self.fold == fold

    def fit_on(self, fold: int) -> Bool[np.ndarray, " row"]:
        """The rows to fit on while this fold is held out: those outside it that share nothing with it."""
        return apart(self.fold != fold, self.keys)


def apart(rows: Bool[np.ndarray, " row"], keys: Int[np.ndarray, "row key"]) -> Bool[np.ndarray, " row"]:
    """Of these rows, the ones that share no key with a row outside them."""
    outside = np.unique(keys[~rows])
    return rows & ~np.isin(keys, outside[outside >= 0]).any(axis=1)


def split(
    keys: Int[np.ndarray, "row key"],
    kind: Bool[np.ndarray, " row"],
    folds: int,
    seed: int = 0,
) -> Folds:
    """Folds of about equal size, with both kinds in each where the groups allow it.

    Rows that share any key belong together. Where that chains most rows into one group (every
    country has a continent), one key keeps rows together, and rows that share another key with the
    held-out fold are left out of the fitting instead: the key that leaves most rows of the rarer
    kind to fit on, with enough of them held out.

    Args:
        keys: from `key_numbers`.
        kind: a row's kind, to balance the folds by.
        folds: how many.
        seed: of the shuffle.
    """
    groups = {"all keys": _components(keys)} | {str(i): with_own(column) for i, column in enumerate(keys.T)}
    rarer = kind if kind.mean() <= 0.5 else ~kind
    best: Folds | None = None
    most = -1
    for name, group in groups.items():
        tried = Folds(_fold(group, kind, folds, seed), keys, name)
        left = min(int((tried.fit_on(fold) & rarer).sum()) for fold in range(folds))
        held = min(int((tried.held_out(fold) & rarer).sum()) for fold in range(folds))
        worth = min(left, 2 * held * (folds - 1))
        if worth > most:
            best, most = tried, worth
    assert best is not None
    return best


def key_numbers(keys: Mapping[str, Sequence[str | None]]) -> Int[np.ndarray, "row key"]:
    """Each row's keys as numbers, −1 for none.

    Answers to different questions can be the same words, so all keys but the subject share one
    space: an answer given here must not be the accepted answer there.
    """
    known: dict[tuple[bool, str], int] = {}
    columns = [
        [-1 if not value else known.setdefault((name == "subject", value), len(known)) for value in values]
        for name, values in keys.items()
    ]
    return np.array(columns, dtype=np.int64).T


def keys_of(
    questions: Sequence[str],
    subjects: Sequence[str | None],
    accepted: Sequence[Sequence[str]],
    given: Sequence[str],
) -> Int[np.ndarray, "row key"]:
    """Three keys of each row: its subject, its accepted answer, and the answer given, as numbers, −1 for none.

    They see through spelling: questions with the same words have one subject, and answers with any alias in common, or
    that chains of aliases link, are one answer.
    """
    asked = np.array([_words(question) for question in questions], dtype=object)
    subject = key_numbers({"subject": [_words(one) if one else None for one in subjects], "question": asked.tolist()})
    repeated = [text for text, times in Counter(asked.tolist()).items() if times > 1]
    known = (subject[:, 0] >= 0) | np.isin(asked, repeated)
    together = np.where(known, _components(subject), -1)
    aliases = [[_words(alias) for alias in row] for row in accepted]
    number = {alias: i for i, alias in enumerate(dict.fromkeys(one for row in aliases for one in row))}
    padded = np.full((len(aliases), max(1, *map(len, aliases), 1)), -1, dtype=np.int64)
    for row, names in enumerate(aliases):
        padded[row, : len(names)] = [number[name] for name in names]
    of_row = _components(padded)
    answer_of = {alias: int(of_row[row]) for row, names in enumerate(aliases) for alias in names}
    said = [_words(text) for text in given]
    fresh = {text: len(aliases) + i for i, text in enumerate(dict.fromkeys(said))}
    offset = int(together.max(initial=0)) + 1
    columns = [
        together,
        np.array([offset + of_row[row] if names else -1 for row, names in enumerate(aliases)]),
        np.array([offset + answer_of.get(text, fresh[text]) if text else -1 for text in said]),
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def _words(text: str) -> str:
    return " ".join(words(text)) or text.strip()


def _fold(group: np.ndarray, kind: np.ndarray, folds: int, seed: int) -> Int[np.ndarray, " row"]:
    """Groups put into folds one by one, the largest first, where they even out both kinds best."""
    sizes = np.zeros((int(group.max()) + 1, 2))
    np.add.at(sizes, (group, kind.astype(int)), 1)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled].sum(axis=1), kind="stable")]
    total = np.maximum(sizes.sum(axis=0), 1)
    filled = np.zeros((folds, 2))
    where = np.zeros(len(sizes), dtype=np.int64)
    for one in order:
        uneven = ((filled + sizes[one]) / total) ** 2 - (filled / total) ** 2
        where[one] = (uneven.sum(axis=1) + 1e-3 * (filled / total).sum(axis=1)).argmin()
        filled[where[one]] += sizes[one]
    return where[group]


def with_own(column: Int[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """Group numbers by one key; a row without it is a group of its own."""
    own = column.max(initial=0) + 1 + np.arange(len(column))
    return np.unique(np.where(column >= 0, column, own), return_inverse=True)[1]


def _components(numbers: Int[np.ndarray, "row key"]) -> Int[np.ndarray, " row"]:
    """Group numbers of rows that are linked by shared keys."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.nonzero(numbers >= 0)
    size = len(numbers) + int(numbers.max(initial=0)) + 1
    links = coo_array((np.ones(len(rows)), (rows, len(numbers) + numbers[rows, columns])), shape=(size, size))
    return np.unique(connected_components(links, directed=False)[1][: len(numbers)], return_inverse=True)[1]

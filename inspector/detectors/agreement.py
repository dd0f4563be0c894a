"""What nearly all texts agree on, such as a spike's token or a sink's key."""

import numpy as np
from jaxtyping import Bool, Integer

FIXED_SHARE = 0.9
"""A position, token, key or sign is named when at least this share of the texts agree on it."""


def agreed(values: Integer[np.ndarray, " text"]) -> int | None:
    """The value that at least nine in ten share, else None."""
    found, counts = np.unique(values, return_counts=True)
    if not len(found) or counts.max() < FIXED_SHARE * len(values):
        return None
    return int(found[counts.argmax()])


def agreed_by_place(
    values: Integer[np.ndarray, "text ..."], asked: Bool[np.ndarray, "text ..."]
) -> Integer[np.ndarray, "..."]:
    """`agreed` at each place, of the texts that are asked there; −1 where there is no such value.

    What more than half share stands in the middle when all are in order.
    """
    count = asked.sum(axis=0)
    if not len(values):
        return np.full(count.shape, -1)
    values = values.astype(np.int64)
    ordered = np.sort(np.where(asked, values, np.iinfo(np.int64).max), axis=0)
    middle = np.take_along_axis(ordered, np.minimum(count // 2, len(values) - 1)[None], axis=0)[0]
    sharing = ((values == middle) & asked).sum(axis=0)
    return np.where((count > 0) & (sharing >= FIXED_SHARE * count), middle, -1)

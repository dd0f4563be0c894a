"""What nearly all texts agree on, such as a spike's token or a sink's key."""

import numpy as np
from jaxtyping import Int

FIXED_SHARE = 0.9
"""A position, token, key or sign is named when at least this share of the texts agree on it."""


def agreed(values: Int[np.ndarray, " text"]) -> int | None:
    """The value that at least nine in ten share, else None."""
    found, counts = np.unique(values, return_counts=True)
    if not len(found) or counts.max() < FIXED_SHARE * len(values):
        return None
    return int(found[counts.argmax()])

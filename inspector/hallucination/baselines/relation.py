"""What kind of fact is asked for: some kinds are answered wrongly more often."""

import numpy as np

from inspector.hallucination.baselines.contract import Score, Seen


def _one_hot(seen: Seen) -> np.ndarray | None:
    if not any(seen.relation):
        return None
    numbers = np.unique(np.array(seen.relation), return_inverse=True)[1]
    return np.asarray(np.eye(numbers.max() + 1)[numbers])


BASELINE = Score("relation", "share of incorrect answers to questions of its relation", "the question", values=_one_hot)

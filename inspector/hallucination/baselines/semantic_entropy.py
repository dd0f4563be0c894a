"""How many different things the model's samples say."""

from collections.abc import Sequence

import numpy as np

from inspector.hallucination.baselines.contract import Score, Seen

SAMPLED = "the samples' agreement also chose which answers are used and labelled, so it knows part of the labels"
"""What to know of any score of samples here."""


def semantic_entropies(seen: Seen) -> np.ndarray | None:
    """Entropy in nats over what the samples say, those that say the same counted together; None without samples."""
    if not seen.sampled:
        return None
    return np.array([_entropy(clusters(q, row, seen)) for q, row in zip(seen.questions, seen.samples, strict=True)])


def clusters(question: str, samples: Sequence[str], seen: Seen) -> list[int]:
    """How many samples say each of the things that are said."""
    texts, counts = list[str](), list[int]()
    for text in samples:
        place = next((i for i, known in enumerate(texts) if known == text or seen.same(question, known, text)), None)
        if place is None:
            texts.append(text)
            counts.append(1)
        else:
            counts[place] += 1
    return counts


def _entropy(counts: Sequence[int]) -> float:
    shares = np.array(counts) / sum(counts)
    return float(-(shares * np.log(shares)).sum())


BASELINE = Score(
    "semantic entropy",
    "−Σ c log c, c the share of the samples that say one thing: right by each other in whole words, or abstaining; by "
    "a model of entailment where one is named",
    "Farquhar et al. 2024, Nature 630, doi 10.1038/s41586-024-07421-0",
    cost="the samples, drawn anyway where a study has them; no entailment model unless one is named",
    caveat=SAMPLED,
    values=semantic_entropies,
)

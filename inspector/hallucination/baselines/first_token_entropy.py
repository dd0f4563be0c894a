"""How undecided the model was about the answer's first token."""

from inspector.hallucination.baselines.contract import Score

BASELINE = Score(
    "entropy",
    "−Σ p log p over the vocabulary, at the answer's first token",
    "Malinin and Gales 2021, arXiv 2002.07650 (token-level entropy)",
    values=lambda seen: seen.entropy,
)

"""How undecided the model was about the answer's first token."""

from inspector.hallucination.baselines.contract import Score

BASELINE = Score(
    "entropy",
    "−Σ p log p over the vocabulary, at the answer's first token",
    "Kadavath et al. 2022, arXiv 2207.05221",
    values=lambda seen: seen.entropy,
)

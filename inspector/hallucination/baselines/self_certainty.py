"""How far the model's distributions are from knowing nothing."""

from inspector.hallucination.baselines.contract import Score

BASELINE = Score(
    "self-certainty",
    "mean over the answer's tokens of KL(uniform ‖ p) = −log V − mean log p over the vocabulary",
    "Kang et al. 2025, arXiv 2502.18581",
    values=lambda seen: seen.certainty,
)

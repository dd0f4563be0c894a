"""How likely the model finds its answer."""

from inspector.hallucination.baselines.contract import Score

BASELINE = Score(
    "logprob",
    "mean log p of the answer's tokens",
    "Guerreiro et al. 2023, arXiv 2208.05309 (length-normalised sequence log-probability)",
    values=lambda seen: seen.logprob,
)

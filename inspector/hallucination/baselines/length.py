"""How many tokens an answer has."""

from inspector.hallucination.baselines.contract import Score

BASELINE = Score("length", "number of tokens of the answer", "the answer itself", values=lambda seen: seen.tokens)

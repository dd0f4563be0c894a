"""What a guard did with a question."""

from dataclasses import dataclass
from typing import Literal

Did = Literal["answered", "abstained", "answered again", "took a sample", "kept the first answer"]
"""What a guard did; the first answer is kept where no other is less risky."""


@dataclass(frozen=True)
class Guarded:
    """An answer that was given, or not.

    Args:
        question: as asked.
        answer: its text; None where the guard abstained.
        risk: of the answer that was given, or would have been.
        did: what the guard did.
        first: the greedy answer.
        first_risk: and its risk.
    """

    question: str
    answer: str | None
    risk: float
    did: Did
    first: str
    first_risk: float

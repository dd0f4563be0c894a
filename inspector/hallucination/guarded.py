"""What a guard did with a question."""

from dataclasses import dataclass
from typing import Literal

from inspector.alike import Alike
from inspector.pages import page
from inspector.printable import brief

Did = Literal["answered", "abstained", "answered again", "took a sample", "kept the first answer"]
"""What a guard did; the first answer is kept where no other is less risky."""


@dataclass(frozen=True, repr=False, eq=False)
class Guarded(Alike):
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

    def __repr__(self) -> str:
        said = "no answer" if self.answer is None else repr(brief(self.answer, 40))
        return f"<Guarded {brief(self.question, 40)!r}: {said}, {self.did}, risk {self.risk:.2f}>"

    def _repr_html_(self) -> str:
        first = f"The greedy answer, of risk {self.first_risk:.2f}: {self.first}"
        return page(repr(self), [self.question, self.answer or "No answer was given.", first])

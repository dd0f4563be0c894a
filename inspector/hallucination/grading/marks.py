"""What a judge is, and the marks it gives."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from inspector.errors import InputError

Mark = Literal["right", "wrong", "abstained"]


@runtime_checkable
class Judge(Protocol):
    """What marks an answer; the judges here are `WholeWords`, `TokenF1` and `Endpoint`."""

    @property
    def name(self) -> str:
        """What the judge is called on the command line and in a saved run."""

    def __call__(self, question: str, answers: Sequence[str], answer: str) -> Mark:
        """The mark of an answer to a question whose true answer has these aliases."""


class OddReply(InputError):
    """A judge's reply to one answer that is no mark; others may still be marked."""

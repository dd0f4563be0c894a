"""A function as a judge: what a notebook has at hand marks answers too."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from inspector.errors import InputError
from inspector.hallucination.grading.marks import Judge, Mark, OddReply
from inspector.printable import kind_of, printable

MARKS = ("right", "wrong", "abstained")

TRIED = ("What is the capital of France?", ("Paris",), "Paris")
"""What a judge is tried on where there is no question yet."""

Function = Callable[[str, Sequence[str], str], Any]
"""Of a question, the accepted names of its answer, and an answer: a mark, or whether it is correct."""


@dataclass(frozen=True)
class Called:
    """A judge that calls a function.

    Args:
        function: gives "right", "wrong" or "abstained", or whether the answer is correct.
        name: what the run calls it.
        kept: whether its marks are kept as they come: worth it where it is slow.
    """

    function: Function
    name: str
    kept: bool = False

    def __call__(self, question: str, answers: Sequence[str], answer: str) -> Mark:
        """The mark of an answer.

        Raises:
            OddReply: the function gives something else.
            InputError: it fails.
        """
        try:
            said = self.function(question, answers, answer)
        except InputError:
            raise
        except Exception as error:
            told = printable(str(error).strip().partition("\n")[0])[:120]
            raise InputError(
                f"The judge {self.name} fails on the answer {answer[:40]!r}: {type(error).__name__}: {told}. It is "
                "called with a question, its accepted answers and an answer."
            ) from error
        if isinstance(said, str) and said in MARKS:
            return said  # type: ignore[return-value]
        if said is True or said is False or type(said).__name__ == "bool":  # numpy's too
            return "right" if said else "wrong"
        raise OddReply(
            f"The judge {self.name} gave {str(said)[:40]!r} for the answer {answer[:40]!r}. It must give right, wrong "
            "or abstained, or whether the answer is correct."
        )

    def __repr__(self) -> str:
        return f"Called({self.name})"


def as_judge(judge: Judge | Function, tried: tuple[str, Sequence[str], str] = TRIED) -> Judge:
    """The judge, or the function as one; it is tried before anything is asked.

    Args:
        judge: marks answers.
        tried: a question, its accepted answers and an answer that it can be tried on.

    Raises:
        InputError: it can't be called, fails on an ordinary answer, or gives no mark of it.
    """
    if isinstance(judge, type):
        raise InputError(f"The judge is the class {judge.__name__}. Give one of it: {judge.__name__}().")
    if not callable(judge):
        raise InputError(f"The judge is {kind_of(judge)}. Give a function, or a judge such as WholeWords().")
    if isinstance(getattr(judge, "name", None), str) and type(judge).__module__.startswith("inspector."):
        if getattr(judge, "kept", False):
            with suppress(OddReply):  # one is borne; a server that isn't there is said before anything is asked
                judge(*tried)
        return judge  # type: ignore[return-value]
    name = getattr(judge, "name", None) or getattr(judge, "__name__", type(judge).__name__)
    called = Called(judge, str(name), bool(getattr(judge, "kept", False)))
    called(*tried)
    return called

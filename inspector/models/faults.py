"""Whatever the loaders raise, said in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.errors import InspectorError, ModelError
from inspector.printable import printable

STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What isn't a fault. The rest is caught, panics of the tokenizers' library too, which are no `Exception`."""

LINE, NAME, REASON = 300, 90, 150
"""Characters of a line, and of a name and a reason in it."""

AGAIN = "Get the model's files again."
TRUST = "Look at that code; to run it: trust_remote_code=True, --trust-remote-code."


@contextmanager
def one_line(what: str, advice: str) -> Iterator[None]:
    """Turn everything that is raised, but the user's own errors, into one line: what, why, advice.

    Raises:
        ModelError: that line.
    """
    try:
        yield
    except (InspectorError, *STOPS):
        raise
    except BaseException as error:
        if isinstance(error, ImportError):
            advice = "Install what is missing."
        elif "trust_remote_code" in str(error):
            advice = TRUST
        raise ModelError(f"{what}: {reason(error, LINE - len(what) - len(advice) - 3)} {advice}") from error


def reason(error: BaseException, room: int = REASON) -> str:
    """The first line of a fault that tells something, as a short sentence."""
    if isinstance(error, MemoryError):
        return "memory ran out."
    cause = error.__cause__ if type(error).__name__.startswith("StrictDataclass") else None
    lines = [line for line in str(cause or error).splitlines() if line.strip()]
    said = " ".join(printable(lines[0] if lines else "").split())
    if not said or isinstance(error, KeyError | ArithmeticError | AssertionError | AttributeError | TypeError):
        said = f"{type(cause or error).__name__}: {said}" if said else type(error).__name__
    return sentence(said, room)


def sentence(text: str, room: int = REASON) -> str:
    """The first sentence of a text, cut to the room that it has."""
    room = min(room, REASON)
    text = re.split(r"(?<=[a-z`'\")])\. (?=[A-Z])", text)[0].strip()
    return f"{text[: room - 1].rstrip()}…" if len(text) >= room else text.rstrip(".:! ") + "."


def short(name: str | Path) -> str:
    """A name as it fits into a line: the end of a long one."""
    said = printable(name)
    return said if len(said) <= NAME else f"…{said[1 - NAME :]}"

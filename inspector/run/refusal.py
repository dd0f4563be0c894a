"""Why a run is refused: one line that a terminal can print, whatever is in the run."""

from inspector.errors import RunError
from inspector.printable import drawn, printable

LONGEST = 300
"""Characters of a message."""
LONGEST_PLACE = 160
END = " Restore it or scan again."


def refusal(folder: object, what: object, end: str = END) -> RunError:
    """The error that names the run's folder, what is wrong with it, and what to do, in one line."""
    start = f"Run '{_clipped(one_line(folder), LONGEST_PLACE)}': "
    room = LONGEST - len(start) - len(end) - 1
    said = _clipped(one_line(what).rstrip(".,: "), room)
    return RunError(f"{start}{said}.{end}")


def one_line(said: object) -> str:
    """A text in one line without anything that a terminal would obey; of a long one its beginning."""
    text = " ".join(str(said)[: 4 * LONGEST].split())
    return drawn(printable(text))


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 2].rstrip()} …"

"""A folder beside a run for the results so far of long work, so that a killed command can resume."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from inspector.errors import RunError
from inspector.places import beside, contents, held, write_probe

WORKING = ".working"
KEPT: list[str] = []
"""What this process's stopped work has kept, in words; the command line says it, as its parser hides the error."""


def digest(what: Sequence[object]) -> str:
    """Twelve hex digits that tell this, as JSON can say it, from anything else."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


@contextmanager
def working_folder(place: Path, what: Sequence[object]) -> Iterator[Path]:
    """A folder beside a path; deleted once the context ends without an error, or with nothing in it.

    Args:
        place: where the result will be.
        what: everything that the work depends on, as JSON can say it: the folder is named after it, so that the same
            work finds its own folder again.

    Raises:
        RunError: another process does the same work, or the folder can't be made.
    """
    folder = beside(place, f"-{digest(what)}{WORKING}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_probe(folder)
    except OSError as error:
        raise RunError(f"'{folder}' can't be written: {error.strerror or error}. Choose another place.") from error
    stopped: BaseException | None = None
    with held(folder, kept=True):
        try:
            yield folder
        except BaseException as error:
            if kept := contents(folder):
                size = sum(path.stat().st_size for path in kept if path.is_file())
                KEPT.append(f"what was done is kept in '{folder}' ({size / 1e6:,.1f} MB)")
                raise
            stopped = error  # nothing to resume: the folder goes as after a whole run
    if stopped is not None:
        raise stopped

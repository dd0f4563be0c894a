"""A folder beside a run for the results so far of long work, so that a killed command can resume."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from inspector.errors import RunError


def digest(what: Sequence[object]) -> str:
    """Twelve hex digits that tell this, as JSON can say it, from anything else."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


@contextmanager
def working_folder(beside: Path, what: Sequence[object]) -> Iterator[Path]:
    """A folder beside a path; deleted once the context ends without an error.

    Args:
        beside: where the result will be.
        what: everything that the work depends on, as JSON can say it: the folder is named after it, so that the same
            work finds its own folder again.

    Raises:
        RunError: another process does the same work.
    """
    folder = beside.parent / f".{beside.name}-{digest(what)}.working"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(folder / "lock").acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"Another process does the same (in '{folder}'). Wait for it, or stop it.") from error
    with held:
        yield folder
    shutil.rmtree(folder, ignore_errors=True)

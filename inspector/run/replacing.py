"""Where a run is written: checked before the work, and replaced so that some whole run is there at every step.

The new run is made in a hidden folder beside its place, which one process at a time holds. The old one is moved into
that folder, the new one to the place, then the folder is removed. Whoever comes after a kill between the two moves
finds both whole runs in the folder, and moves the new one to the place.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inspector.errors import RunError
from inspector.places import beside, clear, held, is_held, write_probe
from inspector.printable import half_pair
from inspector.run.contents import damage, describe, is_file_of_a_run

WRITING = ".writing"
NEW, OLD, PLACE = "new", "old", "place"
PATIENCE = 60.0
"""Seconds that a save waits for another one at its place."""
UNNOTICED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave in any folder."""


def claim(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Check that a run can be written here; called before the work starts, so that none is lost.

    Raises:
        RunError: the place is taken, is not a run, holds other files too, or can't be written.
    """
    try:
        target = Path(folder).expanduser().resolve()
        if half_pair(str(target)):  # how Python says bytes that aren't UTF-8, by which tables are named
            raise ValueError("its name is not UTF-8")
        put_back(target)
        _refuse_taken(target, folder, overwrite)
        write_probe(target.parent)
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(f"'{str(folder)[:60]}' can't be written: {why}. Choose another place.") from error
    return target


def _refuse_taken(target: Path, folder: str | Path, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / "run.json").is_file():
        raise RunError(f"'{folder}' exists and is not a run; nothing was touched. Choose another place.")
    if not overwrite:
        raise RunError(f"Run '{folder}' exists. Choose another place, or overwrite it (overwrite=True, --overwrite).")
    other = next(_foreign(target), None)
    if other is not None:
        raise RunError(
            f"Run '{folder}' also holds '{other}', which is no file of the run and would be lost; nothing was touched. "
            "Move it, or choose another place."
        )


def _foreign(target: Path) -> Iterator[str]:
    """What a run's folder holds and the run doesn't list."""
    try:
        listed = {"run.json", *describe(target)["files"]}
    except RunError:  # its list can't be read: what looks like a run's files goes with it
        listed = None
    for path in sorted(target.rglob("*")):
        name = path.relative_to(target).as_posix()
        if path.name in UNNOTICED or (name == "evidence" and path.is_dir() and not path.is_symlink()):
            continue
        if name not in listed if listed is not None else not is_file_of_a_run(name):
            yield name


@contextmanager
def replaced(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new folder to write a run in, which is moved to its place once the context ends without an error.

    Raises:
        RunError: the place was taken meanwhile, or another process writes a run there.
        OSError: it can't be written.
    """
    with held(beside(target, WRITING), PATIENCE) as scratch:
        old, new = scratch / OLD, scratch / NEW
        _settle(scratch, target)
        try:
            (scratch / PLACE).write_bytes(os.fsencode(target.name))
            new.mkdir()
            yield new
            _refuse_taken(target, target, overwrite)
            if target.exists():
                target.rename(old)
            new.rename(target)
        except BaseException:
            if old.exists() and not target.exists():
                old.rename(target)
            clear(scratch)
            raise


def put_back(target: Path) -> None:
    """Finish what a killed save left beside a run's place; nothing where another process is at it, or nothing is."""
    scratch = beside(target, WRITING)
    if not scratch.is_dir() or is_held(scratch):
        return
    with suppress(RunError, OSError), held(scratch):
        _settle(scratch, target)


def put_back_all(root: Path) -> None:
    """Finish what killed saves left in a folder of runs."""
    for scratch in root.glob(f".*{WRITING}"):
        with suppress(OSError, ValueError):  # one that was stopped before it said its place holds nothing
            target = root / os.fsdecode((scratch / PLACE).read_bytes())
            if beside(target, WRITING) == scratch:
                put_back(target)


def _settle(scratch: Path, target: Path) -> None:
    """Some whole run of an earlier, killed save at its place, the new one before the old; then the rest is removed."""
    if not target.exists():
        if is_whole(scratch / NEW):
            (scratch / NEW).rename(target)
        elif (scratch / OLD).exists():
            (scratch / OLD).rename(target)
    clear(scratch)


def is_whole(folder: Path) -> bool:
    """Whether a whole run is in this folder."""
    try:
        return not damage(folder, describe(folder)["files"])
    except (RunError, OSError):
        return False

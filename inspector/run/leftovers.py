"""What stopped work left in a folder of runs: listed with its size, and removed on request."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inspector.errors import RunError
from inspector.places import held, is_held
from inspector.resume import WORKING
from inspector.run.replacing import WRITING, is_whole

BEGINNINGS = (".writing-", ".deleted-", ".bringing-")
"""Of folders that earlier versions, and the dashboard, make for the moment."""


@dataclass(frozen=True)
class Leftover:
    """A hidden folder or file of work that is stopped, or that goes on.

    Args:
        name: of the folder.
        path: where it is.
        size: bytes in it.
        changed: when something in it was last written, as ISO 8601.
        what: what it holds, in words.
        held: whether a process works with it.
    """

    name: str
    path: Path
    size: int
    changed: str
    what: str
    held: bool


def leftovers(root: Path) -> list[Leftover]:
    """Everything that stopped work left directly in a folder, by name."""
    found = [path for path in root.glob(".*") if _is_left(path) and not path.is_symlink()]
    return [_described(path) for path in sorted(found)]


def remove(root: Path, name: str) -> Leftover:
    """Remove what stopped work left.

    Raises:
        RunError: there is nothing of this name, a process works with it, or it can't be removed.
    """
    known = {one.name: one for one in leftovers(root)}
    if name not in known:
        listed = ", ".join(known) or "none"
        raise RunError(f"No stopped work '{name}' in '{root}'. There is: {listed}.")
    one = known[name]
    try:
        if not one.path.is_dir():
            one.path.unlink()
        else:
            with held(one.path):
                pass
    except OSError as error:
        raise RunError(f"'{name}' can't be removed: {error.strerror or error}. Look at its permissions.") from error
    return one


def _is_left(path: Path) -> bool:
    return path.name.endswith((WORKING, WRITING)) or (path.is_dir() and path.name.startswith(BEGINNINGS))


def _described(path: Path) -> Leftover:
    files = [one for one in (path, *path.rglob("*")) if one.is_file() and not one.is_symlink()]
    stats = [one.stat() for one in files]
    changed = max((one.st_mtime for one in stats), default=path.stat().st_mtime)
    whole = next((one for one in (path / "new", path / "old", path / "run") if is_whole(one)), None)
    if whole is not None:
        what = f"a whole run, in its folder '{whole.name}'"
    elif path.name.endswith(WORKING):
        what = "results so far; the same command resumes it"
    else:
        what = "what was being written"
    made = datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
    return Leftover(path.name, path, sum(one.st_size for one in stats), made, what, path.is_dir() and is_held(path))

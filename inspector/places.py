"""Places on disk: found fit before work starts, written whole or not at all, held by one process at a time."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from inspector.errors import RunError

LONGEST = 255
"""Bytes of a file's name, on nearly every disk."""
PROBE = bytes(1 << 16)
"""Written to see that a disk takes more than an empty file."""
LOCK = "lock"
TRIES = 1000
"""How often a folder may be removed by others while it is made."""


def beside(path: Path, ending: str) -> Path:
    """The hidden path beside another for what belongs to it; a long name is cut, and told apart by its hash."""
    name = f".{path.name}{ending}"
    if len(os.fsencode(name)) > LONGEST:
        told = f"-{sha256(os.fsencode(path.name)).hexdigest()[:12]}{ending}"
        kept = os.fsencode(path.name)[: LONGEST - 1 - len(os.fsencode(told))].decode(errors="ignore")
        name = f".{kept}{told}"
    return path.parent / name


def write_probe(folder: Path) -> None:
    """See that files can be written below a folder that need not exist yet.

    Raises:
        OSError: they can't, or the disk is full.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    with tempfile.TemporaryFile(dir=there) as file:
        file.write(PROBE)
        file.flush()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file beside its place and move it there: a full disk or a kill leaves what was there before.

    Text is written as UTF-8.

    Raises:
        OSError: the place can't be written.
    """
    written = content.encode() if isinstance(content, str) else content
    target = path.resolve()
    if target.exists() and not target.is_file():  # a pipe or a terminal takes the text itself
        target.write_bytes(written)
        return
    made = beside(target, f"-{os.getpid()}.writing")
    try:
        made.write_bytes(written)
        if target.exists():
            made.chmod(target.stat().st_mode & 0o7777)
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)


@contextmanager
def held(folder: Path, wait: float = 0.0, *, kept: bool = False) -> Iterator[Path]:
    """A folder that no other process holds; removed, while it is still held, once the context ends without an error.

    Args:
        folder: made where it isn't there.
        wait: seconds to wait for another process.
        kept: whether it stays after an error even if it is empty; what is in it always does.

    Raises:
        RunError: another process holds it.
    """
    lock = _acquired(folder, wait)
    try:
        try:
            yield folder
        except BaseException:
            with suppress(OSError):
                if not kept and not contents(folder):
                    _remove(folder)
            raise
        _remove(folder)
    finally:
        lock.release()
        with suppress(OSError):
            _remove_empty(folder)


def _acquired(folder: Path, wait: float) -> FileLock:
    """The lock of a folder, which is the one that is there and not one that was removed meanwhile."""
    for left in reversed(range(TRIES)):
        lock = FileLock(folder / LOCK)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=wait)
        except Timeout as error:
            raise RunError(f"Another process does the same (in '{folder}'). Wait for it, or stop it.") from error
        except (FileNotFoundError, FileExistsError):  # the folder was removed while it was made or opened
            if not left or folder.is_file():
                raise
            continue
        if (folder / LOCK).exists() and is_held(folder):
            return lock
        lock.release()
    raise RunError(f"'{folder}' is removed by others again and again. Choose another place.")


def is_held(folder: Path) -> bool:
    """Whether some process holds this folder."""
    if not (folder / LOCK).exists():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def contents(folder: Path) -> list[Path]:
    """What is in a held folder beside its lock."""
    return [path for path in folder.iterdir() if path.name != LOCK]


def clear(folder: Path) -> None:
    """Remove what is in a held folder; its lock stays."""
    for path in contents(folder):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _remove(folder: Path) -> None:
    """Remove a held folder, the lock last: whoever finds the lock may hold what is left."""
    clear(folder)
    with suppress(OSError):  # Windows removes no file that is open
        (folder / LOCK).unlink()
        folder.rmdir()


def _remove_empty(folder: Path) -> None:
    """Remove the folder where nothing but its lock is left, which Windows can do only now."""
    if os.name == "nt" and not contents(folder):
        (folder / LOCK).unlink()
        folder.rmdir()

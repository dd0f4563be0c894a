"""The folder of runs: listing, opening, renaming, deleting, bringing in; nothing outside it is ever touched."""

import io
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError, RunError
from inspector.run import disk as runs

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
LARGEST_RUN = 2 << 30
"""Bytes that an uploaded run may unpack to."""


@dataclass(frozen=True)
class Shelved:
    """A run on the shelf, as far as its `run.json` tells; `fault` says what is wrong with it."""

    name: str
    folder: Path
    changed: float
    about: dict[str, Any]
    fault: str = ""


class Shelf:
    """A folder whose subfolders are runs.

    Args:
        root: the folder; it need not exist.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().resolve()

    def all(self) -> list[Shelved]:
        """Every run, the latest written first; damaged ones too."""
        folders = [path.parent for path in self.root.glob("*/run.json")]
        found = [_described(folder) for folder in folders if NAME.fullmatch(folder.name) and not folder.is_symlink()]
        return sorted(found, key=lambda run: (-run.changed, run.name))

    def find(self, name: str) -> Shelved:
        """The run of this name.

        Raises:
            RunError: there is none.
        """
        return _described(self._inside(name, there=True))

    def rename(self, name: str, new: str) -> None:
        """Give a run another name.

        Raises:
            RunError: the name is taken, or isn't fit for a folder.
        """
        source, target = self._inside(name, there=True), self._inside(new, there=False)
        source.rename(target)

    def delete(self, name: str) -> None:
        """Remove a run for good."""
        folder = self._inside(name, there=True)
        doomed = Path(tempfile.mkdtemp(prefix=".deleted-", dir=self.root))
        folder.rename(doomed / "run")
        shutil.rmtree(doomed)

    def place(self, name: str) -> Path:
        """Where a new run of this name goes.

        Raises:
            RunError: the name is taken, or isn't fit for a folder.
        """
        return self._inside(name, there=False)

    def packed(self, name: str) -> bytes:
        """A run as a zip file that `bring_in` takes."""
        folder = self._inside(name, there=True)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    packed.write(path, path.relative_to(folder).as_posix())
        return out.getvalue()

    def bring_in(self, name: str, content: bytes) -> None:
        """Unpack a zip file that `packed` made, after checking every name in it; the run must be whole.

        Raises:
            RunError: it isn't a run, is damaged, or the name is taken.
        """
        target = self._inside(name, there=False)
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bringing-", dir=self.root) as scratch:
            made = Path(scratch) / "new"
            _unpack(content, made)
            try:
                runs.read(made)
            except RunError as error:
                raise RunError(str(error).replace(str(made), name)) from error
            made.rename(target)

    def _inside(self, name: str, *, there: bool) -> Path:
        """The folder of this name, which is directly in the root.

        Raises:
            RunError: the name is no folder's name, or the folder is (not) there.
        """
        if not NAME.fullmatch(name):
            raise RunError(f"'{name[:40]}' can't name a run. Use letters, digits, '.', '_' and '-', 64 at most.")
        folder = self.root / name
        if there and (folder.is_symlink() or not (folder / "run.json").is_file()):
            raise RunError(f"No run '{name}' here. Choose one of the list.")
        if not there and (folder.exists() or folder.is_symlink()):
            raise RunError(f"'{name}' exists. Choose another name.")
        return folder


def _described(folder: Path) -> Shelved:
    changed = (folder / "run.json").stat().st_mtime
    try:
        about = runs.describe(folder)
        wrong = runs.damage(folder, about["files"], hashed=False)  # opening a run compares hashes too
        return Shelved(folder.name, folder, changed, about, wrong and f"Run '{folder.name}': {wrong}")
    except InspectorError as error:
        return Shelved(folder.name, folder, changed, {}, str(error).replace(str(folder), folder.name))


def _unpack(content: bytes, target: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            infos = [info for info in packed.infolist() if not info.is_dir()]
            if sum(info.file_size for info in infos) > LARGEST_RUN:
                raise RunError("This zip file unpacks to more than 2 GB. Copy the run's folder instead.")
            for info in infos:
                if not runs.INSIDE.fullmatch(info.filename):
                    raise RunError(f"This zip file holds '{info.filename[:60]}', which is no file of a run.")
                path = target / info.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(info) as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise RunError(f"This is not a zip file that can be read ({error}). Export the run again.") from error


def size_of(folder: Path) -> int:
    """Bytes of a run's files."""
    return sum(os.path.getsize(path) for path in folder.rglob("*") if path.is_file())

"""The folder of runs: listing, opening, renaming, deleting, bringing in; nothing outside it is ever touched."""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.archive import unpack
from inspector.errors import InspectorError, RunError
from inspector.printable import printable
from inspector.run import disk as runs

LONGEST_NAME = 255
"""Bytes of a name that disks take."""


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
        runs.put_back_all(self.root)
        folders = [path.parent for path in self.root.glob("*/run.json")]
        found = [_described(folder) for folder in folders if folder.name[0] != "." and not folder.is_symlink()]
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
        with _changing(self.root):
            source.rename(target)

    def delete(self, name: str) -> None:
        """Remove a run for good."""
        folder = self._inside(name, there=True)
        with _changing(self.root):
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
        """A run as a zip file that `bring_in` takes: the files that its `run.json` lists.

        Raises:
            RunError: there is no run of this name, or a file of it is a link, which may lead anywhere.
        """
        folder = self._inside(name, there=True)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in ("run.json", *sorted(runs.describe(folder)["files"])):
                if runs.is_led_out(folder, file):
                    raise RunError(f"Run '{name}': {file} is a link, which a run has none of. Copy the run itself.")
                if (folder / file).is_file():
                    packed.write(folder / file, file)
        return out.getvalue()

    def bring_in(self, name: str, content: bytes) -> Shelved:
        """Unpack a zip file that `packed` made, or of a run's folder, after checking every name in it.

        Returns:
            The run that came in; it is whole.

        Raises:
            RunError: it isn't a run, is damaged, or the name is taken.
        """
        target = self._inside(name, there=False)
        with _changing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(prefix=".bringing-", dir=self.root)
        with scratch, _changing(self.root):
            made = Path(scratch.name) / "new"
            unpack(content, made)
            try:
                runs.read(made)
            except RunError as error:
                raise RunError(str(error).replace(str(made), name)) from error
            made.rename(target)
        return _described(target)

    def _inside(self, name: str, *, there: bool) -> Path:
        """The folder of this name, which is directly in the root.

        Raises:
            RunError: the name is no folder's name, or the folder is (not) there.
        """
        if not is_name(name):
            raise RunError(
                f"'{printable(name[:40])}' can't name a run. Use letters, digits and blanks, no slashes, "
                f"no '.' in front, {LONGEST_NAME} bytes at most."
            )
        folder = self.root / name
        if there and (folder.is_symlink() or not (folder / "run.json").is_file()):
            raise RunError(f"No run '{name}' here. Choose one of the list.")
        if not there and (folder.exists() or folder.is_symlink()):
            raise RunError(f"'{name}' exists. Choose another name.")
        return folder


def is_name(name: str) -> bool:
    """Whether a folder of this name is directly in the root, and the name can be shown."""
    fits = len(name.encode("utf-8", "replace")) <= LONGEST_NAME and printable(name) == name
    return fits and name == name.strip() != "" and name[0] != "." and not {"/", "\\"} & set(name)


@contextmanager
def _changing(root: Path) -> Iterator[None]:
    """What the disk refuses is said in a line."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"'{root.name}' can't be changed: {error.strerror or error}. Look at its permissions and its disk."
        ) from error


def _described(folder: Path) -> Shelved:
    if not is_name(folder.name):
        wrong = f"'{printable(folder.name)}' can't name a run here. Rename its folder."
        return Shelved(folder.name, folder, folder.stat().st_mtime, {}, wrong)
    changed = (folder / "run.json").stat().st_mtime
    try:
        about = runs.describe(folder)
        wrong = runs.damage(folder, about["files"], hashed=False)  # opening a run compares hashes too
        return Shelved(folder.name, folder, changed, about, wrong and f"Run '{folder.name}': {wrong}")
    except InspectorError as error:
        return Shelved(folder.name, folder, changed, {}, str(error).replace(str(folder), folder.name))


def size_of(folder: Path) -> int:
    """Bytes of a run's files; what links lead to is none of them."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())

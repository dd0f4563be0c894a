"""A run in a zip file, judged before any of it is unpacked: how many files, of which names, how large."""

import io
import struct
import zipfile
from pathlib import Path

from inspector.errors import RunError
from inspector.printable import printable
from inspector.run import disk as runs

LARGEST_RUN = 2 << 30
"""Bytes that an uploaded run may unpack to."""
LARGEST_LIST = 64 << 20
"""Bytes of an uploaded `run.json`."""
LARGEST_DIRECTORY = 1 << 20
"""Bytes of a zip file's own list of its files: some ten thousand, ten times what a run may have."""
OF_SYSTEMS = ("__MACOSX/", ".DS_Store", "._", "Thumbs.db", "desktop.ini")
"""Beginnings of names that file managers add to what they pack."""


def unpack(content: bytes, target: Path) -> None:
    """Unpack a run's `run.json`, then the files that it lists, and nothing else.

    Raises:
        RunError: it is no zip file, is damaged, or holds anything else.
    """
    try:
        _judge(content)
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            infos = _named(packed)
            _extract(packed, infos.pop("run.json"), target, LARGEST_LIST)
            listed = runs.describe(target)["files"]
            if unlisted := sorted(infos.keys() - listed.keys()):
                raise RunError(f"This zip file holds '{unlisted[0]}', which its run.json doesn't list.")
            for name, info in infos.items():
                _extract(packed, info, target, int(listed[name]["bytes"]))
    except RunError as error:
        raise RunError(str(error).replace(str(target), "in this zip file")) from error
    except Exception as error:  # each way to compress raises of its own family, and each means the same
        raise RunError(
            f"This is not a zip file that can be read ({printable(error)[:80] or type(error).__name__}). "
            "Export the run again."
        ) from error


def _judge(content: bytes) -> None:
    """Look at the end of a zip file, where its list of files begins and how long that is, before the list is read.

    Raises:
        RunError: the list is longer than any run's.
    """
    end = content.rfind(b"PK\5\6", max(0, len(content) - (1 << 16) - 22))
    if end < 0 or len(content) < end + 22:
        return  # no zip file; it is said where it is opened
    (listed,) = struct.unpack("<L", content[end + 12 : end + 16])
    if listed > LARGEST_DIRECTORY or content[end - 20 : end - 16] == b"PK\6\7":  # a list for more than 65,535 files
        raise RunError("This zip file holds more files than a run has. Export the run again.")


def _named(packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, before any is read; the folder that holds them all is left out of their names.

    Raises:
        RunError: one is no file of a run or is there twice, there is no `run.json`, or they are too large.
    """
    infos = [info for info in packed.infolist() if not info.is_dir() and not _is_of_system(info.filename)]
    top = {info.filename.partition("/")[0] for info in infos if "/" in info.filename}
    if len(top) == 1 and all(info.filename.startswith(f"{min(top)}/") for info in infos):
        for info in infos:
            info.filename = info.filename.partition("/")[2]
    if sum(info.file_size for info in infos) > LARGEST_RUN:
        raise RunError("This zip file unpacks to more than 2 GB. Copy the run's folder instead.")
    named = {info.filename: info for info in infos}
    strange = next((name for name in named if not runs.INSIDE.fullmatch(name)), None)
    if strange is not None:
        raise RunError(f"This zip file holds '{printable(strange[:60])}', which is no file of a run.")
    if len(named) < len(infos) or "run.json" not in named:
        raise RunError("This zip file is no run: it has no run.json, or a file twice. Export the run again.")
    return named


def _is_of_system(name: str) -> bool:
    """Whether a file manager, not a run, has this file."""
    return name.startswith(OF_SYSTEMS[0]) or name.rpartition("/")[2].startswith(OF_SYSTEMS[1:])


def _extract(packed: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int) -> None:
    """Unpack one file, which must not be larger than it is listed."""
    path = target / info.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(info) as source, path.open("wb") as out:
        left = most
        while block := source.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise RunError(f"This zip file's '{info.filename}' is larger than its run.json says. Export it again.")
            out.write(block)

"""What is in a run's folder: `run.json`, checked, and the files that it lists, none of them a link."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inspector.detectors.schema import complaint
from inspector.errors import RunError
from inspector.run.json_text import parsed
from inspector.run.refusal import one_line, refusal
from inspector.run.schema import RunJson

FORMAT = 1
LARGEST = 16 << 20
"""Bytes of a `run.json`."""
SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
INSIDE = re.compile(rf"(evidence/)?{SAFE_NAME.pattern}")
"""Files of a run: tables, and arrays one folder down; nothing above or beside it."""
TABLE = ".table.parquet"
TABLES = ("tokens.parquet", "findings.parquet", "effects.parquet")
"""Which every run has."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def damage(root: Path, files: Mapping[str, Mapping[str, Any]], *, hashed: bool = True) -> str:
    """The first of a run's listed files that is missing or changed, in words; by size alone unless hashed."""
    for name, expected in files.items():
        path = root / name
        if is_led_out(root, name):
            return f"{name} is a link, which a run has none of."
        if not path.is_file():
            return f"{name} is missing."
        if path.stat().st_size != expected["bytes"]:
            return f"{name} is damaged (its size differs)."
        if hashed and sha256_of(path) != expected["sha256"]:
            return f"{name} is damaged (its hash differs)."
    return ""


def is_file_of_a_run(name: str) -> bool:
    """Whether a path in a run's folder looks like one that a run writes."""
    if name.startswith("evidence/"):
        return bool(INSIDE.fullmatch(name)) and name.endswith(".safetensors")
    return name in ("run.json", *TABLES) or (bool(INSIDE.fullmatch(name)) and name.endswith(TABLE))


def is_led_out(root: Path, name: str) -> bool:
    """Whether a file of a run, or the folder in it that holds the file, is a link: it may lead anywhere."""
    inside = Path(name)
    return any((root / part).is_symlink() for part in (inside, *inside.parents[:-1]))


def describe(folder: str | Path) -> dict[str, Any]:
    """A run's `run.json`, checked for its format; fast, whatever the run's size.

    Raises:
        RunError: there is no run here, or one of another format.
    """
    path = Path(folder).expanduser() / "run.json"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise refusal(folder, "run.json is a link or no file, which a run has none of", " Copy the run itself.")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 20} MB")
        about = parsed(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        where = one_line(folder)[-160:]
        raise RunError(f"No run in '{where}' (it has no run.json). Give the folder that it was saved in.") from error
    except (OSError, ValueError) as error:
        raise refusal(folder, f"run.json is damaged ({error})", " Restore it, or scan.") from error
    if not isinstance(about, dict) or type(about.get("format")) is not int or about["format"] != FORMAT:
        got = str(about.get("format"))[:20] if isinstance(about, dict) else None
        raise refusal(folder, f"it has format {got}, this version reads {FORMAT}", " Scan again.")
    try:
        RunJson.model_validate(about)
    except ValidationError as error:
        raise refusal(folder, f"run.json: {complaint(error)}") from error
    outside = next((name for name in about["files"] if not INSIDE.fullmatch(name)), None)
    if outside is not None:
        raise refusal(folder, f"run.json names '{outside[:80]}', outside the run", " Don't trust it; scan again.")
    if strange := [name for name in about["files"] if name == "run.json" or not is_file_of_a_run(name)]:
        raise refusal(folder, f"run.json names '{strange[0][:80]}', which is no file of a run")
    if missing := [name for name in TABLES if name not in about["files"]]:
        raise refusal(folder, f"run.json does not list {missing[0]}")
    return about

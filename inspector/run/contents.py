"""What is in a run's folder: `run.json`, checked, and the files that it lists, none of them a link."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspector.errors import RunError

FORMAT = 1
ABOUT = {"model": dict, "settings": dict, "notes": list, "files": dict, "created": str}
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
        raise RunError(f"Run '{folder}': run.json is a link or no file, which a run has none of. Copy the run itself.")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"No run in '{folder}' (it has no run.json). Give the folder that --out named.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"Run '{folder}': run.json is damaged ({error}). Restore it, or scan.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        got = about.get("format") if isinstance(about, dict) else None
        raise RunError(f"Run '{folder}' has format {got}, this version reads {FORMAT}. Scan again.")
    wrong = [name for name, kind in ABOUT.items() if not isinstance(about.get(name), kind)]
    if not wrong and not isinstance(about["settings"].get("detectors"), list):
        wrong = ["settings"]
    if not wrong and not _good_files(about["files"]):
        wrong = ["files entries"]
    outside = [name for name in about["files"] if not INSIDE.fullmatch(name)] if "files" not in wrong else []
    if outside:
        raise RunError(f"Run '{folder}': run.json names '{outside[0]}', outside the run. Don't trust it; scan again.")
    if wrong:
        raise RunError(f"Run '{folder}': run.json has no proper {', '.join(wrong)}. Restore it or scan again.")
    return about


def _good_files(files: Mapping[str, Any]) -> bool:
    """Whether the three tables are listed, and every file with its size and hash."""
    listed = all(isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in files.values())
    return listed and set(TABLES) <= files.keys()

"""A record as a folder: safetensors, parquet and json; nothing is ever unpickled.

The folder is written beside its place and renamed, and `run.json` is written last with the size
and hash of every other file, so a folder that opens is whole.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from inspector.errors import InspectorError, RunError
from inspector.results import Effect, Evidence, Finding, Record

FORMAT = 1
LIBRARIES = ("activation-inspector", "torch", "transformers", "transformer-lens", "numpy", "pandas", "scipy")


def save(record: Record, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a record as a run; an existing run is replaced only with `overwrite`.

    Raises:
        RunError: the place is taken, is not a run, or can't be written.
    """
    target = claim(folder, overwrite=overwrite)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _write(record, scratch)
        scratch.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            target.rename(old / "run")
            scratch.rename(target)
            shutil.rmtree(old)
        else:
            scratch.rename(target)
    except OSError as error:
        raise RunError(f"Run '{folder}' can't be written: {error.strerror or error}. Choose another place.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def claim(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Check that a run can be written here; called before the work starts, so that none is lost.

    Raises:
        RunError: the place is taken, is not a run, or can't be written.
    """
    target = Path(folder).expanduser().absolute()
    if target.exists():
        empty = target.is_dir() and not any(target.iterdir())
        if not empty and not (target / "run.json").is_file():
            raise RunError(f"'{folder}' exists and is not a run; nothing was touched. Choose another place.")
        if not empty and not overwrite:
            raise RunError(f"Run '{folder}' exists. Choose another place, or replace it with --overwrite.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise RunError(f"'{target.parent}' can't be written: {error.strerror}. Choose another place.") from error
    return target


def _write(record: Record, folder: Path) -> None:
    (folder / "evidence").mkdir()
    for name, evidence in record.evidence.items():
        about = {"detector": evidence.detector, "axes": evidence.axes, "combine": evidence.combine}
        text = {key: json.dumps(value) for key, value in {**about, "facts": evidence.facts}.items()}
        arrays = {key: np.ascontiguousarray(array) for key, array in evidence.arrays.items()}
        save_file(arrays, folder / "evidence" / f"{name}.safetensors", metadata=text)
    pd.DataFrame(dict(record.tokens)).to_parquet(folder / "tokens.parquet", index=False)
    for name, rows, kind in (("findings", record.findings, Finding), ("effects", record.effects, Effect)):
        frame = pd.DataFrame([asdict(row) for row in rows], columns=[f.name for f in fields(kind)])
        for column in ("layer", "unit", "position"):
            if column in frame:
                frame[column] = frame[column].astype("Int64")
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    about_run = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": dict(record.card),
        "settings": dict(record.settings),
        "notes": list(record.notes),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "input_sha256": _hash_tokens(record.tokens),
        "files": {
            path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in files
        },
    }
    (folder / "run.json").write_text(json.dumps(_plain(about_run), indent=1, ensure_ascii=False), encoding="utf-8")


def open_run(folder: str | Path) -> Record:
    """Open a saved run, after checking that it is whole.

    Raises:
        RunError: it is missing, of another format, or a file of it is missing or damaged.
    """
    root = Path(folder).expanduser()
    about = describe(root)
    for name, expected in about["files"].items():
        path = root / name
        if not path.is_file():
            raise RunError(f"Run '{folder}': {name} is missing. Restore it or scan again.")
        if path.stat().st_size != expected["bytes"] or _sha256(path) != expected["sha256"]:
            raise RunError(f"Run '{folder}': {name} is damaged (its hash differs). Restore it or scan again.")
    try:
        evidence = {
            Path(name).stem: _read_evidence(root / name) for name in about["files"] if name.startswith("evidence/")
        }
        tokens = pd.read_parquet(root / "tokens.parquet")
        findings, effects = (_read_rows(root / f"{k.__name__.lower()}s.parquet", k) for k in (Finding, Effect))
        return Record(
            card=about["model"],
            settings=about["settings"],
            evidence=evidence,
            findings=findings,
            tokens={name: tokens[name].to_numpy() for name in tokens},
            effects=effects,
            notes=tuple(about["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise RunError(f"Run '{folder}' can't be read: {error}. Scan again.") from error


def describe(folder: str | Path) -> dict[str, Any]:
    """A run's `run.json`, checked for its format; fast, whatever the run's size.

    Raises:
        RunError: there is no run here, or one of another format.
    """
    path = Path(folder).expanduser() / "run.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"No run in '{folder}' (it has no run.json). Give the folder that --out named.") from error
    except (OSError, ValueError) as error:
        raise RunError(f"Run '{folder}': run.json is damaged ({error}). Restore it or scan again.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        got = about.get("format") if isinstance(about, dict) else None
        raise RunError(f"Run '{folder}' has format {got}, this version reads {FORMAT}. Scan again.")
    lacking = {"model", "settings", "notes", "files", "created"} - set(about)
    if lacking:
        raise RunError(f"Run '{folder}': run.json lacks {', '.join(sorted(lacking))}. Restore it or scan again.")
    return about


def _read_evidence(path: Path) -> Evidence:
    with safe_open(path, framework="numpy") as stored:
        about = {key: json.loads(value) for key, value in (stored.metadata() or {}).items()}
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    axes = {name: tuple(names) for name, names in about["axes"].items()}
    try:
        return Evidence(about["detector"], arrays, axes, about["combine"], about["facts"])
    except InspectorError as error:
        raise ValueError(str(error)) from error


def _read_rows(path: Path, kind: type[Any]) -> tuple[Any, ...]:
    frame = pd.read_parquet(path)
    names = [f.name for f in fields(kind)]
    columns = [frame[name].astype(object).tolist() for name in names]
    optional = {"unit", "position", "token"}
    return tuple(
        kind(**{n: (None if n in optional and pd.isna(v) else v) for n, v in zip(names, row, strict=True)})
        for row in zip(*columns, strict=True)
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash_tokens(tokens: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the tokens as fed: same hash, same input."""
    digest = hashlib.sha256()
    for name in ("text", "position", "id"):
        digest.update(np.ascontiguousarray(tokens[name], dtype=np.int64).tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """For JSON: NaN and infinity become null, paths and numpy numbers plain values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value

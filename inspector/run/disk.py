"""A record as a folder: safetensors, parquet and json; nothing is ever unpickled.

The folder is written beside its place and renamed, and `run.json` is written last with the size
and hash of every other file, so a folder that opens is whole.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from safetensors import SafetensorError

from inspector.detectors.schema import complaint
from inspector.errors import RunError
from inspector.records import Effect, Finding, Record
from inspector.run.arrays import read_evidence, write_evidence
from inspector.run.columns import read_columns, read_rows, read_tokens
from inspector.run.contents import FORMAT, INSIDE, SAFE_NAME, TABLE, damage, describe, is_led_out
from inspector.run.contents import sha256_of as _sha256
from inspector.run.json_text import plain
from inspector.run.refusal import refusal
from inspector.run.replacing import claim, put_back, put_back_all, replaced
from inspector.run.schema import VERDICTS

__all__ = [
    "FORMAT",
    "INSIDE",
    "claim",
    "damage",
    "describe",
    "is_led_out",
    "libraries",
    "plain",
    "put_back_all",
    "read",
    "save",
]
LIBRARIES = (
    "activation-inspector",
    "torch",
    "transformers",
    "transformer-lens",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
)


def save(record: Record, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a record as a run; an existing run is replaced only with `overwrite`.

    Some whole run is at the place, or in a folder beside it where the next call finds it, whenever this is stopped.

    Raises:
        RunError: the place is taken, is not a run, holds other files too, or can't be written.
    """
    target = claim(folder, overwrite=overwrite)
    try:
        with replaced(target, overwrite=overwrite) as made:
            _write(record, made)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(f"Run '{folder}' can't be written: {why}. Choose another place.") from error
    return target


def _write(record: Record, folder: Path) -> None:
    (folder / "evidence").mkdir()
    for name, evidence in record.evidence.items():
        if not SAFE_NAME.fullmatch(name):
            raise RunError(f"Evidence can't be saved under the name '{name}'. Use letters, digits, '.', '_' and '-'.")
        write_evidence(evidence, folder / "evidence" / f"{name}.safetensors")
    tokens = {**record.tokens, "token": [_writable(token) for token in record.tokens["token"]]}
    pd.DataFrame(tokens).to_parquet(folder / "tokens.parquet", index=False)
    for name, rows, kind in (("findings", record.findings, Finding), ("effects", record.effects, Effect)):
        values = [{key: _writable(value) for key, value in asdict(row).items()} for row in rows]
        frame = pd.DataFrame(values, columns=[f.name for f in fields(kind)])
        for column in ("layer", "unit", "position"):
            if column in frame:
                frame[column] = frame[column].astype("Int64")
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    for name, table in record.tables.items():
        columns = {key: [_writable(value) for value in column] for key, column in table.items()}
        pd.DataFrame(columns).to_parquet(folder / f"{name}{TABLE}", index=False)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    about_run = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": dict(record.card),
        "settings": dict(record.settings),
        "notes": list(record.notes),
        "verdicts": [asdict(one) for one in record.verdicts],
        "libraries": libraries(),
        "input_sha256": _hash_tokens(record.tokens),
        "files": {
            path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in files
        },
    }
    (folder / "run.json").write_text(json.dumps(plain(about_run), indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: str | Path) -> Record:
    """Read a saved run, after checking that it is whole.

    Raises:
        RunError: it is missing, of another format, or a file of it is missing or damaged.
    """
    root = Path(folder).expanduser()
    if not (root / "run.json").exists():
        put_back(root.absolute())
    about = describe(root)
    wrong = damage(root, about["files"])
    if wrong:
        raise refusal(folder, wrong)
    name = "run.json"
    try:
        settings = dict(about["settings"])
        # Earlier versions kept verdicts among the settings.
        verdicts = VERDICTS.validate_python([*settings.pop("verified", ()), *about.get("verdicts", ())])
        layers, evidence, tables = about["model"]["layers"], {}, {}
        for name in about["files"]:
            if name.startswith("evidence/"):
                evidence[Path(name).stem] = read_evidence(root / name)
            elif name.endswith(TABLE):
                tables[name.removesuffix(TABLE)] = read_columns(root / name)
        tokens = read_tokens(root / (name := "tokens.parquet"))
        findings = read_rows(root / (name := "findings.parquet"), Finding, layers)
        effects = read_rows(root / (name := "effects.parquet"), Effect, layers)
    except ValidationError as error:
        raise refusal(folder, f"{name}: {complaint(error)}") from error
    except Exception as error:  # readers of other people's formats raise anything on a file made to be wrong
        raise refusal(folder, f"{name} can't be read ({error or type(error).__name__})") from error
    return Record(
        card=about["model"],
        settings=settings,
        evidence=evidence,
        findings=findings,
        tokens=tokens,
        effects=effects,
        notes=tuple(about["notes"]),
        tables=tables,
        verdicts=tuple(verdicts),
    )


def _writable(value: Any) -> Any:
    """A text with what UTF-8 can't hold (half a surrogate pair) as a question mark; else the value."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def libraries() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _hash_tokens(tokens: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the input tokens: same hash, same input."""
    digest = hashlib.sha256()
    for name in ("text", "position", "id"):
        digest.update(np.ascontiguousarray(tokens[name], dtype=np.int64).tobytes())
    return digest.hexdigest()

"""Results of finished jobs, kept beside the runs: a server that is started again, and a link, still show them.

A result is a run, or records of ours that hold text, numbers, tables and arrays. Tables are Parquet, arrays
safetensors, the rest is JSON.
"""

import contextlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from inspector.errors import InspectorError
from inspector.records import Record
from inspector.run import disk

MOST = 200
"""Results on the disk; the oldest go."""


@dataclass(frozen=True)
class Found:
    """A finished job, as it was written."""

    label: str
    kind: str
    of: str
    ended: float
    result: Any


class Kept:
    """A folder of results.

    Args:
        root: the folder; it need not exist.
        records: the classes whose objects may be written and read.
    """

    def __init__(self, root: Path, records: Sequence[type]) -> None:
        self.root = root
        self._records = {one.__name__: one for one in records}

    def write(self, identity: str, label: str, kind: str, of: str, ended: float, result: Any) -> None:
        """Write a result; what can't be written is said in the server's output, and the job is done all the same."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            try:
                about = {"label": label, "kind": kind, "of": of, "ended": ended}
                written = about | {"result": self._written(result, scratch)}
                (scratch / "job.json").write_text(json.dumps(written), encoding="utf-8")
                scratch.rename(self.root / identity)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            for old in self._all()[:-MOST]:
                shutil.rmtree(old, ignore_errors=True)
        except (OSError, ValueError, TypeError, SafetensorError, InspectorError) as error:
            print(f"The result of '{label}' is kept in memory only: {error}", file=sys.stderr)

    def read(self, identity: str) -> Found | None:
        """The result of this id; None where there is none that can be read."""
        folder = self.root / identity
        if not re.fullmatch("[A-Za-z0-9_-]{16,40}", identity) or not (folder / "job.json").is_file():
            return None
        try:
            about = json.loads((folder / "job.json").read_text(encoding="utf-8"))
            names = ("label", "kind", "of", "ended")
            return Found(*(about[name] for name in names), self._read(about["result"], folder))
        except (OSError, ValueError, TypeError, KeyError, SafetensorError, InspectorError):
            return None

    def size(self) -> tuple[int, int]:
        """How many results are here, and their bytes."""
        files = [path.lstat().st_size for folder in self._all() for path in folder.rglob("*") if path.is_file()]
        return len(self._all()), sum(files)

    def clear(self) -> None:
        """Remove all of them."""
        for folder in self._all():
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()

    def _all(self) -> list[Path]:
        """The results, the oldest first."""
        return sorted((path.parent for path in self.root.glob("*/job.json")), key=lambda one: one.stat().st_mtime)

    def _written(self, value: Any, folder: Path) -> Any:
        """JSON of a value; its tables, arrays and runs become files."""
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        if isinstance(value, (list, tuple)):
            return [self._written(one, folder) for one in value]
        place = f"{sum(1 for _ in folder.iterdir())}"
        if isinstance(value, Record):
            disk.save(value, folder / place)
            return {"run": place}
        if isinstance(value, pd.DataFrame):
            value.to_parquet(folder / place)
            return {"table": place}
        if isinstance(value, np.ndarray):
            save_file({"values": np.ascontiguousarray(value)}, folder / place)
            return {"array": place}
        if is_dataclass(value) and type(value).__name__ in self._records:
            held = {one.name: self._written(getattr(value, one.name), folder) for one in fields(value)}
            return {"record": type(value).__name__, "fields": held}
        raise TypeError(f"a {type(value).__name__} is not written")

    def _read(self, written: Any, folder: Path) -> Any:
        from inspector.run.report import open_run

        if isinstance(written, list):
            return tuple(self._read(one, folder) for one in written)
        if not isinstance(written, dict):
            return written
        if "record" in written:
            held = {name: self._read(value, folder) for name, value in written["fields"].items()}
            return self._records[written["record"]](**held)
        ((kind, place),) = written.items()
        if not re.fullmatch("[0-9]{1,4}", place):
            raise ValueError(f"'{place}' is no file of a result")
        if kind == "run":
            return open_run(folder / place)
        return pd.read_parquet(folder / place) if kind == "table" else load_file(folder / place)["values"]

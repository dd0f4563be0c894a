"""An evidence file: what its header says is checked against its size before any array is read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from inspector.detectors.pooled import is_sampled
from inspector.records import Evidence
from inspector.run.json_text import parsed, plain
from inspector.run.schema import About

MAPPED_BYTES = 16 << 20
"""Larger files stay on disk until an array is used."""
LONGEST_HEADER = 1 << 20
LARGEST_EMPTY = 1 << 26
"""Numbers that an array without any could hold if the axes that are empty had a row."""
DTYPES = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "|b1"},
    **{"I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"},
    **{"U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8"},
}
"""safetensors' names of the dtypes that evidence is made of."""


def write_evidence(evidence: Evidence, path: Path) -> None:
    """Write the evidence to a file.

    Of a sample of texts an array's rows that say nothing aren't written: a map has eight of hundreds.

    Raises:
        OSError, SafetensorError: it can't be written.
    """
    about = {name: getattr(evidence, name) for name in ("detector", "axes", "combine", "facts")}
    arrays = {name: np.asarray(array, order="C") for name, array in evidence.arrays.items()}
    rows = _telling(evidence) if is_sampled(evidence) else {}
    arrays |= {name: np.asarray(arrays[name][chosen], order="C") for name, chosen in rows.items()}
    about |= {"rows": {name: chosen.tolist() for name, chosen in rows.items()}} if rows else {}
    # One key: several are written in an order that changes from run to run.
    save_file(arrays, path, metadata={"about": json.dumps(plain(about))})
    path.chmod(path.parent.stat().st_mode & 0o666)


def _telling(evidence: Evidence) -> dict[str, np.ndarray]:
    """Of arrays with a row for each text, most of which say nothing, which rows do."""
    found: dict[str, np.ndarray] = {}
    for name, array in evidence.arrays.items():
        if evidence.combine[name] == "text" and array.ndim > 1 and array.dtype.kind == "f":
            says = np.flatnonzero(np.isfinite(array.reshape(len(array), -1)).any(axis=1))
            found |= {name: says} if 2 * len(says) < len(array) else {}
    return found


def read_evidence(path: Path) -> Evidence:
    """The evidence in a file.

    Raises:
        ValueError: it doesn't hold what it says.
        ValidationError: what it says of its arrays is of other types.
    """
    size = path.stat().st_size
    header, start = _header(path, size)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("about"), str):
        raise ValueError("its header doesn't say what it is about")
    raw = parsed(metadata["about"])
    about = About.model_validate(raw)
    places = {name: _place(name, entry, size - start) for name, entry in header.items()}
    data = None if size > MAPPED_BYTES else path.read_bytes()
    arrays = {name: _array(path, data, start + at, dtype, shape) for name, (dtype, shape, at) in sorted(places.items())}
    if set(about.axes) != set(arrays) or set(about.combine) != set(arrays):
        raise ValueError("its arrays are not those that it is about")
    for name, rows in about.rows.items():
        arrays[name] = _spread(name, arrays[name], rows, arrays.get("text"))
    for name, array in arrays.items():
        if "text" in about.axes[name]:
            _check_texts(name, array, about.axes[name], arrays.get("text"))
    axes = {name: tuple(about.axes[name]) for name in raw["axes"]}
    return Evidence(about.detector, arrays, axes, raw["combine"], raw["facts"])


def _header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the arrays begin."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(LONGEST_HEADER, size - 8):
            raise ValueError("its header is longer than it may be")
        header = parsed(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header, 8 + length


def _place(name: str, entry: Any, size: int) -> tuple[np.dtype, tuple[int, ...], int]:
    """An array's dtype, shape, and where it begins."""
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        dtype = np.dtype(DTYPES[kind])
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"array '{name[:40]}' has no proper dtype, shape and place") from error
    if not name.isprintable() or not whole or len(shape) > 16:
        raise ValueError(f"array '{name[:40]}' has no proper name, shape and place")
    if end > size or end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"array '{name[:40]}' is not as large as its shape")
    if math.prod(max(1, length) for length in shape) > max(size, LARGEST_EMPTY):
        raise ValueError(f"array '{name[:40]}' is empty and too large")
    return dtype, tuple(shape), begin


def _array(path: Path, data: bytes | None, at: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    if not count:
        return np.zeros(shape, dtype)
    if data is None:
        return np.memmap(path, dtype, "r", at, shape)
    return np.frombuffer(data, dtype, count, at).reshape(shape).copy()  # writable, and aligned


def _spread(name: str, array: np.ndarray, rows: list[int], text: np.ndarray | None) -> np.ndarray:
    """The array with a row for every text; those that weren't written say nothing."""
    texts = 0 if text is None else len(text)
    if not array.ndim or array.dtype.kind != "f" or len(rows) != len(array) or sorted({*rows}) != rows:
        raise ValueError(f"array '{name[:40]}' doesn't have the rows that it says")
    if (rows and rows[-1] >= texts) or texts * math.prod(array.shape[1:]) > LARGEST_EMPTY:
        raise ValueError(f"array '{name[:40]}' has rows of other texts, or too many")
    whole = np.full((texts, *array.shape[1:]), np.nan, array.dtype)
    whole[rows] = array
    return whole


def _check_texts(name: str, array: np.ndarray, axes: list[str], text: np.ndarray | None) -> None:
    """Check that an array over texts has a row for each of them."""
    if text is None or text.ndim != 1 or text.dtype.kind not in "iu":
        raise ValueError(f"array '{name}' is over texts, and no array 'text' says which")
    found = dict(zip(axes, array.shape, strict=True))["text"]
    if found != len(text):
        raise ValueError(f"array '{name}' has {found} texts of {len(text)}")

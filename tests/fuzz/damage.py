"""Damage to a saved run, at random: to its JSON, tables, arrays and bytes. Hashes are made right again afterwards."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import save_file

from inspector.run.contents import sha256_of

Random = random.Random

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 10**6, 2**31, 2**63, -(2**63), 10**40, 0.5, -1.5, 1e308, -1e-300),
    *(float("nan"), float("inf"), "", "x", " ", "a\nb", "\x1b[31m", "\0", "\u202e", "𝔘😀", "\ud800", "é" * 3000),
    *("massive", "nan", "1", "../..", "/etc/passwd", [], [[]], [None], [1, 2], ["a", "b"], {}, {"a": 1}, {"": {}}),
    *([[["x"]]], {"x": [1, None]}, list(range(1000)), "evidence/massive.safetensors"),
)
"""Values that a JSON can hold where something else belongs."""

NUMBERS = (*(0, 1, -1, -2, 3, 63, 64, 127, -128, 2**31 - 1, -(2**31), 2**62), *(0.5, -0.5, 1e-40, 1e30, 1e300, -1e300))
DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "bool", "float16", "float32", "float64")


def damaged(run: Path, rng: Random) -> str:
    """Damage a run in place, mostly once, and say how."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
        kind = rng.choice(KINDS)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                done.append(kind(run, rng))
        except RecursionError:  # a file that an earlier damage nested deeply
            done.append(f"no {kind.__name__}")
        if kind is links:
            break  # a pipe in a file's place would stop whoever reads it for more damage
    if rng.random() < 0.95:
        done += rehashed(run)
    return "; ".join(done)


def rehashed(run: Path) -> list[str]:
    """Make sizes and hashes in `run.json` those of the files, as whoever damages a run on purpose would."""
    try:
        if not (run / "run.json").is_file():
            return ["hashes left"]
        about = json.loads((run / "run.json").read_text(encoding="utf-8"))
        for name, entry in about["files"].items():
            path = run / name
            if path.is_file():
                entry |= {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        (run / "run.json").write_text(json.dumps(about), encoding="utf-8")
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return ["hashes left"]
    return []


# JSON.


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in items for place in _places(one, (*at, key)))]


def mutated(value: Any, rng: Random) -> tuple[Any, str]:
    """A JSON value with one of its parts replaced, taken out, renamed, wrapped or added to; and which."""
    places = [one for one in _places(value) if not (one[:1] == ("files",) and rng.random() < 0.9)]
    place = rng.choice(places)
    if not place:
        return value, "nothing"
    holder = value
    for key in place[:-1]:
        holder = holder[key]
    key, what = place[-1], rng.choice(("odd", "odd", "odd", "number", "out", "wrap", "rename", "add", "text"))
    if what == "odd":
        holder[key] = rng.choice(ODD)
    elif what == "number":
        holder[key] = rng.choice(NUMBERS)
    elif what == "out":
        del holder[key]
    elif what == "wrap":
        holder[key] = [holder[key]]
    elif what == "text":
        holder[key] = str(holder[key])
    elif isinstance(holder, list):
        holder.append(rng.choice(ODD))
    elif what == "rename":
        holder[rng.choice(("x", f"{key}\n", str(key)[:-1]))] = holder.pop(key)
    else:
        holder[f"{key}2"] = rng.choice(ODD)
    return value, f"{what} at {place}"


def json_value(run: Path, rng: Random) -> str:
    path = run / "run.json"
    try:
        about, how = mutated(json.loads(path.read_text(encoding="utf-8")), rng)
    except (OSError, ValueError, RecursionError):
        return "no JSON"
    path.write_text(json.dumps(about), encoding="utf-8")
    return f"run.json: {how}"


def json_text(run: Path, rng: Random) -> str:
    path = run / "run.json"
    text = path.read_text(encoding="utf-8", errors="replace")
    ways: dict[str, Callable[[], str]] = {
        "cut": lambda: text[: rng.randrange(len(text) + 1)],
        "nested": lambda: text.replace('"notes": [', '"notes": [' + "[" * 50_000 + "]" * 50_000 + ",", 1),
        "less nested": lambda: text.replace('"model": {', '"model": {"deep": ' + "[" * 600 + "]" * 600 + ",", 1),
        "digits": lambda: text.replace('"seed": 0', '"seed": ' + "9" * 5000, 1),
        "long": lambda: text.replace('"notes": [', '"notes": ["' + "x" * 20_000_000 + '",', 1),
        "twice": lambda: text.replace('"notes"', '"format": 1, "notes"', 1),
        "infinite": lambda: text.replace('"seed": 0', '"seed": 1e999', 1),
        "flip": lambda: _flipped(text, rng),
        "empty": lambda: "",
    }
    way = rng.choice(list(ways))
    path.write_text(ways[way](), encoding="utf-8", errors="replace")
    return f"run.json: {way}"


def _flipped(text: str, rng: Random) -> str:
    at = rng.randrange(max(1, len(text)))
    return text[:at] + chr(rng.choice((0, 9, 27, 34, 44, 48, 57, 91, 123, 125, 133, 0x202E, 0x1F600))) + text[at + 1 :]


# Tables.


def table(run: Path, rng: Random) -> str:
    paths = sorted(run.glob("*.parquet"))
    if not paths:
        return "no table"
    path = rng.choice(paths)
    try:
        frame = pd.read_parquet(path)
    except Exception:  # damaged already
        return "no table"
    column = rng.choice(list(frame.columns)) if len(frame.columns) else None
    way = rng.choice(list(TABLE_WAYS))
    if column is None:
        return "no column"
    try:
        TABLE_WAYS[way](frame, column, rng).to_parquet(path, index=False)
    except Exception:  # not every damage can be written
        return f"{path.name}: not {way} of {column}"
    return f"{path.name}: {way} of {column}"


def _with(frame: pd.DataFrame, column: str, values: Any) -> pd.DataFrame:
    return frame.assign(**{column: values})


def _cell(frame: pd.DataFrame, column: str, rng: Random, value: Any) -> pd.DataFrame:
    values = frame[column].tolist()
    if values:
        values[rng.randrange(len(values))] = value
    return _with(frame, column, pd.Series(values, dtype=None))


TABLE_WAYS: dict[str, Callable[[pd.DataFrame, str, Random], pd.DataFrame]] = {
    "out": lambda f, c, rng: f.drop(columns=c),
    "rename": lambda f, c, rng: f.rename(columns={c: rng.choice(("x", f"{c} ", "a\nb", "", "verdict"))}),
    "cast": lambda f, c, rng: f.astype({c: rng.choice(("str", "float64", "bool", "int8", "float16", "category"))}),
    "text": lambda f, c, rng: _with(f, c, [str(value) for value in f[c]]),
    "lists": lambda f, c, rng: _with(f, c, [[1, 2]] * len(f)),
    "dates": lambda f, c, rng: _with(f, c, pd.Timestamp("2026-01-01")),
    "bytes": lambda f, c, rng: _with(f, c, [b"\xff\x00"] * len(f)),
    "null": lambda f, c, rng: _with(f, c, None),
    "a null": lambda f, c, rng: _cell(f, c, rng, None),
    "a nan": lambda f, c, rng: _cell(f, c, rng, float("nan")),
    "a number": lambda f, c, rng: _cell(f, c, rng, rng.choice(NUMBERS)),
    "numbers": lambda f, c, rng: _with(f, c, rng.choice(NUMBERS)),
    "inf": lambda f, c, rng: _with(f, c, float("inf")),
    "a text": lambda f, c, rng: _cell(f, c, rng, rng.choice(("", "x", "a\nb", "\x1b[2J", "refuted", "é" * 3000))),
    "words": lambda f, c, rng: _with(f, c, rng.choice(("x", "", "candidate", "\x1b[2J", "\0"))),
    "no rows": lambda f, c, rng: f.head(0),
    "fewer": lambda f, c, rng: f.head(rng.randrange(len(f) + 1)),
    "more": lambda f, c, rng: pd.concat([f, f.tail(rng.choice((1, 5)))]),
    "mixed": lambda f, c, rng: f.sample(frac=1, random_state=rng.randrange(99)),
    "backwards": lambda f, c, rng: _with(f, c, f[c].to_numpy()[::-1]),
    "another column": lambda f, c, rng: _with(f, rng.choice(("x", "verdict", "text", "value", "n")), f[c]),
}


def huge_table(run: Path, rng: Random) -> str:
    """A small file that says it holds a hundred million rows."""
    path = rng.choice(sorted(run.glob("*.parquet")) or [run / "x.table.parquet"])
    try:
        schema = pq.read_schema(path).remove_metadata()
    except Exception:  # damaged already
        return "no table"
    rows = rng.choice((10**6, 3 * 10**7))
    columns = [pa.nulls(rows, field.type) for field in schema]
    pq.write_table(pa.table(columns, schema=schema), path)
    return f"{path.name}: {rows} rows of nothing"


# Arrays.


def _load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, framework="numpy") as stored:
        about = json.loads((stored.metadata() or {})["about"])
        return about, {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118


def _evidence(run: Path, rng: Random) -> Path | None:
    paths = sorted((run / "evidence").glob("*.safetensors"), key=lambda path: path.stat().st_size)
    return rng.choice(paths) if paths else None


def arrays(run: Path, rng: Random) -> str:
    path = _evidence(run, rng)
    try:
        about, held = _load(path) if path else ({}, {})
        name = rng.choice(sorted(held))
        way = rng.choice(list(ARRAY_WAYS))
        changed = ARRAY_WAYS[way](held[name], rng)
        if changed is None:
            del held[name]
        else:
            held[name] = np.ascontiguousarray(changed)
        if changed is not None and changed.ndim != len(about["axes"][name]) and rng.random() < 0.8:
            about["axes"][name] = [f"a{i}" for i in range(changed.ndim)]
        path.chmod(0o644)  # type: ignore[union-attr]
        save_file(held, path, metadata={"about": json.dumps(about)})  # type: ignore[arg-type]
    except Exception:  # damaged already, or a damage that can't be written
        return "no array"
    return f"{path.name}: {way} of {name}"  # type: ignore[union-attr]


def _put(a: np.ndarray, rng: Random, value: Any) -> np.ndarray:
    a = a.copy()
    with np.errstate(all="ignore"):
        try:
            a.reshape(-1)[rng.randrange(max(1, a.size))] = value
        except (ValueError, OverflowError):
            a.reshape(-1)[0] = -1
    return a


def _all(a: np.ndarray, value: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.full(a.shape, value).astype(a.dtype)


def _along(a: np.ndarray, rng: Random, change: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    return change(a, rng.randrange(a.ndim)) if a.ndim else a


ARRAY_WAYS: dict[str, Callable[[np.ndarray, Random], np.ndarray | None]] = {
    "out": lambda a, rng: None,
    "dtype": lambda a, rng: a.astype(rng.choice(DTYPES)),
    "a nan": lambda a, rng: _put(a, rng, float("nan")),
    "an inf": lambda a, rng: _put(a, rng, rng.choice((float("inf"), -float("inf")))),
    "a number": lambda a, rng: _put(a, rng, rng.choice(NUMBERS)),
    "nan": lambda a, rng: _all(a, float("nan")) if a.dtype.kind == "f" else _all(a, -1),
    "inf": lambda a, rng: _all(a, float("inf")) if a.dtype.kind == "f" else _all(a, 10**9),
    "numbers": lambda a, rng: _all(a, rng.choice(NUMBERS)),
    "negative": lambda a, rng: -a if a.dtype.kind in "if" else a,
    "huge": lambda a, rng: a * 10**6 if a.dtype.kind == "i" else a * np.array(1e30, a.dtype),
    "mixed": lambda a, rng: np.random.default_rng(rng.randrange(99)).permutation(a.reshape(-1)).reshape(a.shape),
    "flat": lambda a, rng: a.reshape(-1),
    "one number": lambda a, rng: a.reshape(-1)[:1].reshape(()),
    "turned": lambda a, rng: a.T,
    "an axis more": lambda a, rng: a[..., None],
    "an axis less": lambda a, rng: a[0] if a.ndim and len(a) else a,
    "shorter": lambda a, rng: _along(a, rng, lambda a, axis: np.delete(a, slice(0, 1), axis)),
    "one of": lambda a, rng: _along(a, rng, lambda a, axis: a.take([0], axis)),
    "none of": lambda a, rng: _along(a, rng, lambda a, axis: a.take([], axis)),
    "longer": lambda a, rng: _along(a, rng, lambda a, axis: np.concatenate([a, a.take([0], axis)], axis)),
    "twice": lambda a, rng: _along(a, rng, lambda a, axis: np.concatenate([a, a], axis)),
}


def about(run: Path, rng: Random) -> str:
    path = _evidence(run, rng)
    try:
        said, held = _load(path) if path else ({}, {})
        part = rng.choice(("facts", "facts", "axes", "combine", "all"))
        if part == "all":
            said, how = mutated(said, rng)
        else:
            said[part], how = mutated(said[part], rng)
        save_file(held, path, metadata={"about": json.dumps(said)})  # type: ignore[arg-type]
    except Exception:  # damaged already
        return "no about"
    return f"{path.name}: about.{part}: {how}"  # type: ignore[union-attr]


def header(run: Path, rng: Random) -> str:
    """What a safetensors file says of itself: how long its header is, and shapes that it doesn't hold."""
    path = _evidence(run, rng)
    try:
        assert path is not None
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        held, rest = json.loads(data[8 : 8 + size]), data[8 + size :]
        name = rng.choice(sorted(held))
        way = rng.choice(("shape", "offsets", "dtype", "length", "about", "entry", "nested", "more"))
        if way == "shape":
            held[name]["shape"] = rng.choice(([2**40], [2**62, 4], [-1], [], [0], [1.5], ["x"], [2**31, 2**31, 0]))
        elif way == "offsets":
            held[name]["data_offsets"] = rng.choice(([0, 2**50], [-8, 8], [8, 0], [0], ["a", "b"], [0, 0]))
        elif way == "dtype":
            held[name]["dtype"] = rng.choice(("F8", "BF16", "U64", "x", 3, "I64", "F64", "F8_E4M3"))
        elif way == "about":
            held["__metadata__"] = rng.choice(({}, {"about": "{"}, {"about": "[" * 9999}, {"about": 3}, None, []))
        elif way == "entry":
            held[name] = rng.choice(ODD)
        elif way == "more":
            held |= {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(5000)}
        text = json.dumps(held).encode() if way != "nested" else b'{"a":' + b"[" * 90_000
        told = rng.choice((2**63, 2**40, 0, size - 1, len(data))) if way == "length" else len(text)
        path.write_bytes(told.to_bytes(8, "little") + text + rest)
    except Exception:  # damaged already
        return "no header"
    return f"{path.name}: header: {way} of {name}"


# Bytes and files.


def _any_file(run: Path, rng: Random) -> Path:
    return rng.choice(sorted(path for path in run.rglob("*") if path.is_file() and not path.is_symlink()))


def flips(run: Path, rng: Random) -> str:
    path = _any_file(run, rng)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 3, 30))):
        # Half of them where a file says what it holds.
        where = rng.choice((min(len(data), 3000), len(data), len(data)))
        if data:
            at = rng.randrange(max(1, where))
            data[at if rng.random() < 0.5 else len(data) - 1 - at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"{path.name}: bits flipped"


def cut(run: Path, rng: Random) -> str:
    path = _any_file(run, rng)
    data = path.read_bytes()
    path.write_bytes(data[: rng.choice((0, 1, 8, len(data) // 2, max(0, len(data) - 1)))] + rng.choice((b"", b"x" * 9)))
    return f"{path.name}: cut"


def links(run: Path, rng: Random) -> str:
    outside = run.parent / f"{run.name}-outside"
    outside.mkdir(exist_ok=True)
    path = rng.choice((_any_file(run, rng), run / "evidence"))
    if path.is_symlink() or not path.exists():
        return "no link"
    target = outside / path.name
    path.rename(target)
    if rng.random() < 0.3 and path.name != "evidence":
        os.mkfifo(path)
        return f"{path.name}: a pipe"
    path.symlink_to(target)
    return f"{path.name}: a link"


def files(run: Path, rng: Random) -> str:
    """A file that is missing, another's, listed under another name, or more than there should be."""
    path, way = _any_file(run, rng), rng.choice(("missing", "swapped", "copied", "extra", "folder"))
    if way == "missing":
        path.unlink()
    elif way == "swapped":
        other = _any_file(run, rng)
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)
    elif way == "folder":
        path.unlink()
        path.mkdir()
    elif way == "extra":
        (run / "extra.txt").write_text("x")
    else:
        names = ("evidence/x.safetensors", "evidence/sinks.x.safetensors", "x.table.parquet", "alpha.table.parquet")
        names += ("evidence/hneurons.safetensors", "evidence/massive.safetensors", "guard.table.parquet", "x\n.parquet")
        name = rng.choice(names)
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(path.read_bytes())
        try:
            about = json.loads((run / "run.json").read_text(encoding="utf-8"))
            about["files"][name] = {"bytes": 0, "sha256": ""}
            (run / "run.json").write_text(json.dumps(about), encoding="utf-8")
        except (OSError, ValueError, TypeError, KeyError):
            return "no copy"
        return f"{path.name}: copied to {name}"
    return f"{path.name}: {way}"


def unlisted(run: Path, rng: Random) -> str:
    """A file that `run.json` no longer lists."""
    try:
        about = json.loads((run / "run.json").read_text(encoding="utf-8"))
        name = rng.choice(sorted(about["files"]))
        del about["files"][name]
        (run / "run.json").write_text(json.dumps(about), encoding="utf-8")
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return "no list"
    return f"{name}: not listed"


KINDS: tuple[Callable[[Path, Random], str], ...] = (
    *(json_value,) * 5,
    json_text,
    *(table,) * 5,
    huge_table,
    *(arrays,) * 7,
    *(about,) * 3,
    header,
    flips,
    cut,
    links,
    files,
    unlisted,
)

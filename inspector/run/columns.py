"""A run's tables: how large one is, and of what types, is looked at before its rows are read."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inspector.detectors.schema import WHOLE, Column, check_table
from inspector.records import Claim, Effect, Finding, VerdictWord

T = TypeVar("T", Finding, Effect)

MOST_COLUMNS, MOST_BYTES = 300, 1 << 29
"""Of any table; the bytes are those of its columns before they are compressed."""
MOST_TOKENS, MOST_ROWS, MOST_CELLS = 4_000_000, 200_000, 4_000_000
"""Rows of the tokens, and of findings and effects; rows times columns of other tables."""
ROWS_PER_BYTE, SHRUNK = 4, 20
"""A larger file may hold more: so many rows to a byte, and so many bytes before one was left of them."""
TYPES = tuple(
    getattr(pa.types, f"is_{kind}") for kind in ("integer", "floating", "boolean", "string", "large_string", "null")
)
"""What a column may be made of; nulls alone where it is empty."""

TOKENS: Mapping[str, Column] = {
    **{name: Column("int", low=0, high=2**31) for name in ("text", "source", "position", "id")},
    "token": Column("text"),
}
_INDEX = Column("int", null=True, low=0, high=WHOLE)
_NUMBER, _TEXT, _VERDICT = Column("float"), Column("text"), Column("text", words=get_args(VerdictWord))
_COUNT = Column("int", low=0, high=WHOLE)
FINDINGS: Mapping[str, Column] = {
    **{"detector": _TEXT, "kind": _TEXT, "layer": Column("int", low=0), "unit": _INDEX, "position": _INDEX},
    "token": Column("text", null=True),
    **dict.fromkeys(("score", "low", "high", "threshold"), _NUMBER),
    "verdict": _VERDICT,
}
EFFECTS: Mapping[str, Column] = {
    **dict.fromkeys(("target", "op", "metric", "reason", "detector"), _TEXT),
    **dict.fromkeys(("n", "twins"), _COUNT),
    **dict.fromkeys(("change", "low", "high", "twin_change", "twin_low", "twin_high", "p", "q"), _NUMBER),
    **dict.fromkeys(("margin", "untouched", "worst"), _NUMBER),
    "verdict": _VERDICT,
    "claim": Column("text", words=get_args(Claim)),
}


def read_table(path: Path, most: int | None = None) -> pd.DataFrame:
    """A table of text and numbers.

    Raises:
        ValueError: it is too large, or has columns of other types, without a name or of one name.
    """
    with pq.ParquetFile(path) as stored:
        about, schema = stored.metadata, stored.schema_arrow
        # Not by column: asking a damaged one ends the process (pyarrow 26: an exception that nothing catches).
        size = sum(max(0, about.row_group(i).total_byte_size) for i in range(about.num_row_groups))
        most = MOST_CELLS // max(1, about.num_columns) if most is None else most
        stored_bytes = path.stat().st_size
        most = max(most, ROWS_PER_BYTE * stored_bytes)
        if not 0 <= about.num_rows <= most or size > max(MOST_BYTES, SHRUNK * stored_bytes):
            raise ValueError(f"{path.name} has {about.num_rows:,} rows, more than such a file can hold")
        if about.num_columns > MOST_COLUMNS:
            raise ValueError(f"{path.name} has {about.num_columns:,} columns, more than are read")
        for name, kind in zip(schema.names, schema.types, strict=True):
            if not name or not name.isprintable() or schema.names.count(name) > 1:
                raise ValueError(f"{path.name} has columns without a proper name, or two of one name")
            if not any(fits(kind) for fits in TYPES):
                raise ValueError(f"column '{name}' of {path.name} is {kind}, not text or numbers")
        table = stored.read().to_pandas()
    if list(map(str, table.columns)) != schema.names or len(table) != about.num_rows:
        raise ValueError(f"{path.name} does not have the columns and rows that it says")
    return table


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """A table's columns."""
    table = read_table(path)
    return {str(name): table[name].to_numpy() for name in table}


def read_tokens(path: Path) -> dict[str, np.ndarray]:
    """The input tokens.

    Raises:
        ValueError: they are not as they should be, or two are at one place.
    """
    table = read_table(path, MOST_TOKENS)
    check_table("tokens", table, TOKENS)
    if table.duplicated(["text", "position"]).any():
        raise ValueError("two tokens are at one position of a text")
    whole = {name: "int64" for name, one in TOKENS.items() if one.kind == "int"}
    return {str(name): column.to_numpy() for name, column in table.astype(whole).items()}


def read_rows(path: Path, kind: type[T], layers: int) -> tuple[T, ...]:
    """Findings or effects; those of earlier versions lack what was added with a default.

    Raises:
        ValueError: they are not as they should be.
    """
    table = read_table(path, MOST_ROWS)
    columns = FINDINGS if kind is Finding else EFFECTS
    added = {f.name for f in fields(kind) if f.default is not MISSING}
    names = [f.name for f in fields(kind) if f.name in table or f.name not in added]
    check_table(path.stem, table, {name: columns[name] for name in names})
    if kind is Finding and (table["layer"] >= layers).any():
        raise ValueError(f"a finding is in a layer that the model's {layers} are without")
    values = [[_value(value, columns[name]) for value in table[name].astype(object)] for name in names]
    return tuple(kind(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True))


def _value(value: Any, column: Column) -> Any:
    """A cell as the plain value of its column's kind; None where it is empty and may be."""
    if column.null and pd.isna(value):
        return None
    return {"text": str, "int": int, "float": float, "bool": bool}[column.kind](value)

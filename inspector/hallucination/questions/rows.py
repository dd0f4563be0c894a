"""Rows of a file, a DataFrame or a list, each with how to name it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector.errors import InputError
from inspector.printable import kind_of, printable
from inspector.texts import LINES, suffix_of

if TYPE_CHECKING:  # questions in JSON are read without it
    import pandas as pd

Row = Mapping[str, Any]

TABLES = (".csv", ".tsv")
"""Suffixes of tables of text, in which a list is written as JSON."""


def rows_of(source: Any, what: str = "Answers") -> tuple[str, Iterator[tuple[int, Any]]]:
    """How to name a row, and the rows numbered from 1.

    Raises:
        InputError: what was given holds no rows, or a file that can't be read.
    """
    if hasattr(source, "to_pandas"):  # polars, pyarrow
        source = source.to_pandas()
    if hasattr(source, "itertuples"):
        return "Row", enumerate(_records(source), start=1)
    if not isinstance(source, str | Path):
        if isinstance(source, Mapping) or not isinstance(source, Iterable):
            raise InputError(f"{what} were given as {kind_of(source)}. Give a file, a DataFrame, or a list of rows.")
        return "Row", enumerate(source, start=1)
    path = Path(source)
    suffix = suffix_of(path)
    if suffix in (*LINES, ".json"):
        return f"'{path}' {'line' if suffix in LINES else 'entry'}", iter(parsed(path, content_of(path)))
    if suffix in (*TABLES, ".parquet"):
        return f"'{path}' row", enumerate(_records(_table(path, suffix)), start=1)
    raise InputError(f"'{path}' is not .jsonl, .json, .csv, .tsv or .parquet. Convert it to one of them.")


def _table(path: Path, suffix: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        # The names are read as a row: as a header, pandas would rename the second of two that are alike, and would take
        # the first column for an index where rows are longer than it.
        separator = "\t" if suffix == ".tsv" else ","
        table = pd.read_csv(
            path, sep=separator, header=None, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8-sig"
        )
        return table.iloc[1:].set_axis([str(name).strip() for name in table.iloc[0]], axis=1)
    except (OSError, ValueError) as error:  # pyarrow's errors and pandas' are ValueErrors, bad UTF-8 is too
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"'{path}' can't be read: {error.strerror}. Give a file that can be read.") from error
        said = printable(str(error).strip().partition("\n")[0].rpartition("C error: ")[2])[:120]
        raise InputError(f"'{path}' can't be read as {suffix}: {said}. Export it again.") from error


def _records(table: "pd.DataFrame") -> Iterator[Row]:
    names = [str(name) for name in table.columns]
    twice = [name for name, times in Counter(names).items() if times > 1 and name]
    if twice:
        raise InputError(f"Several columns are named '{printable(twice[0])}'. Give each a name of its own.")
    for values in table.itertuples(index=False, name=None):
        yield dict(zip(names, values, strict=True))


def content_of(path: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        InputError: it can't be read or isn't UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is not UTF-8 (byte {error.start}). Convert it to UTF-8.") from error
    except OSError as error:
        raise InputError(f"'{path}' can't be read: {error.strerror}. Give a file that can be read.") from error


def parsed(path: Path, content: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines or JSON text, numbered by line or by their place in the list, from 1."""
    if suffix_of(path) == ".json" and content.strip():
        try:
            entries = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"'{path}' is not JSON ({error}). Fix it, or use .jsonl with one object per line."
            ) from error
        if not isinstance(entries, list):
            raise InputError(f"'{path}' holds one {type(entries).__name__}, not a list. Put the objects in a list.")
        numbered: Iterable[tuple[int, Any]] = enumerate(entries, start=1)
    else:
        numbered = ((n, line) for n, line in enumerate(content.split("\n"), start=1) if line.strip())
    for number, entry in numbered:
        try:
            row = json.loads(entry) if suffix_of(path) in LINES else entry
            if not isinstance(row, dict):
                raise TypeError("not an object")
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"'{path}' {place_of(path, number)} is not a JSON object. Fix it.") from error
        yield number, row


def place_of(path: Path, number: int) -> str:
    """How to name a row of a file."""
    kind = "line" if suffix_of(path) in LINES else "entry" if suffix_of(path) == ".json" else "row"
    return f"{kind} {number}"


def is_missing(value: Any) -> bool:
    """Whether a cell is empty."""
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and not value.strip())


def list_in_cell(text: str) -> Any:
    """A JSON list in a cell; any other text is one name."""
    if text.strip().startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return [text]


def strings_of(value: Any) -> Any:
    """A cell's texts as a list; what is neither text nor a list stays as it is."""
    return list_in_cell(value) if isinstance(value, str) else value


def plain(value: Any) -> Any:
    """A cell without arrays and tuples, however deep: as JSON would have it."""
    if isinstance(value, np.ndarray | tuple | list):
        return [plain(one) for one in value]
    return {str(name): plain(one) for name, one in value.items()} if isinstance(value, Mapping) else value

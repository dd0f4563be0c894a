"""Rows of a file, a DataFrame or a list, each with how to name it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from inspector.errors import InputError
from inspector.hallucination.questions.sets import content_of, parsed
from inspector.printable import printable
from inspector.texts import LINES, suffix_of

Row = Mapping[str, Any]


def rows_of(source: Any) -> tuple[str, Iterator[tuple[int, Any]]]:
    """How to name a row, and the rows numbered from 1."""
    if isinstance(source, pd.DataFrame):
        return "Row", enumerate(_records(source), start=1)
    if not isinstance(source, str | Path):
        if isinstance(source, Mapping) or not isinstance(source, Iterable):
            raise InputError(
                f"Answers were given as a {type(source).__name__}. Give a file, a DataFrame, or a list of rows."
            )
        return "Row", enumerate(source, start=1)
    path = Path(source)
    suffix = suffix_of(path)
    if suffix in (*LINES, ".json"):
        return f"'{path}' {'line' if suffix in LINES else 'entry'}", iter(parsed(path, content_of(path)))
    if suffix in (".csv", ".tsv", ".parquet"):
        return f"'{path}' row", enumerate(_records(_table(path, suffix)), start=1)
    raise InputError(f"'{path}' is not .jsonl, .json, .csv, .tsv or .parquet. Convert it to one of them.")


def _table(path: Path, suffix: str) -> pd.DataFrame:
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
            raise InputError(f"'{path}' can't be read: {error.strerror}. Give a file of answers.") from error
        said = printable(str(error).strip().partition("\n")[0].rpartition("C error: ")[2])[:120]
        raise InputError(f"'{path}' can't be read as {suffix}: {said}. Export it again.") from error


def _records(table: pd.DataFrame) -> Iterator[Row]:
    names = [str(name) for name in table.columns]
    twice = [name for name, times in Counter(names).items() if times > 1 and name]
    if twice:
        raise InputError(f"Several columns are named '{printable(twice[0])}'. Give each a name of its own.")
    for values in table.itertuples(index=False, name=None):
        yield dict(zip(names, values, strict=True))

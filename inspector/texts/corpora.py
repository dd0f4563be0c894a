"""Corpora: files whose texts are read one after another, never all in memory."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from inspector.arguments import takes, takes_fields
from inspector.errors import InputError
from inspector.printable import listed
from inspector.texts.files import LINES, from_uploaded, json_lines, suffix_of

COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
"""How files are compressed, by the last part of their names."""
TABLES = {".csv": ",", ".tsv": "\t"}
"""Tables as text, and what parts their columns."""
BLOCK = 1 << 24
"""Bytes of a CSV file that are parsed at once; no text in it may be longer."""
ROWS = 1024
"""Rows of a Parquet file that are read at once."""


@dataclass(frozen=True)
class Entry:
    """One text of a corpus.

    Args:
        text: a string, token ids or a conversation; None where its row has none.
        share: how much of the corpus has been read with it, 0 to 1; None where nobody knows.
    """

    text: Any
    share: float | None = None


@takes_fields
@dataclass(frozen=True)
class Corpus:
    """Texts that are given, then those of files, read as they are iterated over.

    JSON Lines, CSV, TSV and Parquet have a text a row, `.json` a list; other files are one text. A name may end in
    `.gz` or `.zst`.

    Args:
        paths: of the files.
        column: which column, or key, has the texts; `text` where None.
        texts: strings that come before the files'.
    """

    paths: tuple[Path, ...]
    column: str | None = None
    texts: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        sizes = [_size(path) for path in self.paths]
        whole, before = max(1, sum(sizes)), 0
        for number, text in enumerate(self.texts, start=1):
            yield Entry(text, None if self.paths else number / len(self.texts))
        for path, size in zip(self.paths, sizes, strict=True):
            for text, share in _texts_of(path, self.column):
                empty = isinstance(text, str) and not text.strip()  # of many rows some are, and stop nothing
                yield Entry(None if empty else text, (before + share * size) / whole)
            before += size

    def state(self) -> list[Any]:
        """What tells it from any other corpus, and from itself once a file was changed; plain values."""
        stats = [(path, path.stat()) for path in self.paths]
        files = [[str(path.absolute()), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
        return [list(self.texts), files, self.column]

    def check(self) -> None:
        """See that every file can be read and has texts.

        Raises:
            InputError: it can't, or has none.
        """
        for path in self.paths:
            _size(path)
            next(iter(_texts_of(path, self.column)), None)


@takes
def expanded(patterns: Iterable[Path]) -> tuple[Path, ...]:
    """Files by their paths or by patterns such as `corpus/*.parquet`, each pattern's in the order of their names.

    Raises:
        InputError: a pattern that no file has.
    """
    found: list[Path] = []
    for pattern in patterns:
        if pattern.exists() or not glob.has_magic(str(pattern)):
            found.append(pattern)
            continue
        matching = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))
        matching = [path for path in matching if path.is_file()]
        if not matching:
            raise InputError(f"No file is called '{pattern}'. Look at the pattern, and quote it.")
        found += matching
    return tuple(found)


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"'{path}' can't be read: {error.strerror}. Give a text file.") from error


def _texts_of(path: Path, column: str | None) -> Iterator[tuple[Any, float]]:
    """The texts of a file, None where a row has none, each with the share of the file that was read.

    Raises:
        InputError: the file can't be read, isn't what its name says, or lacks the column.
    """
    name, packed = (path.stem, suffix_of(path)) if suffix_of(path) in COMPRESSED else (path.name, "")
    suffix = suffix_of(name)
    try:
        if suffix == ".parquet" and not packed:
            yield from _of_parquet(path, column or "text")
            return
        with path.open("rb") as raw:
            stream: Any = _unpacked(raw, packed) if packed else raw
            size = max(1, path.stat().st_size)
            if suffix in LINES:
                rows: Iterator[Any] = json_lines(str(path), stream, column or "text")
            elif suffix in TABLES:
                rows = _of_table(path, stream, column or "text", TABLES[suffix])
            else:
                plain = str(path)[: len(str(path)) - len(packed)] if packed else str(path)
                rows = iter(from_uploaded(plain, stream.read(), column or "text"))
            for text in rows:
                yield text, min(1.0, raw.tell() / size)
    except InputError:
        raise
    except ValueError as error:  # Arrow's errors of content are values, too
        raise InputError(f"'{path}' can't be read: {_line(error)}. Look at the file, or convert it.") from error
    except OSError as error:
        why = error.strerror or _line(error)
        raise InputError(f"'{path}' can't be read: {why}. Give a text file.") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120].rstrip(".")


def _unpacked(raw: Any, suffix: str) -> Any:
    import pyarrow as pa

    return BufferedReader(pa.CompressedInputStream(raw, COMPRESSED[suffix]))


def _of_parquet(path: Path, column: str) -> Iterator[tuple[Any, float]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as stored:
        _refuse_without(path, stored.schema_arrow.names, column)
        done, rows = 0, max(1, stored.metadata.num_rows)
        for batch in stored.iter_batches(batch_size=ROWS, columns=[column]):
            for text in batch.column(0).to_pylist():
                done += 1
                yield _checked(path, done, text), done / rows


def _of_table(path: Path, stream: Any, column: str, delimiter: str) -> Iterator[Any]:
    """The texts of a CSV or TSV file, whose first line names its columns."""
    import pyarrow as pa
    import pyarrow.csv as pc

    reader = pc.open_csv(
        stream,
        pc.ReadOptions(block_size=BLOCK),
        pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        pc.ConvertOptions(column_types={column: pa.string()}, strings_can_be_null=True),
    )
    _refuse_without(path, reader.schema.names, column)
    for batch in reader:
        yield from batch.column(reader.schema.get_field_index(column)).to_pylist()


def _refuse_without(path: Path, names: Sequence[str], column: str) -> None:
    if column not in names:
        raise InputError(
            f"'{path}' has no column '{column}'; it has {listed(names)}. Say which one holds the texts: --column NAME."
        )


def _checked(path: Path, row: int, text: Any) -> Any:
    """A cell, if it can be a text: a string, token ids, a conversation, or nothing."""
    if text is None or isinstance(text, str | list):
        return text
    raise InputError(f"'{path}' row {row} holds {type(text).__name__}, not a text. Name another column: --column NAME.")

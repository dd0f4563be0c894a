"""Texts as people have them: lists, columns, data sets, token ids, what a tokenizer gave, conversations, files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from inspector.arguments import takes
from inspector.errors import InputError
from inspector.printable import kind_of, listed
from inspector.texts.corpora import Corpus, Entry

Conversation = Sequence[Mapping[str, str]]
"""The turns of a chat: `[{"role": "user", "content": "Hello"}, …]`."""
Text = str | Sequence[int] | Conversation
"""A text is a string, a sequence of token ids that the model receives exactly as given, or a conversation."""
Given = Iterable[Any] | Mapping[str, Any] | Path
"""Texts: a list, generator, column, DataFrame or data set of them, a tokenizer's output, a file's path."""


def as_texts(given: Any, column: str | None = None) -> list[Any]:
    """A list of texts from whatever holds them.

    Args:
        given: a list or generator of texts; a column of pandas or polars; a DataFrame, a dict of columns, rows as
            dicts, or a data set of Hugging Face, streaming or not; what a tokenizer gave (`input_ids`, without its
            padding); the path of a file, or paths.
        column: which column of a table has the texts; `text` where None.

    Raises:
        InputError: one text alone, nothing that holds texts, no text, or a table without that column.
    """
    if isinstance(given, str):
        raise InputError("Got one string where a list of texts is needed. Pass [text].")
    if isinstance(given, Path):
        return from_files([given], column)
    if isinstance(given, Mapping) and "input_ids" in given and column is None:
        return _without_padding(given["input_ids"], given.get("attention_mask"))
    if isinstance(given, set | frozenset):
        raise InputError("Got a set of texts, which has no order, so no two runs would be the same. Pass a list.")
    names = _columns(given)
    try:
        if isinstance(given, bytes):
            raise TypeError
        texts = list(given if names is None else _column(given, names, column))
    except TypeError as error:
        raise InputError(f"Got {type(given).__name__} where a list of texts is needed. Pass [text, …].") from error
    if not texts:
        raise InputError("No texts were given. Pass at least one.")
    if all(isinstance(one, Path) for one in texts):
        return from_files(texts, column)
    if is_conversation(texts):
        return [texts]
    if all(isinstance(one, Mapping) for one in texts):
        return [_of_row(row, number, column or "text") for number, row in enumerate(texts)]
    if column is not None and names is None:
        raise InputError(f"column='{column}' was given, and the texts are no table. Leave it out, or pass the table.")
    return texts


@takes
def from_files(paths: Sequence[Path], column: str | None = None) -> list[Any]:
    """The texts of files, as `inspector.texts.Corpus` reads them, all at once; rows without one are left out.

    Raises:
        InputError: a file that is missing, isn't what its name says, is empty, or lacks the column.
    """
    return [entry.text for entry in Corpus(tuple(paths), column) if entry.text is not None]


def entries(given: Any, column: str | None = None) -> Iterable[Entry]:
    """Texts one after another, read as they are needed where what holds them allows it; see `as_texts`.

    Files, columns and data sets are read as they go by, and so is a generator. Rows of files and of data sets that
    hold no text come as None.

    Raises:
        InputError: as `as_texts`, some of it only where a text is reached.
    """
    if isinstance(given, Corpus):
        return given
    if isinstance(given, Path):
        return Corpus((given,), column)
    if isinstance(given, list | tuple) and given and all(isinstance(one, Path) for one in given):
        return Corpus(tuple(given), column)
    names = None if isinstance(given, Mapping | list | tuple | str) else _columns(given)
    if names is not None:
        return _of_column(_column(given, names, column), len(given) if hasattr(given, "__len__") else None)
    if isinstance(given, Iterator):
        return _as_they_come(given, column)
    texts = as_texts(given, column)
    return (Entry(_some(text, number), (number + 1) / len(texts)) for number, text in enumerate(texts))


def _some(text: Any, number: int) -> Any:
    """A text of a list or a generator, where nothing is no row without one but a mistake.

    Raises:
        InputError: it is None.
    """
    if text is None:
        raise InputError(f"Text {number} (NoneType) is neither a string nor a sequence of token ids. Pass one of them.")
    return text


def _of_column(values: Iterable[Any], size: int | None) -> Iterator[Entry]:
    """The cells of a column; what stands for no text (None, NaN) is none."""
    for number, value in enumerate(values, start=1):
        text = None if isinstance(value, float) and value != value else value
        yield Entry(text, None if size is None else number / size)


def _as_they_come(given: Iterator[Any], column: str | None) -> Iterator[Entry]:
    """What a generator yields: texts, or rows with one."""
    number = -1
    for number, one in enumerate(given):
        if isinstance(one, Path):
            yield from (Entry(entry.text) for entry in Corpus((one,), column))
        else:
            yield Entry(_of_row(one, number, column or "text") if isinstance(one, Mapping) else _some(one, number))
    if number < 0:
        raise InputError("No texts were given. Pass at least one.")


def is_conversation(text: object) -> TypeGuard[Conversation]:
    """Whether these are turns, each with a role and its content."""
    turns = text if isinstance(text, Sequence) and not isinstance(text, str) else ()
    return bool(turns) and all(isinstance(turn, Mapping) and {"role", "content"} <= set(turn) for turn in turns)


def _columns(given: Any) -> list[str] | None:
    """The names of a table's columns, as far as it knows them; None for what is no table."""
    if isinstance(given, Mapping):
        return [str(name) for name in given]
    named = getattr(given, "column_names", getattr(given, "columns", None))
    return None if named is None else [str(name) for name in named]


def _column(table: Any, names: Sequence[str], column: str | None) -> Any:
    name = column or "text"
    if isinstance(table, Mapping) and any(hasattr(part, "column_names") for part in table.values()):
        raise InputError(f"Got a data set of several splits: {listed(names)}. Pass one of them: data['{names[0]}'].")
    if name not in names:
        raise InputError(
            f"Got {kind_of(table)} without the column '{name}'; it has {listed(names)}. Pass the column that "
            "holds the texts, or its name as column='…' where that can be given."
        )
    if not hasattr(table, "__len__"):
        return (row[name] for row in table)  # a data set that streams
    values = table[name]
    if isinstance(values, str):
        raise InputError(f"Got one row, whose '{name}' is a string, where a table is needed. Pass [row].")
    return values.to_pylist() if hasattr(values, "to_pylist") else values


def _of_row(row: Mapping[str, Any], number: int, column: str) -> Any:
    if column not in row:
        raise InputError(
            f"Row {number} has no '{column}'; it has {listed(row)}. Pass the texts alone, or the column's name as "
            "column='…' where that can be given."
        )
    return row[column]


def _without_padding(ids: Any, mask: Any) -> list[list[int]]:
    """The token ids that a tokenizer gave, of one text or of many, without those that its mask leaves out."""
    alone = len(ids) > 0 and (getattr(ids[0], "ndim", 1) == 0 or not hasattr(ids[0], "__len__"))
    rows, masks = ([ids], [mask]) if alone else (ids, mask)
    if mask is None:
        return [[int(i) for i in row] for row in rows]
    return [
        [int(i) for i, kept in zip(row, kept_of, strict=True) if kept] for row, kept_of in zip(rows, masks, strict=True)
    ]

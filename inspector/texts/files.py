"""Texts in files."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from inspector.arguments import takes
from inspector.errors import InputError

LINES = (".jsonl", ".ndjson", ".jsonlines")
"""Suffixes of JSON Lines, in any case."""
STRUCTURED = frozenset(
    f".{name}"
    for names in (
        "csv|tsv|psv|xml|html|htm|xhtml|yaml|yml|json5|jsonc|geojson|parquet|arrow|feather|orc|avro|xls|xlsx|ods|sqlite|db",
        "pkl|pickle|npy|npz|pt|safetensors|gz|bz2|xz|zst|zstd|zip|tar|7z|pdf|doc|docx|odt|rtf|epub",
    )
    for name in names.split("|")
)
"""Suffixes of files whose markup is no text to scan."""


BYTES = {b"%PDF-": "is a PDF", b"\xff\xfe": "is UTF-16", b"\xfe\xff": "is UTF-16", b"PK\x03\x04": "is a zip archive"}
"""What files begin with that are no UTF-8."""
SIGNATURES = {"{\\rtf": "is RTF", "<?xml": "is XML", "<!doctype": "is HTML", "<html": "is HTML"}
"""What files begin with, in small letters, that hold more than a text."""
NEVER_TEXT = ("is RTF", "holds control characters, as UTF-16 and programs do")


def _kind_of(text: str) -> str:
    """What a file's content is if it isn't text, whatever its name says; empty for text."""
    head = text[:64].lstrip().lower()
    controls = sum(text.count(chr(code)) for code in (*range(9), *range(14, 27), *range(28, 32)))
    if controls * 50 > len(text) or "\0" in text:
        return NEVER_TEXT[-1]
    return next((kind for begin, kind in SIGNATURES.items() if head.startswith(begin)), "")


@takes
def suffix_of(name: str | Path) -> str:
    """A file's suffix in small letters."""
    return Path(name).suffix.strip().lower()


@takes
def from_uploaded(name: str, content: bytes, column: str = "text") -> list[str]:
    """The texts of a file's content: JSON Lines have one a line under "text", `.json` a list; others are one text.

    Raises:
        InputError: it isn't UTF-8, is empty, lacks "text", or is structured otherwise.
    """
    suffix = suffix_of(name)
    if suffix in STRUCTURED:
        raise InputError(
            f"'{name}' is {suffix}, which is not read. Convert it to .jsonl with a \"text\" on each line, or name it "
            ".txt if it is one text as it stands."
        )
    if kind := next((kind for begin, kind in BYTES.items() if content.startswith(begin)), ""):
        raise InputError(f"'{name}' {kind}, not text in UTF-8. Give its text so, in .txt or .jsonl.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{name}' is not UTF-8 (byte {error.start}). Convert it to UTF-8.") from error
    if (kind := _kind_of(text)) and (suffix != ".txt" or kind in NEVER_TEXT):
        raise InputError(f"'{name}' {kind}, and is no text to scan. Give its text as UTF-8, in .txt or .jsonl.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise InputError(f"'{name}' is empty. Leave it out or give it words.")
    if suffix == ".json":
        return _entries(name, text, column)
    if suffix not in LINES and suffix != ".txt" and _is_lines(text):
        raise InputError(f"'{name}' holds JSON, a line each. Name it .jsonl, or .txt if it is one text as it stands.")
    return list(_of_lines(name, enumerate(text.split("\n"), start=1), column)) if suffix in LINES else [text]


def json_lines(name: str, stream: Iterable[bytes], column: str = "text") -> Iterator[str]:
    """The texts of JSON Lines, read a line at a time.

    Raises:
        InputError: it isn't UTF-8, is empty, or a line lacks the text.
    """
    texts = _of_lines(name, _numbered(name, stream), column)
    first = next(texts, None)
    if first is None:
        raise InputError(f"'{name}' is empty. Leave it out or give it words.")
    yield first
    yield from texts


def _numbered(name: str, stream: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, by whatever ends a line there."""
    number = at = 0
    for part in stream:
        if not at and (kind := next((kind for begin, kind in BYTES.items() if part.startswith(begin)), "")):
            raise InputError(f"'{name}' {kind}, not text in UTF-8. Give its text so, in .txt or .jsonl.")
        try:
            text = part.decode("utf-8" if at else "utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"'{name}' is not UTF-8 (byte {at + error.start}). Convert it to UTF-8.") from error
        at += len(part)
        for line in text.removesuffix("\n").removesuffix("\r").split("\r"):
            number += 1
            yield number, line


def _is_lines(text: str) -> bool:
    """Whether each line is a JSON object."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines):
        return False
    try:
        return all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False


def _entries(path: str, content: str, column: str) -> list[str]:
    """The texts of a JSON list, of strings or of objects with a "text"."""
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not JSON ({error}). Fix it, or use .jsonl with one object per line.") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"'{path}' holds no list of texts. Write a list of strings, or of objects with a \"{column}\"."
        )
    texts = []
    for number, entry in enumerate(entries, start=1):
        text = entry.get(column) if isinstance(entry, dict) else entry
        if not isinstance(text, str):
            raise InputError(f"'{path}' entry {number} is neither a string nor an object with a \"{column}\". Fix it.")
        texts.append(text)
    return texts


def _of_lines(path: str, lines: Iterable[tuple[int, str]], column: str) -> Iterator[str]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            text = json.loads(line)[column]
            if not isinstance(text, str):
                raise TypeError("not a string")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"'{path}' line {number} is not a JSON object with a \"{column}\". Fix the line."
            ) from error
        yield text

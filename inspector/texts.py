"""Texts to scan: the built-in ones, and those in files."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from inspector.errors import InputError


def built_in(count: int | None = None) -> list[str]:
    """The built-in texts, all 240 or `count` of them with the kinds mixed as in the whole.

    Prose, code, lists, dialogue, and other scripts; each at least 96 tokens of a 49k vocabulary.
    """
    lines = files("inspector").joinpath("data/texts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    if count is None or count >= len(texts):
        return texts
    return [texts[i * len(texts) // count] for i in range(count)]


def from_files(paths: Sequence[Path]) -> list[str]:
    """The texts of files: `.jsonl` has one a line under "text", any other file is one text.

    Raises:
        InputError: a file that is missing, isn't UTF-8, is empty, or lacks "text".
    """
    texts: list[str] = []
    for path in paths:
        try:
            texts += from_uploaded(str(path), path.read_bytes())
        except OSError as error:
            raise InputError(f"'{path}' can't be read: {error.strerror}. Give a text file.") from error
    return texts


def from_uploaded(name: str, content: bytes) -> list[str]:
    """The texts of a file's content, as `from_files` reads them.

    Raises:
        InputError: it isn't UTF-8, is empty, or lacks "text".
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{name}' is not UTF-8 (byte {error.start}). Convert it to UTF-8.") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise InputError(f"'{name}' is empty. Leave it out or give it words.")
    return _lines(name, text) if Path(name).suffix == ".jsonl" else [text]


def _lines(path: str, content: str) -> list[str]:
    texts = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            text = json.loads(line)["text"]
            if not isinstance(text, str):
                raise TypeError("not a string")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"'{path}' line {number} is not a JSON object with a \"text\". Fix the line.") from error
        texts.append(text)
    return texts

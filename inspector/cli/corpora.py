"""Where `examine` takes its texts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import InputError

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class GivenTexts:
    """The texts of a command: what holds them, which column, and what tells them from others."""

    texts: Any
    column: str | None
    state: Any


def scan_corpus(
    text: list[str] | None, file: list[Path] | None, dataset: str | None, column: str | None, count: int
) -> GivenTexts:
    """The texts that the options name; built-in ones, so many, where they name none.

    Raises:
        InputError: an empty text, a file that can't be read or holds none, a data set beside files.
    """
    from inspector.texts import Corpus, built_in, expanded

    if dataset is not None:
        if text or file:
            raise InputError("--dataset goes with neither --text nor --file. Leave one of them out.")
        return GivenTexts(_streamed(dataset), column, [dataset, column])
    for number, one in enumerate(text or []):
        if not one.strip():
            raise InputError(f"Text {number} is empty. Leave it out or give it words.")
    if not text and not file:
        return GivenTexts(built_in(count), None, count)
    corpus = Corpus(expanded(file or []), column, tuple(text or []))
    corpus.check()
    return GivenTexts(corpus, None, corpus.state())


def _streamed(name: str) -> Any:
    """A data set's rows, which come as they are needed.

    Raises:
        InputError: there is none of this name, or `datasets` isn't installed.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise InputError("--dataset needs the package `datasets`. Install it: pip install datasets.") from error
    path, _, split = name.partition(":")
    try:
        return load_dataset(path, split=split or "train", streaming=True)
    except Exception as error:  # it raises whatever its many readers do
        said = " ".join(str(error).split())[:160].rstrip(".")
        raise InputError(f"Data set '{path}' can't be opened: {said}. Look at its name and split.") from error

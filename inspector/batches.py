"""Texts → tokens → length-sorted, padded batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from inspector.errors import InputError
from inspector.printable import half_pair
from inspector.texts import as_texts
from inspector.token_text import token_texts

PaddingSide = Literal["right", "left"]

WINDOW = 2048
"""Tokens of a window where a model's context is longer; longer windows on request."""


@dataclass(frozen=True)
class TokenSequence:
    """Input tokens of one row: a whole text, or one window of a long one.

    `text` numbers the rows, `source` the texts as given, `start` is the window's first token.
    """

    text: int
    source: int
    start: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Token ids and their mask, `[batch, pos]`, padded on the right; `text` numbers the rows.

    Reducers always see this layout, whatever side the padding has in the model's own input.
    """

    ids: Int[Tensor, "batch pos"]
    real: Bool[Tensor, "batch pos"]
    text: Int[Tensor, " batch"]

    @property
    def lengths(self) -> Int[Tensor, " batch"]:
        """Real tokens per row."""
        return self.real.sum(dim=1)


def tokenise(
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    bos: bool | None,
    window: int,
    first_text: int = 0,
) -> list[TokenSequence]:
    """Tokens of every text, cut to windows of at most `window` tokens.

    Args:
        tokenizer: a Hugging Face tokenizer; may be None where every text is a sequence of ids.
        texts: strings, or token ids that are used as given (`bos` doesn't touch them); see `inspector.texts.Text`.
        bos: True puts exactly one BOS in front, False none, also where a text spells one; None does what the
            tokenizer does. What the tokenizer would put behind a text, such as EOS, is left out.
        window: the longest input sequence.
        first_text: the number of the first row, for shards of a corpus.

    Raises:
        InputError: no texts, an empty text, or BOS asked of a tokenizer that has none.
    """
    rows: list[TokenSequence] = []
    for source, text in enumerate(as_texts(texts)):
        ids = text_ids(tokenizer, text, bos, source)
        rows += windows(ids, window, first_text + len(rows), first_text + source)
    return rows


def windows(ids: tuple[int, ...], window: int, text: int, source: int) -> list[TokenSequence]:
    """A text's tokens in windows, which are numbered from `text` on."""
    starts = range(0, len(ids), window)
    return [TokenSequence(text + i, source, start, ids[start : start + window]) for i, start in enumerate(starts)]


def text_ids(tokenizer: Any, text: Any, bos: bool | None, source: int) -> tuple[int, ...]:
    """Token ids of one text; see `tokenise`.

    Raises:
        InputError: it is empty, no text, or BOS is asked of a tokenizer that has none.
    """
    if not isinstance(text, str):
        ids = _as_ids(text, source)
    elif half_pair(text):
        raise InputError(f"Text {source} has half a surrogate pair, which is not a character. Fix its encoding.")
    elif not text.strip():
        ids = ()
    elif tokenizer is None:
        raise InputError(f"Text {source} is a string and the model came without a tokenizer. Pass token ids.")
    elif bos is None:
        ids = encode(tokenizer, text)
    else:
        ids = _with_bos(tokenizer, tuple(tokenizer(text, add_special_tokens=False)["input_ids"]), one=bos)
    if not ids:
        raise InputError(f"Text {source} is empty. Leave it out or give it words.")
    return ids


def _as_ids(text: object, source: int) -> tuple[int, ...]:
    try:
        ids = list(text)  # type: ignore[call-overload]
        if isinstance(text, bytes) or any(isinstance(i, bool) for i in ids):
            raise TypeError
        return tuple(index(i) for i in ids)
    except TypeError as error:
        raise InputError(
            f"Text {source} ({type(text).__name__}) is neither a string nor a sequence of token ids. Pass one of them."
        ) from error


def encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of a text with what the tokenizer puts in front of it, and without what it puts behind."""
    ids = tuple(tokenizer(text)["input_ids"])
    if not ids or ids[-1] not in getattr(tokenizer, "all_special_ids", ()):
        return ids
    own = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    for front in range(len(ids) - len(own), -1, -1):
        if ids[front : front + len(own)] == own:
            return ids[: front + len(own)]
    return ids


def _with_bos(tokenizer: Any, ids: tuple[int, ...], *, one: bool) -> tuple[int, ...]:
    """The ids with exactly one BOS in front or none, whatever the text spells."""
    token: Any = getattr(tokenizer, "bos_token_id", None)
    if token is None and one:
        raise InputError("BOS was asked for and this tokenizer has none. Use the tokenizer's own setting.")
    while ids and ids[0] == token:
        ids = ids[1:]
    return (token, *ids) if one and ids else ids


def batches(rows: Sequence[TokenSequence], tokens_per_batch: int, pad: int = 0) -> Iterator[Batch]:
    """Length-sorted batches, the longest first, of at most `tokens_per_batch` tokens with padding.

    A row longer than the budget makes a batch of its own. The longest first: if memory is short,
    the run fails in its first second and not in its last.
    """
    ordered, start = longest_first(rows), 0
    while start < len(ordered):
        chosen = next_rows(ordered, tokens_per_batch, start)
        yield pad_rows(chosen, pad)
        start += len(chosen)


def longest_first(rows: Sequence[TokenSequence]) -> list[TokenSequence]:
    """The rows in the order in which batches are filled."""
    return sorted(rows, key=lambda row: (-len(row.ids), row.text))


def next_rows(ordered: Sequence[TokenSequence], tokens_per_batch: int, start: int = 0) -> Sequence[TokenSequence]:
    """The rows from `start` on, as many as fit in a batch when all are padded to the longest; at least one."""
    return ordered[start : start + max(1, tokens_per_batch // len(ordered[start].ids))]


def pad_rows(rows: Sequence[TokenSequence], pad: int = 0) -> Batch:
    """One batch of these rows, padded on the right to the longest."""
    longest = max(len(row.ids) for row in rows)
    ids = np.full((len(rows), longest), pad, dtype=np.int64)
    real = np.zeros((len(rows), longest), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = row.ids
        real[i, : len(row.ids)] = True
    text = torch.tensor([row.text for row in rows], dtype=torch.int64)
    return Batch(torch.from_numpy(ids), torch.from_numpy(real), text)


def batch_apart(batch: Batch, switch: int | None) -> Iterator[Batch]:
    """The rows longer than `switch` and the others apart: a model that counts by its longest row treats them alike."""
    far = batch.lengths > (switch or 0)
    for rows in (far, ~far) if switch else ():
        if rows.any():
            longest = int(batch.lengths[rows].max())
            yield Batch(batch.ids[rows, :longest], batch.real[rows, :longest], batch.text[rows])
    if not switch:
        yield batch


def batch_count(rows: Sequence[TokenSequence], tokens_per_batch: int) -> int:
    """How many batches `batches` will make of these rows."""
    lengths = sorted((len(row.ids) for row in rows), reverse=True)
    count = start = 0
    while start < len(lengths):
        start += max(1, tokens_per_batch // lengths[start])
        count += 1
    return count


def token_table(rows: Sequence[TokenSequence], tokenizer: Any) -> dict[str, np.ndarray]:
    """The input tokens, one row per token: text, source, position, id, token (its text)."""
    ids = np.array([i for row in rows for i in row.ids], dtype=np.int64)
    return {
        "text": np.array([row.text for row in rows for _ in row.ids], dtype=np.int64),
        "source": np.array([row.source for row in rows for _ in row.ids], dtype=np.int64),
        "position": np.array([p for row in rows for p in range(len(row.ids))], dtype=np.int64),
        "id": ids,
        "token": np.array(token_texts(tokenizer, ids.tolist()), dtype=object),
    }

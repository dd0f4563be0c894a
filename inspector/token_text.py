"""Text of tokens: a token that is part of a character is shown as its bytes, `⟨E0⟩⟨B8⟩`, never as `�`."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

LOST = "\ufffd"
"""What tokenizers put for bytes that are no character."""
NAMES = re.compile("(?:⟨[0-9A-F]{2}⟩)+")
ONE_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
"""How SentencePiece names the bytes of a character that it has no token for."""


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Each token's text, or `#id` where there is no tokenizer; bytes that are no whole character by their names."""
    if tokenizer is None:
        return [f"#{i}" for i in ids]
    known = {i: text_of(tokenizer, [i]) for i in set(ids)}
    return [known[i] for i in ids]


def text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of tokens: characters of several tokens come out whole, bytes that are no character by their names."""
    text = str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
    if LOST not in text:
        return text
    read = named(b"".join(_bytes(tokenizer, i) for i in ids))
    return read if text[:1].isspace() else read.lstrip(" ")  # SentencePiece begins its texts with a blank


def named(content: bytes) -> str:
    """Bytes as text, those that are no character by their names."""
    text = content.decode(errors="surrogateescape").replace(LOST, "".join(map(_name, LOST.encode())))
    return "".join(_name(ord(c) - 0xDC00) if "\udc80" <= c <= "\udcff" else c for c in text)


def whole(text: str) -> str:
    """Texts of tokens that were put together, with the characters whose bytes now stand beside each other."""
    return NAMES.sub(lambda found: named(bytes.fromhex(found[0].replace("⟨", "").replace("⟩", ""))), text)


def _name(byte: int) -> str:
    return f"⟨{byte:02X}⟩"


def _bytes(tokenizer: Any, token: int) -> bytes:
    """What a token writes."""
    text = str(tokenizer.decode([token], clean_up_tokenization_spaces=False))
    piece = tokenizer.convert_ids_to_tokens(token) if hasattr(tokenizer, "convert_ids_to_tokens") else None
    if LOST not in text:
        cut = isinstance(piece, str) and piece.startswith("▁") and not text.startswith(" ")
        return f" {text}".encode() if cut else text.encode()  # alone, a SentencePiece token loses its blank
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str) and (byte := ONE_BYTE.fullmatch(piece)):
        return bytes.fromhex(byte[1])
    alphabet = _alphabet()
    if isinstance(piece, str) and all(c in alphabet for c in piece):
        return bytes(alphabet[c] for c in piece)
    return text.encode()


@cache
def _alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for.

    Bytes that Latin-1 shows stand for themselves; the others have the characters from 256 on, in their order.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    others = sorted(set(range(256)) - set(map(ord, letters)))
    rest = [letter for letter in letters if ord(letter) > 255]
    return {letter: ord(letter) for letter in letters if ord(letter) < 256} | dict(zip(rest, others, strict=True))

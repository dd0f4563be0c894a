"""Text of models, runs, templates and files, made fit to be printed: nothing in it is obeyed by a terminal."""

import unicodedata
from collections.abc import Iterable

JOINERS = frozenset("\u200c\u200d")
"""Of Persian, Indic scripts and emoji; they move no cursor and turn no text around."""

OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of what is obeyed rather than drawn: controls, directions, half pairs, line ends."""


def is_obeyed(character: str) -> bool:
    """Whether a terminal may act on this character: a control, a change of direction, half a surrogate pair."""
    if character.isascii():
        return character < " " or character == "\x7f"
    return unicodedata.category(character) in OBEYED and character not in JOINERS


def printable(text: object, kept: str = "") -> str:
    r"""The text with what a terminal would obey written out: an escape character is the four characters `\x1b`.

    Args:
        text: any value; its `str` is taken.
        kept: characters that stay as they are, "\n" where lines may end.
    """
    said = str(text)
    if said.isprintable():
        return said
    return said.translate({ord(c): c.encode("unicode_escape").decode() for c in obeyed(said, kept)})


def brief(text: object, most: int = 60) -> str:
    """A text in one line of at most so many characters, for an object's line."""
    said = " ".join(str(text)[: 4 * most].split())
    said = printable(said[: most + 1])
    return said if len(said) <= most else f"{said[: most - 1]}…"


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things in words: `1 dim`, `1,536 dims`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def drawn(text: str) -> str:
    """The text with what nobody would see written out as ⟨1B⟩; ⟨?⟩ stands for bytes that an earlier version lost."""
    if text.isprintable() and "\ufffd" not in text:
        return text
    shown = (c if c.isprintable() or c in JOINERS else f"⟨{ord(c):02X}⟩" for c in text)
    return "".join(shown).replace("\ufffd", "⟨?⟩")


def blanks_shown(text: str) -> str:
    """A token's text with its blanks as marks, and what nobody would see written out."""
    return drawn(text.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥"))


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names for a message, so many and each so short that it stays one line; `none` without any."""
    every = [str(name) for name in names]
    shown = [name if len(name) <= 40 else f"{name[:39]}…" for name in every[:most]]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(shown) + more if every else "none"


def obeyed(text: str, kept: str = "") -> set[str]:
    """The characters of a text that a terminal may act on."""
    return {c for c in set(text) - set(kept) if is_obeyed(c)}


def half_pair(text: str) -> str:
    """The first half of a surrogate pair in a text, which is no character and has no UTF-8; empty where none is."""
    return "" if text.isascii() else next((c for c in text if "\ud800" <= c <= "\udfff"), "")


def kind_of(value: object) -> str:
    """A value's type with its article: "a list", "an int"; "None" is itself."""
    return "None" if value is None else with_article(type(value).__name__)


def with_article(word: str) -> str:
    """A word after a or an."""
    return f"{'an' if word[0] in 'AEIOUaeiou' else 'a'} {word}"

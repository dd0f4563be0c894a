"""A long answer's parts: its sentences, and the numbers, dates and names in it, as places in its text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from inspector.hallucination.grading.same_names import rows

Kind = Literal["sentence", "number", "date", "name"]

MONTHS = f"(?i:{'|'.join(sorted({'Sep', 'Sept', *chain.from_iterable(rows('month'))}, key=len, reverse=True))})"
"""Months in the languages whose names are known here, the longest first."""
DAY = r"\d{1,2}(?:st|nd|rd|th|\.)?"
DATE = re.compile(
    rf"{DAY}\s+(?:of\s+|de\s+)?{MONTHS}\b\.?(?:,?\s+\d{{4}}\b)?"
    rf"|\b{MONTHS}\b\.?\s+(?:{DAY}\b(?!\d)(?:,?\s+\d{{4}}\b)?|\d{{4}}\b)"
    r"|\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\b(?:1\d|20)\d{2}s?\b(?![,.]\d)"
)
"""A month with what belongs to it, a date in figures, or a year from 1000 to 2099."""
NUMBER = re.compile(r"(?:(?<![\w–-])[−-])?(?<![^\W\d_][-–])(?<!\w)\d+(?:[.,\u00a0\u202f]\d+)*(?:\s?(?:[%‰]|°[CFK]?))?")
WORD = re.compile(r"\w[\w'’-]*")
JOINED = re.compile("of|de|da|di|du|del|la|le|van|von|der|den|bin|al|el|y")
"""Words without a capital inside a name."""
OPENING = re.compile(
    "an?|and|as|at|but|by|for|from|he|her|his|i|if|in|is|its?|my|no|not|of|on|one|or|our|she|so|that|the|their|then|there|"
    "these|they|this|those|to|we|were|what|when|where|which|while|who|with|you|your",
    re.IGNORECASE,
)
"""Words that have a capital at a sentence's beginning and are no name there."""
SHORT = re.compile(
    "mr|mrs|ms|dr|prof|st|mt|vs|etc|e.g|i.e|cf|fig|vol|gen|col|sen|rep|gov|jr|sr|inc|ltd|co|corp", re.IGNORECASE
)
"""Words after which a full stop ends no sentence."""
END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？।؟]+[」』”]*|\n+")


@dataclass(frozen=True)
class Part:
    """A stretch of an answer's text, half-open.

    Args:
        kind: what it is.
        start, stop: its place, in characters.
    """

    kind: Kind
    start: int
    stop: int


def parts_of(text: str) -> list[Part]:
    """Sentences first, then dates, numbers and names in the order of the text.

    A sentence ends at a full stop, a question or exclamation mark or a line's end. A script without these, such as
    Thai's, has one sentence to a line, and names are found in scripts with capitals alone.
    """
    sentences = list(_sentences(text))
    dates = [Part("date", *one.span()) for one in DATE.finditer(text)]
    numbers = [Part("number", *one.span()) for one in NUMBER.finditer(text)]
    found = [*dates, *_outside(numbers, dates)]
    found += _outside(list(_names(text, sentences)), found)
    return [*sentences, *sorted(found, key=lambda part: part.start)]


def _outside(parts: Sequence[Part], others: Sequence[Part]) -> list[Part]:
    return [part for part in parts if not any(part.start < one.stop and one.start < part.stop for one in others)]


def _sentences(text: str) -> Iterator[Part]:
    start = 0
    for end in (*END.finditer(text), None):
        stop = len(text) if end is None else end.end()
        if end is not None and _goes_on(text[start : end.start()], end.group()):
            continue
        piece = text[start:stop]
        if any(letter.isalnum() for letter in piece):
            yield Part("sentence", start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip()))
        start = stop


def _goes_on(before: str, mark: str) -> bool:
    """Whether a full stop belongs to the word before it: Dr., J. F., U.S., and 3. where that begins a line."""
    last = before.rsplit(maxsplit=1)[-1:] if mark == "." else []
    word = last[0].strip("(\"'“‘").lower() if last else ""
    short = SHORT.fullmatch(word) or (len(word) == 1 and word.isalpha()) or re.fullmatch(r"(?:\w\.)+\w", word)
    return bool(short) or (word.isdigit() and before.strip() == word)


def _names(text: str, sentences: Sequence[Part]) -> Iterator[Part]:
    """Runs of capitalised words; a single one at a sentence's beginning counts where it has a capital elsewhere too."""
    for sentence in sentences:
        words = list(WORD.finditer(text, sentence.start, sentence.stop))
        run: list[re.Match[str]] = []
        for number, word in enumerate(words):
            opening = number == 0 and OPENING.fullmatch(word.group())
            capital = word.group()[0].isupper() and not opening
            follows = bool(run) and _near(text, run[-1], word)
            if run and not (follows and (capital or _joins(words, number))):
                yield from _run(text, run, words)
                run = []
            if capital or run:
                run.append(word)
        yield from _run(text, run, words)


def _near(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Whether no more than a space, a full stop of an initial or an ampersand stands between two words."""
    return re.fullmatch(r"\.?\s|\s&\s|\.", text[one.end() : other.start()]) is not None


def _joins(words: Sequence[re.Match[str]], number: int) -> bool:
    """Whether a word without a capital stands inside a name: "of" before another capital."""
    after = words[number + 1].group() if number + 1 < len(words) else ""
    return JOINED.fullmatch(words[number].group()) is not None and after[:1].isupper()


def _run(text: str, run: Sequence[re.Match[str]], words: Sequence[re.Match[str]]) -> Iterator[Part]:
    if not run or (len(run) == 1 and run[0].group() == "I"):
        return
    opening = len(run) == 1 and run[0] is words[0] and not run[0].group().isupper()
    if not opening or _elsewhere(text, run[0]):
        yield Part("name", run[0].start(), run[-1].end())


def _elsewhere(text: str, word: re.Match[str]) -> bool:
    """Whether a word has a capital inside a sentence too."""
    inside = rf"(?<=[\w,;:] )\b{re.escape(word.group())}\b"
    return any(one.start() != word.start() for one in re.finditer(inside, text))

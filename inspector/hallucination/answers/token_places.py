"""Which tokens a stretch of a text is made of."""

from collections.abc import Sequence
from typing import Any

Places = Sequence[tuple[int, int]]
"""Where each token's characters stand in a text, half-open; tokens of one character share its place."""


def places_of(tokenizer: Any, ids: Sequence[int]) -> tuple[str, Places]:
    """The text of token ids, and where each of them stands in it."""
    text, begin, found = str(tokenizer.decode(list(ids))), 0, []
    for count in range(1, len(ids) + 1):
        known = str(tokenizer.decode(list(ids[:count])))
        whole = len(known.rstrip("\ufffd"))  # a character whose last bytes are yet to come is shown as this
        found.append((begin, min(whole + (whole < len(known)), len(text))))
        begin = min(whole, len(text))
    return text, found


def tokens_of_stretch(places: Places, start: int, stop: int) -> tuple[int, int]:
    """First token and one past the last of those with a character between `start` and `stop`."""
    inside = [number for number, (begin, end) in enumerate(places) if begin < stop and end > start]
    return inside[0], inside[-1] + 1

"""Numbers with a unit: the same in other units, or the same number in another unit, which is another answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from inspector.hallucination.grading.normalise import MARKS, tokens, words
from inspector.hallucination.grading.respellings import money

Words = tuple[str, ...]
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SPELT = {
    "c": "degC",
    "celsius": "degC",
    "centigrade": "degC",
    "f": "degF",
    "fahrenheit": "degF",
    "k": "kelvin",
    "kilo": "kg",
    "kilos": "kg",
    "mph": "mile/hour",
    "kph": "km/hour",
    "kmh": "km/hour",
    "lb": "pound",
    "ft": "foot",
    "sq": "square",
    "cu": "cubic",
    "mins": "minute",
    "secs": "second",
    "hrs": "hour",
    "yrs": "year",
    "litres": "liter",
    "meg": "megabyte",
    "cal": "calorie",
    "bc": "",
    "ad": "",
}
_MONEY = {
    name: name.rstrip("s")
    for name in [
        "dollar",
        "dollars",
        "pound",
        "pounds",
        "euro",
        "euros",
        "yen",
        "rupee",
        "rupees",
        "ruble",
        "rubles",
        "rouble",
    ]
} | {
    "roubles": "ruble",
    "won": "won",
    "cent": "cent",
    "cents": "cent",
    "franc": "franc",
    "francs": "franc",
    "yuan": "yuan",
    "baht": "baht",
    "peso": "peso",
    "pesos": "peso",
    "mark": "mark",
    "marks": "mark",
    "lira": "lira",
    "lire": "lira",
    "shilling": "shilling",
    "shillings": "shilling",
    "pence": "pence",
    "penny": "pence",
    "krona": "krona",
    "kronor": "krona",
    "ducats": "ducat",
}
_PARTS = {
    50.0: ("half", "1 half", "1/2", "1 in 2"),
    25.0: ("quarter", "1 quarter", "1/4", "1 4th", "1 in 4"),
    75.0: ("3 quarters", "3/4", "3 in 4"),
    20.0: ("5th", "1 5th", "1/5", "1 in 5"),
    10.0: ("10th", "1 10th", "1/10", "1 in 10"),
    40.0: ("2 5ths", "2/5"),
    60.0: ("3 5ths", "3/5"),
    80.0: ("4 5ths", "4/5"),
    5.0: ("1 20th", "1/20", "1 in 20"),
    1.0: ("1 100th", "1/100", "1 in 100"),
    12.5: ("8th", "1 8th", "1/8"),
    100.0: ("all", "all of it"),
    90.0: ("9 10ths", "9/10"),
    70.0: ("7 10ths", "7/10"),
    30.0: ("3 10ths", "3/10"),
}
_CLOSE = 0.01


@dataclass(frozen=True)
class Quantity:
    """A number, its unit ("" for none), and where it stands among the words."""

    value: float
    unit: str
    start: int
    end: int


@lru_cache(maxsize=2**14)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The numbers of a text with their units."""
    text = money(text)
    percent = tuple(re.findall(r"([\d.]+)\s*(?:%|per\s?cent)", text))
    # Degrees and squares are signs that words don't keep.
    text = re.sub(r"(?<=[a-z])²|(?<=[a-z])\^2", " squared ", re.sub(r"(?<=\d)\s*(?:°|º|degrees?\b)\s*", " ", text))
    said = tuple(token for token in tokens(text) if token not in MARKS - {"/"})
    return tuple(_read(said, percent))


def _read(said: Words, percent: tuple[str, ...]) -> Iterator[Quantity]:
    for place, word in enumerate(said):
        joined = re.fullmatch(r"(-?\d+(?:\.\d+)?)([a-zµ]+)", word)
        if joined and joined[2] != "s" and _unit(_SPELT.get(joined[2], joined[2])):
            yield Quantity(float(joined[1]), _SPELT.get(joined[2], joined[2]), place, place + 1)
        elif _NUMBER.fullmatch(word):
            unit, used = ("percent", 0) if word in percent else _unit_at(said[place + 1 : place + 6])
            yield Quantity(float(word), unit, place, place + 1 + used)


def _unit_at(following: Words) -> tuple[str, int]:
    """The unit that words begin with, and how many of them it takes."""
    if not following:
        return "", 0
    if following[0] in _MONEY:
        return f"money {_MONEY[following[0]]}", 1
    if following[0] in ("bc", "ad"):
        return following[0], 1
    powers = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
    if following[0] in powers and len(following) > 1 and _unit(_SPELT.get(following[1], following[1])):
        return f"({_SPELT.get(following[1], following[1])})**{powers[following[0]]}", 2
    first = _SPELT.get(following[0], following[0])
    if not _unit(first):
        return "", 0
    if following[1:2] == ("squared",):
        return f"({first})**2", 2
    if following[1:2] in (("per",), ("/",), ("an",)) and len(following) > 2 and _unit(following[2]):
        return f"({first})/({following[2]})", 3
    return first, 1


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(cache_folder=None)


@lru_cache(maxsize=2**14)
def _unit(name: str) -> Any:
    """Pint's unit of this name; None where it has none."""
    if not re.fullmatch(r"[a-zA-Zµμ/*()0-9]+", name) or len(name) > 40 or name in _NO_UNITS:
        return None
    registry = _registry()
    try:
        return registry.parse_units(name)
    except Exception:  # pint raises errors of many kinds for what is no unit
        return None


_NO_UNITS = frozenset(
    [
        "in",
        "at",
        "a",
        "are",
        "as",
        "to",
        "by",
        "or",
        "and",
        "us",
        "per",
        "is",
        "am",
        "pm",
        "was",
        "th",
        "st",
        "nd",
        "rd",
        "cats",
        "cat",
        "do",
        "pa",
        "mad",
        "bar",
        "point",
        "points",
        "people",
        "e",
        "pi",
    ]
)


def _same(a: Quantity, b: Quantity) -> bool:
    if a.unit == b.unit:
        return a.value == b.value
    one, other = (_unit(q.unit.replace("money pound", "pound")) for q in (a, b))
    if one is None or other is None:
        return False
    registry = _registry()
    if one == other:
        return a.value == b.value
    if one.dimensionality != other.dimensionality:
        return False
    converted = registry.Quantity(a.value, one).to(other).magnitude
    return bool(abs(converted - b.value) <= _CLOSE * max(abs(converted), abs(b.value)))


def _whole(alias: str) -> Quantity | None:
    """What an alias is, where it is one number, with a unit or none, and nothing else."""
    found = quantities(alias)
    length = len(
        [
            token
            for token in tokens(re.sub(r"(?<=\d)\s*(?:°|º|degrees?\b)\s*", " ", money(alias)))
            if token not in MARKS - {"/"}
        ]
    )
    return found[0] if len(found) == 1 and (found[0].start, found[0].end) == (0, length) else None


def equal_forms(question: str, alias: str, answer: str) -> list[Words]:
    """What in an answer is the quantity that an alias is: "4000 g" for "4 kg", "half" for "50%"."""
    wanted = _whole(alias)
    if wanted is None:
        return []
    forms: list[Words] = []
    share = (
        wanted.value
        if wanted.unit == "percent"
        else 100 * wanted.value
        if wanted.unit == "" and 0 < wanted.value < 1
        else 0
    )
    forms += [tuple(part.split()) for part in _PARTS.get(share, ())]
    number = tokens(alias)[0]
    if wanted.unit == "percent" and not re.search("%|cent", answer):
        forms.append(words(f"{wanted.value / 100:g}"))
    elif wanted.unit == "ad" or (wanted.unit and _asked_in(wanted.unit, question)):
        forms.append((number,))
    if wanted.unit not in ("", "percent"):
        said = tuple(
            token
            for token in tokens(re.sub(r"(?<=\d)\s*(?:°|º|degrees?\b)\s*", " ", answer))
            if token not in MARKS - {"/"}
        )
        forms += [said[q.start : q.end] for q in quantities(answer) if q.unit and _same(wanted, q)]
    return forms


def _asked_in(unit: str, question: str) -> bool:
    """Whether a question names the unit, so that the number alone answers it: "How many years?"."""
    return any(word == unit or word.removesuffix("s") == unit.removesuffix("s") for word in words(question))


def clashes(alias: str, answer: str) -> bool:
    """Whether an answer has an alias's number only with another unit: "$20" for "€20", "44 AD" for "44 BC"."""
    wanted = _whole(alias)
    if wanted is None or not 0 < len(quantities(answer)) <= 8:
        return False
    same_number = [q for q in quantities(answer) if q.value == wanted.value]
    if wanted.unit == "":
        return bool(same_number) and all(q.unit == "bc" for q in same_number)
    return bool(same_number) and all(q.unit and not _same(wanted, q) for q in same_number)

"""Names of one thing: countries, cities, currencies and months, from `data/same_names.jsonl`."""

import json
from collections import defaultdict
from functools import cache
from importlib.resources import files

from inspector.hallucination.grading.normalise import words

Words = tuple[str, ...]


@cache
def rows(*kinds: str) -> tuple[tuple[str, ...], ...]:
    """The names of each thing of these kinds, the usual one first."""
    lines = files("inspector").joinpath("data/same_names.jsonl").read_text(encoding="utf-8").splitlines()
    read = map(json.loads, lines)
    return tuple(tuple(row["names"]) for row in read if row["kind"] in kinds)


@cache
def _index() -> dict[Words, list[int]]:
    found = defaultdict(list)
    for number, names in enumerate(rows("country", "city", "romanised")):
        for form in {words(name) for name in names}:
            found[form].append(number)
    return {form: numbers for form, numbers in found.items() if form and len(numbers) == 1}


def is_place(form: Words) -> bool:
    """Whether a country or a large city goes by this name."""
    return form in _places()


@cache
def _places() -> frozenset[Words]:
    return frozenset(words(name) for names in rows("country", "city") for name in names)


def is_region(form: Words) -> bool:
    """Whether it is a country or a state of the United States, which may follow a city's name."""
    return form in _regions()


@cache
def _regions() -> frozenset[Words]:
    return frozenset(words(name) for names in rows("country", "place") for name in names if name.isascii())


@cache
def _named(number: int) -> frozenset[Words]:
    forms = {words(name) for name in rows("country", "city", "romanised")[number]}
    return frozenset(form for form in forms if _index().get(form) == [number])


def others(form: Words) -> frozenset[Words]:
    """All names of the country, city or person that goes by this one; empty where none does, or several do."""
    numbers = _index().get(form)
    return _named(numbers[0]) if numbers else frozenset()


@cache
def _larger() -> frozenset[Words]:
    usual = [words(names[0]) for names in rows("city")]
    named = [words(name) for names in rows("country", "place") for name in names if name.isascii()]
    return frozenset(form for form in (*usual, *named) if len(form) > 1)


def within_another(said: Words, start: int, end: int) -> bool:
    """Whether [start, end) is a part of another place's name: Guinea in "Equatorial Guinea"."""
    own = others(said[start:end])
    for first in range(max(0, start - 3), start + 1):
        for last in range(end, min(len(said), end + 3) + 1):
            run = said[first:last]
            if len(run) > end - start and run in _larger() and run not in own:
                return True
    return False

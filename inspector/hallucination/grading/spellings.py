"""Other spellings of a name: initials, another transliteration, an article of its language left out."""

import re
from collections.abc import Iterator
from functools import lru_cache

from inspector.hallucination.grading.normalise import MARKS, tokens, words
from inspector.hallucination.grading.same_names import is_place, others

Words = tuple[str, ...]
_SMALL = frozenset(["of", "the", "and", "for", "in", "de", "la", "du", "des", "von", "y", "e", "a", "an", "to", "on"])
_SUFFIX = re.compile(r",?\s+(?:jr|sr|junior|senior|inc|ltd|corp|plc)\b\.?$", re.IGNORECASE)
_ACRONYM = re.compile(r"(?<![\w.&])(?:[A-Z](?:\.\s?)?){2,6}(?:(?<=\.)|(?![\w&]))")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@lru_cache(maxsize=2**14)
def _initials(text: str) -> frozenset[str]:
    """The initials of a name of two words or more, with and without its small words."""
    found = _WORD.findall(_SUFFIX.sub("", text))
    big = [word for word in found if word.lower() not in _SMALL]
    if len(big) < 2 or not all(word[0].isupper() or word[0].isdigit() for word in big):
        return frozenset()
    return frozenset("".join(word[0].upper() for word in some) for some in (found, big))


def acronym_forms(alias: str, answer: str) -> list[Words]:
    """An alias's initials in an answer, or the name of which the alias is the initials: "JFK", "NATO"."""
    forms = []
    for found in _ACRONYM.finditer(answer):
        letters = re.sub(r"[.\s]", "", found[0])
        if letters in _initials(alias) and not re.fullmatch("[IVX]+", letters):
            forms.append(words(found[0]))
    short = re.sub(r"[.\s]", "", alias)
    if _ACRONYM.fullmatch(alias) and len(short) >= 3:
        forms += _spelt_out(short, answer)
    return forms


def _spelt_out(short: str, answer: str) -> Iterator[Words]:
    found = [*_WORD.finditer(answer)]
    for first, word in enumerate(found):
        if word[0][0] == short[0]:
            for last in range(first + len(short) - 1, min(len(found), first + len(short) + 3)):
                run = answer[word.start() : found[last].end()]
                if short in _initials(run) and not re.search(r"[.;!?]\s", run):
                    yield words(run)


def lower_case_word(alias: str, answer: str) -> bool:
    """Whether two or three capitals are only a small word in a longer answer: "ad infinitum" doesn't name "AD"."""
    short = re.sub(r"[.\s]", "", alias)
    if not (2 <= len(short) <= 3 and short.isascii() and short.isalpha() and short.isupper()):
        return False
    said = words(answer)
    if short.lower() not in said or not set(said) - _FILLING - {short.lower()}:
        return False
    return re.search(r"(?<!\w)" + r"\.?\s?".join(short) + r"(?!\w)", answer) is None


_FILLING = frozenset(
    ["it", "is", "its", "in", "that", "thats", "answer", "i", "think", "was", "from", "of", "by", "on", "the"]
)


def place_forms(question: str, alias: str) -> list[Words]:
    """The other names of a country or city, but for those in the question: "Peking" for "Beijing"."""
    asked = "".join(tokens(question, possessives=False))
    own = "".join(words(alias))  # Iran is "I-ran" in Vietnamese, but "I ran" isn't Iran
    return [form for form in others(words(alias)) if "".join(form) != own and "".join(form) not in asked]


def without_noun(question: str, alias: str) -> list[Words]:
    """An alias without the noun that the question asks for: "Pacific" for "Pacific Ocean" where it asks which ocean."""
    form = words(alias)
    asked = {word.removesuffix("ain") for word in words(question)} - {"city", "state", "war", "island"}
    if len(form) < 2:
        return []
    rests = [rest for noun, rest in ((form[0], form[1:]), (form[-1], form[:-1])) if noun in asked]
    return [
        rest
        for rest in rests
        if len("".join(rest)) >= 4 and not is_place(rest) and not set(rest) <= set(words(question))
    ]


_FOREIGN = re.compile(
    r"(?:der|die|das|den|le|la|les|el|los|las|il|lo|gli|het|os|as|al|l['’]|al-)(?:\s+|(?<=['’-]))(?=\S{3})",
    re.IGNORECASE,
)
_PLAIN_LEAD = re.compile(
    r"^(?:(?:it is|its|it was|that is|thats|answer is|i think|i believe|i think it is|probably|by|in|at) )+"
)


def without_article(alias: str, answer: str) -> list[Words]:
    """An alias without its German, French, Italian, Spanish … article, where that is the whole answer: "Spiegel"."""
    found = _FOREIGN.match(alias)
    if found is None or is_place(words(alias)):
        return []
    rest = words(alias[found.end() :])
    said = " ".join(token for token in tokens(answer.split(",")[0]) if token not in MARKS)
    return [rest] if rest and _PLAIN_LEAD.sub("", said) == " ".join(rest) and len("".join(rest)) >= 4 else []


_SOUNDS: list[tuple[str, str]] = [
    (r"shch|stch|schtsch", "SC"),
    (r"tsch|tch|tsh|cz", "C"),
    (r"sch|sh", "S"),
    (r"ch(?=[aeiouyj]|$)", "C"),
    (r"kh|ch|qu?|ck", "k"),
    (r"dzh|dj|zh|gj", "j"),
    (r"ph|ff$|v$|w$", "f"),
    (r"[wv]", "v"),
    (r"tz|ts", "ts"),
    (r"x", "ks"),
    (r"([gdtbr])h", r"\1"),
    (r"(?<=[aeou])[ij]?y?e(?=[vfknr])", "e"),
    (r"^(?:ye|ie|je)", "e"),
    (r"oe|ou|oo", "u"),
    (r"ue", "u"),
    (r"ae", "a"),
    (r"ee", "i"),
    (r"(?:iy|ij|yi|ii|yj|y|j(?=[aeiou]|$))$", "i"),
    (r"y|j(?=[aou])", "i"),
    (r"ie", "e"),
    (r"['’`]", ""),
    (r"(.)\1", r"\1"),
]


@lru_cache(maxsize=2**16)
def sound(word: str) -> str:
    """A rough key that transliterations of one word share: Tchaikovsky, Chaikovskii and Чайковский are one."""
    if not word.isascii():
        from anyascii import anyascii

        word = anyascii(word)
    word = word.lower()
    for pattern, replacement in _SOUNDS:
        word = re.sub(pattern, replacement, word)
    return word


def transliterated(alias: str, answer: str) -> list[Words]:
    """What in an answer sounds as an alias of other spelling, long words only: "Dostoevsky" for "Dostoyevsky"."""
    wanted = words(alias)
    said = words(answer)
    if not wanted or not all(word.isalpha() for word in wanted) or max(map(len, wanted)) < 6:
        return []
    runs = (said[start : start + len(wanted)] for start in range(len(said) - len(wanted) + 1))
    return [run for run in runs if all(map(sounds_alike, wanted, run))]


def sounds_alike(a: str, b: str) -> bool:
    """Whether two words may be transliterations of one, or are romanisations that are known to be."""
    if a == b or (b,) in others((a,)):
        return True
    if (
        min(len(a), len(b)) < 4
        or not b.isalpha()
        or (a[0] != b[0] and not {a[0], b[0]} & set("tcqkgyjwvxhe") and b.isascii())
    ):
        return False
    one, other = sound(a), sound(b)
    hard = "q" in a + b or "gh" in a + b or "kh" in a + b
    return one == other or (hard and one.replace("g", "k") == other.replace("g", "k"))

"""Names of persons: titles, initials, and the surname alone where a question asks who."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from inspector.hallucination.grading.normalise import find_run, tokens, words
from inspector.hallucination.grading.spellings import sounds_alike

Words = tuple[str, ...]
_PERSON = re.compile(
    r"\b(?:who|whom|whose|person|man|woman|author|writer|novelist|poet|playwright|dramatist"
    r"|president|prime minister|king|queen"
    r"|emperor|actor|actress|singer|composer|painter|artist|scientist|physicist|chemist"
    r"|mathematician|astronomer|explorer"
    r"|inventor|philosopher|director|politician|musician|player|footballer|golfer|boxer|driver"
    r"|astronaut|general|leader|architect)\b",
    re.IGNORECASE,
)
_TITLES = frozenset(
    [
        "dr",
        "doctor",
        "mr",
        "mister",
        "sir",
        "lord",
        "prof",
        "professor",
        "president",
        "king",
        "queen",
        "prince",
        "princess",
        "pope",
        "emperor",
        "general",
        "colonel",
        "captain",
        "major",
        "admiral",
        "chancellor",
        "senator",
        "governor",
        "saint",
        "dame",
        "madame",
        "madam",
        "monsieur",
        "rev",
        "reverend",
        "duke",
        "count",
        "baron",
        "chief",
        "justice",
        "judge",
        "ms",
        "miss",
        "mrs",
        "lady",
        "prime",
        "minister",
        "former",
        "us",
        "american",
        "english",
        "british",
        "french",
        "german",
        "italian",
        "russian",
        "late",
        "author",
        "writer",
        "poet",
        "novelist",
        "physicist",
        "scientist",
        "composer",
        "painter",
        "philosopher",
        "inventor",
        "explorer",
        "czar",
        "tsar",
        "kaiser",
        "father",
        "mother",
        "sister",
        "brother",
    ]
)
_LADIES = frozenset(["mrs", "miss", "ms", "lady", "madam", "mother", "sister", "princess", "queen"])
_SUFFIXES = frozenset(["jr", "junior", "sr", "senior", "esq", "phd"])
_PARTICLES = frozenset(("van", "von", "de", "da", "di", "der", "den", "la", "le", "du", "del"))
_NO_NAMES = frozenset(["the", "of", "and", "&", "for", "in", "on", "to"])
_LEADS = frozenset(
    [
        "it",
        "is",
        "was",
        "its",
        "that",
        "thats",
        "answer",
        "by",
        "i",
        "think",
        "believe",
        "probably",
        "maybe",
        "perhaps",
        "of",
        "course",
        "called",
        "named",
        "he",
        "she",
        "they",
        "would",
        "be",
        "my",
        "guess",
        "say",
        "definitely",
        "certainly",
        "written",
        "painted",
        "composed",
        "invented",
        "discovered",
        "directed",
        "im",
        "sure",
        "not",
        "but",
        "name",
        "his",
        "her",
    ]
)
_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+|[.,;:!?()\n]")


@lru_cache(maxsize=2**14)
def _split(text: str) -> tuple[str, ...]:
    """The words of a name, an initial a word ("JRR" before a surname is three), and punctuation but for initials'."""
    found = _TOKEN.findall(re.sub(r"(?<=\b[^\W\d_])\.", " ", text))
    apart: list[str] = []
    for place, token in enumerate(found):
        more = place + 1 < len(found) and found[place + 1][0].isupper()
        if 2 <= len(token) <= 3 and token.isupper() and more and not re.fullmatch("[IVX]+", token):
            apart += token
        else:
            apart.append(token)
    return tuple(apart)


def _fold(token: str) -> str:
    return "".join(words(token)) or token


@lru_cache(maxsize=2**14)
def _name(alias: str) -> Words:
    """An alias as given names and a surname; empty where it is no person's name."""
    found = [_fold(token) for token in _split(alias) if token not in ",."]
    titled = bool(found) and found[0] in _TITLES
    while found and found[0] in _TITLES:
        found = found[1:]
    while found and found[-1] in _SUFFIXES:
        found = found[:-1]
    plain = all(token.isalpha() for token in found) and not set(found) & _NO_NAMES and not re.search("[&/]", alias)
    return tuple(found) if plain and (2 - titled) <= len(found) <= 5 and len(found[-1]) > 2 else ()


def asks_who(question: str) -> bool:
    """Whether a question asks for a person."""
    return _PERSON.search(question) is not None


def name_forms(question: str, alias: str, answer: str) -> list[Words]:
    """What in an answer is the person of an alias: "Tolkien" or "John Ronald Reuel Tolkien" for "J. R. R. Tolkien"."""
    name = _name(alias)
    who = asks_who(question)
    first, _, rest = alias.partition(" ")
    if who and _fold(first) in _TITLES and re.search(r" [IVX]+$", rest):
        return [words(rest)]  # Pope John Paul II
    if not name or not (who or any(len(part) == 1 for part in name[:-1])):
        return []
    bare = [*_titled(alias, name)]
    alone = (
        len(name[-1]) >= 3
        and not find_run((name[-1],), tokens(question, possessives=False))
        and not re.search(r"[IVX]+$", alias)
    )
    return [*bare, *_found(name, _split(answer), alone)]


def _titled(alias: str, name: Words) -> Iterator[Words]:
    """An alias without its title and "Jr.", where two names are left."""
    if 1 < len(name) < len([token for token in _split(alias) if token not in ",."]):
        yield words(" ".join(name))


def _found(name: Words, said: Sequence[str], alone: bool) -> Iterator[Words]:
    for end, token in enumerate(said, 1):
        if not token[0].isupper() or not (_fold(token) == name[-1] or sounds_alike(name[-1], _fold(token))):
            continue
        for start in range(max(0, end - 5), end - 1):
            run = said[start:end]
            given = tuple(map(_fold, run[:-1]))
            before = said[start - 1] if start else ""
            joined = bool(before) and before[0].isupper() and (len(before) == 1 and start > 0 and before != "I")
            if all(part[0].isupper() for part in run) and _same_given(name[:-1], given) and not joined:
                yield from dict.fromkeys((words(" ".join(run)), words(". ".join(run[:-1]) + f" {run[-1]}")))
        if alone and _stands_alone(said, end, name):
            yield words(token)


def _same_given(wanted: Words, given: Words) -> bool:
    """Whether given names agree: an initial with a name, middle initials all there or all left out."""
    if len(wanted) == len(given):
        return all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in zip(wanted, given, strict=True))
    longer, shorter = (wanted, given) if len(wanted) > len(given) else (given, wanted)
    middle = all(len(part) == 1 for part in longer[1:])
    return (
        len(shorter) == 1
        and middle
        and (longer[0] == shorter[0] or (len(longer[0]) == 1 and longer[0] == shorter[0][0]))
    )


def _stands_alone(said: Sequence[str], end: int, name: Words) -> bool:
    """Whether a surname has no other name beside it, but for a title: not in "Mary Lincoln", "Lincoln Memorial"."""
    after = said[end] if end < len(said) else ""
    if after and (after[0].isupper() or after[0].isdigit() or _fold(after) in _SUFFIXES):
        return False
    place = end - 2
    while place >= 0 and _fold(said[place]) in (_TITLES - _LADIES) | (_PARTICLES & set(name)):
        place -= 1
    before = said[place] if place >= 0 else ""
    if _fold(before) in _LADIES:
        return False
    return not before or not before[0].isupper() or _fold(before) in _LEADS or not before[0].isalpha()

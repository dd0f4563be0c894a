"""What loses a comparison isn't the answer: Jupiter in "Saturn is the largest, followed by Jupiter"."""

import re

_POLES = """1st before earlier older oldest earliest sooner eldest | last after later younger youngest latest newest 2nd
larger bigger largest biggest greater greatest huge vaster vastest | smaller smallest tinier tiniest lesser
taller tallest higher highest | shorter shortest lower lowest
longer longest | shorter shortest briefer briefest
heavier heaviest | lighter lightest
faster fastest quicker quickest | slower slowest
hotter hottest warmer warmest | colder coldest cooler coolest
more most | fewer fewest less least
nearer nearest closer closest | farther farthest further furthest
richer richest wealthier wealthiest | poorer poorest
stronger strongest harder hardest | weaker weakest softer softest
deeper deepest | shallower shallowest
wider widest broader broadest | narrower narrowest
denser densest | sparser sparsest
brighter brightest | dimmer dimmest darker darkest"""
_PAIRS = [[frozenset(side.split()) for side in line.split("|")] for line in _POLES.splitlines()]
_SECOND = re.compile(
    r"(?<!\S)(?:2nd|3rd|4th|second|next|runner|follow(?:s|ed|ing)?|after|before|precede[sd]?|behind|than)(?!\S)"
)
_THAN = r"(?:than|ahead of|compared (?:to|with)|versus|vs|in contrast to|unlike)"
_BEATS = (
    r"(?:overtak(?:es?|en|ing)|overtook|surpass(?:es|ed|ing)?|beat(?:s|en|ing)?|exceed(?:s|ed"
    r"|ing)?|outranks?|outnumber(?:s|ed)?"
    r"|outweigh(?:s|ed)?|dwarf(?:s|ed|ing)?|eclips(?:es?|ed|ing)|defeat(?:s|ed|ing)?|outgrew"
    r"|outgrown|pass(?:ed|es)|edg(?:es|ed) out"
    r"|superseded?|supersedes|replac(?:es|ed|ing)|predat(?:es|ed))"
)
_LESSER = re.compile(rf"(?<!\S)(?:{_THAN}|{_BEATS})(?: (?!and |but |or )[^\s.,/]+){{0,2}}$")
_NEXT = re.compile(
    r"(?:, | and |; |\. )(?:and )?(?:then|next(?: is| was| comes| came)?|2nd (?:is|was|comes|place)|with)$"
    r"|followed (?:closely |then |immediately )?by(?: (?!and |but |or )[^\s.,/]+){0,2}$"
)
_BEHIND = re.compile(
    r"^(?:(?:,|who|which|that) )*(?:(?:is|was|were|are|comes?|came|ranks?|ranked|places?|placed"
    r"|has been|being|has since been|had been)"
    r"(?: \S+ly)? )?(?:(?:only )?(?:2nd|3rd|4th|5th)(?! to none)"
    r"(?= (?:\S{2,}est|most|least|place|in|to|by|after|behind)(?!\S)| ?[.,;/]|$)|runner up"
    r"|behind|(?:right |just |shortly )?after|smaller than|overtaken|surpassed|"
    r"beaten|outranked|exceeded|dwarfed|eclipsed|superseded|replaced by|trails|lags"
    r"|lost (?:out )?to|falls short|fell short"
    r"|not as \S+ as|less \S+ than)(?!\S)"
)
_NONE = re.compile(r"(?<!\S)(?:nothing|no 1|nobody|none|no other|no)(?!\S)")
_FORMER = re.compile(
    r"^(?:used to be|was (?:once|formerly|previously)|held (?:title|record|post) (?:until|before)|until recently)(?!\S)"
)


def loses(said: tuple[str, ...], start: int, end: int, question: tuple[str, ...]) -> bool:
    """Whether what stands in [start, end) is the lesser part of a comparison that the answer makes.

    "Larger than Jupiter", "overtook Sydney", "followed by Jupiter", "Jupiter is the second largest"; and, by what the
    question asks for, "born after Beethoven" where the elder is asked for. Numbers ("more than 100") never lose.
    """
    if said[start][0].isdigit():
        return False
    first, last = _sentence(said, start, end)
    before, after = " ".join(said[first:start]), " ".join(said[end:last])
    if _NONE.search(before):
        return False
    by_pole = _by_pole(said[first:start], said[end:last], question)
    if by_pole is not None:
        return by_pole
    asked = " ".join(question)
    if _LESSER.search(before) or (_FORMER.match(after) and " is " in f" {asked} "):
        return True
    return not _SECOND.search(asked) and bool(_NEXT.search(before) or _BEHIND.match(after))


def _sentence(said: tuple[str, ...], start: int, end: int) -> tuple[int, int]:
    stops = [place for place, token in enumerate(said) if token == "."]
    first = max((place + 1 for place in stops if place < start), default=0)
    return first, min((place for place in stops if place >= end), default=len(said))


def _by_pole(before: tuple[str, ...], after: tuple[str, ...], question: tuple[str, ...]) -> bool | None:
    """Whether it loses by what is asked for: the first thing named wins with the question's own word, "older than"."""
    for sides in _PAIRS:
        wanted = [side for side in (0, 1) if sides[side] & set(question)]
        if len(wanted) != 1:
            continue
        compares = [_comparison(part, sides) for part in (before, after)]
        if compares[0] is not None:
            return compares[0] == wanted[0]
        if compares[1] is not None:
            return compares[1] != wanted[0]
    return None


def _comparison(words: tuple[str, ...], sides: list[frozenset[str]]) -> int | None:
    """Which side of a pair a comparison takes, if the words make one ("older than", "born before")."""
    for place, word in enumerate(words):
        side = next((side for side in (0, 1) if word in sides[side]), None)
        if side is None or (words[place + 1 : place + 2] != ("than",) and word not in ("before", "after")):
            continue
        less = words[place - 1 : place] in (("less",), ("not",), ("fewer",))
        return 1 - side if less else side
    return None

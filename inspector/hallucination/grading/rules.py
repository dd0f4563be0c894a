"""The rules by which an answer names an alias, each with a name of its own, so that it can be counted or left out."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from inspector.hallucination.grading import dates, persons, quantities, respellings, same_names, spellings
from inspector.hallucination.grading.normalise import ARTICLES, MARKS, alias_forms, find_run, signs, tokens, words
from inspector.hallucination.grading.offers import commits_to
from inspector.hallucination.grading.refusals import claim

Words = tuple[str, ...]
Asked = tuple[str, str, str]
"""A question, an alias, an answer."""

RESPELLINGS: dict[str, Callable[[str], str]] = {
    "dates": dates.dates,
    "decades": dates.decades,
    "money": respellings.money,
    "degrees": respellings.degrees,
    "decimals": respellings.decimals,
    "numerals": respellings.numerals,
    "contractions": respellings.contractions,
    "inflections": respellings.inflections,
    "american spelling": respellings.american,
    "plurals": respellings.plurals,
}
"""Both an alias and the answer are respelt, by all of them in this order."""

FORMS: dict[str, Callable[[str, str, str], Iterable[Words]]] = {
    "persons": persons.name_forms,
    "acronyms": lambda question, alias, answer: spellings.acronym_forms(alias, answer),
    "places": lambda question, alias, answer: spellings.place_forms(question, alias),
    "foreign articles": lambda question, alias, answer: spellings.without_article(alias, answer),
    "nouns asked for": lambda question, alias, answer: spellings.without_noun(question, alias),
    "transliterations": lambda question, alias, answer: spellings.transliterated(alias, answer),
    "quantities": lambda question, alias, answer: quantities.equal_forms(question, alias, answer),
}
"""What else, found in an answer, stands for an alias."""

REFUSED = ("comparisons", "units", "capitals", "parts of names")
"""What takes an alias that is there for another thing."""
RULES = frozenset((*RESPELLINGS, *FORMS, "hyphens", *REFUSED))


def names(question: str, answers: Sequence[str], answer: str, rules: frozenset[str] = RULES) -> bool:
    """Whether an answer commits to one of the aliases, by these rules."""
    if any(alias.strip() == answer.strip() != "" for alias in answers):
        return True
    kept = [alias for alias in answers if not _another(alias, answer, rules)]
    if any(_stands_in(alias, answer) for alias in kept):
        return True
    forms = [form for alias in kept for form in alias_forms(alias)]
    if _commits(question, kept, forms, answer, rules):
        return True
    more = [form for name in FORMS if name in rules for alias in kept for form in FORMS[name](question, alias, answer)]
    more = [form for form in more if form]
    if more and _commits(question, kept, [*forms, *more], answer, rules):
        return True
    return _respelt_commits(question, kept, more, answer, rules)


def _respelt_commits(question: str, kept: list[str], more: list[Words], answer: str, rules: frozenset[str]) -> bool:
    who = persons.asks_who(question)
    person = who and not all(alias.islower() for alias in kept)  # "king of the jungle" asks for no person
    used = tuple(name for name in RESPELLINGS if name in rules and not (person and name == "plurals"))
    respelt = _respelt(answer, used)
    aliases = [_respelt(alias, used) for alias in kept]
    if respelt != answer or aliases != kept:
        forms = [form for alias in aliases for form in alias_forms(alias)]
        if any(words(respelt) == form for form in forms) or _commits(question, kept, [*forms, *more], respelt, rules):
            return True
    joined = respellings.hyphens(answer)
    spaced = joined != answer or any(respellings.hyphens(alias) != alias for alias in kept)
    if "hyphens" not in rules or not spaced:
        return False
    forms = [form for alias in kept for form in alias_forms(respellings.hyphens(alias))]
    return _commits(question, kept, forms, joined, rules)


@lru_cache(maxsize=2**16)
def _respelt(text: str, used: tuple[str, ...]) -> str:
    for name in used:
        text = RESPELLINGS[name](text)
    return text


def _another(alias: str, answer: str, rules: frozenset[str]) -> bool:
    """Whether what looks like an alias in an answer is another thing: "$20" for "€20", "ad infinitum" for "AD"."""
    return ("units" in rules and quantities.clashes(alias, answer)) or (
        "capitals" in rules and spellings.lower_case_word(alias, answer)
    )


def is_whole(alias: str, answer: str) -> bool:
    """Whether an alias is the whole answer."""
    forms = alias_forms(alias)
    return words(answer) in forms if forms else bool(signs(alias)) and signs(alias) == signs(answer)


def _stands_in(alias: str, answer: str) -> bool:
    """Whether an alias is the whole answer or, if it has no words, stands between spaces in it."""
    pieces = () if alias_forms(alias) else answer.split()
    return is_whole(alias, answer) or any(signs(alias) in (signs(x), signs(x).strip(".,;:!?\"'()")) for x in pieces)


def _commits(question: str, kept: Sequence[str], forms: Sequence[Words], answer: str, rules: frozenset[str]) -> bool:
    declining = [form for form in forms if claim(form) is None]
    ending = [form for form in forms if len(form) > 1 and form[-1] in ARTICLES]  # "Vitamin A": keep its article
    readings = [(tokens(answer), forms), (tokens(answer, possessives=False), forms)]
    readings += [(tokens(answer, articles=True), ending)] if ending else []
    for said, wanted in dict.fromkeys((said, tuple(wanted)) for said, wanted in readings):
        claimed = claim(said)
        if (claimed and _chosen(claimed, wanted, question, rules)) or (
            declining and _chosen(said, declining, question, rules)
        ):
            return True
    return False


def _chosen(said: Words, forms: Sequence[Words], question: str, rules: frozenset[str]) -> bool:
    if "parts of names" in rules:
        spoken = tuple(token for token in said if token not in MARKS)
        whole = [form for form in forms if not _only_a_part(form, spoken)]
        forms = forms if len(whole) == len(forms) else whole
    return bool(forms) and commits_to(said, forms, tokens(question), careful="comparisons" in rules)


def _only_a_part(form: Words, spoken: Words) -> bool:
    runs = find_run(form, spoken)
    return bool(runs) and all(same_names.within_another(spoken, *run) for run in runs)

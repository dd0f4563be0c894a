"""Questions with a passage each: right, wrong or irrelevant ones made from the built-in facts, or a user's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from inspector.errors import InputError
from inspector.hallucination.grading.normalise import words
from inspector.hallucination.questions.rows import is_missing, plain, rows_of, strings_of
from inspector.hallucination.questions.sets import Question, built_in
from inspector.printable import half_pair, kind_of, listed

Passage = Literal["right", "wrong", "irrelevant", "given"]

STATEMENTS: Mapping[str, str] = {
    "author": 'The book "{subject}" was written by {answer}.',
    "capital": "The capital of {subject} is {answer}.",
    "city_country": "The city of {subject} is in {answer}.",
    "composer": '"{subject}" was composed by {answer}.',
    "continent": "{subject} is on the continent of {answer}.",
    "currency": "The official currency of {subject} is the {answer}.",
    "language": "The official language of {subject} is {answer}.",
    "landmark": "{subject} is in the city of {answer}.",
    "painter": '"{subject}" was painted by {answer}.',
    "atomic_number": "The atomic number of {subject} is {answer}.",
    "element_symbol": "The chemical symbol of {subject} is {answer}.",
    "moon": "The moon {subject} orbits the planet {answer}.",
    "state_capital": "The capital of the US state of {subject} is {answer}.",
}
"""A sentence that says a fact of a relation."""

AROUND = "This is from a short encyclopedia entry."
"""What each passage begins with."""


@dataclass(frozen=True)
class WithPassage:
    """A question with a passage.

    Args:
        question: with the names of its true answer.
        passage: what is put before it.
        says: names of the answer that the passage gives; none where it gives none, or that isn't known.
        kind: what kind of passage it is; `given` for a user's own.
    """

    question: Question
    passage: str
    says: tuple[str, ...]
    kind: Passage


def passages(count: int = 120, seed: int = 0) -> list[WithPassage]:
    """Built-in facts, each with a right, a wrong and an irrelevant passage: three rows a question.

    A wrong passage gives another question's answer of the same relation; an irrelevant one a fact of another relation,
    about something else. Relations take turns, so that each is there as often as it can be.

    Args:
        count: questions, drawn by the seed.
        seed: of the draw and of what the passages say.

    Raises:
        InputError: fewer than one question.
    """
    if count < 1:
        raise InputError(f"{count} questions were asked for. Ask for at least 1.")
    rng = np.random.default_rng(seed)
    by_relation = {name: [one for one in built_in("world_facts") if one.relation == name] for name in STATEMENTS}
    orders = {name: rng.permutation(len(ones)).tolist() for name, ones in by_relation.items()}
    turns = [(turn, name) for name, order in orders.items() for turn in range(len(order))]
    chosen = [by_relation[name][orders[name][turn]] for turn, name in sorted(turns)[:count]]
    return [row for one in chosen for row in _three(one, by_relation, rng)]


def _three(one: Question, by_relation: Mapping[str, Sequence[Question]], rng: np.random.Generator) -> list[WithPassage]:
    relation = str(one.relation)
    accepted = {words(name) for name in one.answers}
    others = [other for other in by_relation[relation] if not accepted & {words(name) for name in other.answers}]
    other = others[int(rng.integers(len(others)))]
    elsewhere = [name for name in STATEMENTS if name != relation]
    far = by_relation[elsewhere[int(rng.integers(len(elsewhere)))]]
    about = [fact for fact in far if fact.subject != one.subject and not accepted & {words(a) for a in fact.answers}]
    fact = about[int(rng.integers(len(about)))]
    return [
        WithPassage(one, _said(one, one.answers[0]), one.answers, "right"),
        WithPassage(one, _said(one, other.answers[0]), other.answers, "wrong"),
        WithPassage(one, _said(fact, fact.answers[0]), (), "irrelevant"),
    ]


def _said(about: Question, answer: str) -> str:
    return f"{AROUND} {STATEMENTS[str(about.relation)].format(subject=about.subject, answer=answer)}"


def as_passages(source: Any) -> list[WithPassage]:
    """Rows of `question` and `context`, and where known `answers` (the true one's names) and `says` (the passage's).

    Raises:
        InputError: a source that can't be read, or a row that lacks its question or its context.
    """
    place, rows = rows_of(source, "Passages")
    found: list[WithPassage] = []
    for number, row in rows:
        if isinstance(row, WithPassage):
            found.append(row)
            continue
        where = f"{place} {number}"
        if not isinstance(row, Mapping):
            raise InputError(f"{where} is {kind_of(row)}, not a row. Give mappings with question and context.")
        question, context = (_text(where, row, name) for name in ("question", "context"))
        answers, says = (_names(where, row, name) for name in ("answers", "says"))
        subject = None if is_missing(row.get("group")) else str(row["group"])
        identity = str(number) if is_missing(row.get("id")) else str(row["id"])
        found.append(WithPassage(Question(identity, question, answers, subject), context, says, "given"))
    if not found:
        raise InputError(f"{_source(source)} has no rows. Give it rows of question and context.")
    return found


def _source(source: Any) -> str:
    return f"'{source}'" if isinstance(source, str | Path) else "What was given"


def _text(where: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if is_missing(value) or not isinstance(value, str):
        raise InputError(f"{where} has no text for {name}; its columns are {listed(row, 8)}. Fill it in.")
    if half_pair(value):
        raise InputError(f"{where} has half a surrogate pair in {name}, which is not a character. Fix it.")
    return value.strip()


def _names(where: str, row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name)
    if not isinstance(value, list | tuple | np.ndarray) and is_missing(value):
        return ()
    names = plain(strings_of(value))
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise InputError(f"{where} has {name} that are no texts. Give a list of names.")
    return tuple(names)

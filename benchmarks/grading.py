"""How often each rule of the whole-words judge decides a mark on real questions, and how fast it judges.

Real questions seldom come with answers of a model, so answers are made of what the file has: every alias judged by the
question's other aliases (most are the same answer written otherwise), the alias in sentences that affirm, hedge, deny
and compare it, the alias of another question with the same opening, refusals, and answers with a digit or unit changed.
A rule fires on a question where leaving it out changes a mark; that it respells an alias is counted as well.

    python -m benchmarks.grading QUESTIONS.jsonl [--count N]
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from inspector.hallucination.grading.persons import asks_who
from inspector.hallucination.grading.rules import RESPELLINGS, RULES, names

Case = tuple[list[str], str]

SENTENCES = (
    "It is {0}.",
    "I think it was {0}, but I'm not sure.",
    "It isn't {0}.",
    "{0} or {1}",
    "{1}, followed by {0}",
    "{1} is larger than {0}",
    "{0}, not {1}",
    "Could be {0}, could be {1}.",
    "{0} and {1}",
    "{0} is wrong.",
)


def cases(answers: list[str], other: str) -> Iterator[Case]:
    """Aliases accepted and an answer, as many as a question's aliases give."""
    for alias in answers[:8]:
        rest = [one for one in answers if one != alias]
        if rest:
            yield rest, alias
    first = answers[0]
    for sentence in SENTENCES:
        yield answers, sentence.format(first, other)
    yield answers, other
    yield answers, first.lower()
    yield from ((answers, changed) for changed in _near(first) if changed not in answers)


def _near(alias: str) -> Iterator[str]:
    """What is nearly an alias, or the same thing in other words."""
    spelt = alias.split()
    if len(spelt) > 1:
        yield spelt[-1]
        yield " ".join(spelt[1:])
        yield "".join(word[0] for word in spelt)
        yield " ".join(spelt[:-1])
    yield f"{alias}s"
    yield f"New {alias}"
    if re.search(r"\d", alias):
        yield re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), alias, count=1)
        yield alias + " km"
    yield re.sub("[-‐]", "", alias)


def fired(question: str, accepted: list[str], answer: str) -> set[str]:
    """The rules without which this answer's mark is another."""
    mark = names(question, accepted, answer)
    if mark == names(question, accepted, answer, frozenset()):
        return set()  # nothing but two rules that cancel could be missed
    return {rule for rule in RULES if names(question, accepted, answer, RULES - {rule}) != mark}


def main() -> None:
    """Count over the questions of a file, and print a row per rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", type=Path, help="a line per question: question, answers")
    parser.add_argument("--count", type=int, default=None)
    asked = parser.parse_args()
    rows = [json.loads(line) for line in asked.questions.read_text(encoding="utf-8").splitlines()][: asked.count]
    speed = _speed(rows)
    changed, respelt, aliases_only = Counter[str](), Counter[str](), Counter[str]()
    for number, row in enumerate(rows):
        other = next(
            (
                later["answers"][0]
                for later in rows[number + 1 :] + rows[:number]
                if asks_who(later["question"]) == asks_who(row["question"])
            ),
            "Zanzibar",
        )
        made = [*cases(row["answers"], other)]
        here = [fired(row["question"], *case) for case in made]
        changed.update({rule for rules in here for rule in rules})
        aliases = len(row["answers"][:8]) if len(row["answers"]) > 1 else 0
        aliases_only.update({rule for rules in here[:aliases] for rule in rules})
        respelt.update(
            name for name, respell in RESPELLINGS.items() if any(respell(one) != one for one in row["answers"])
        )
    print(
        f"{'rule':18} {'changes a mark':>15} {'among aliases':>15} {'respells an alias':>18}   of {len(rows)} questions"
    )
    for rule in sorted(RULES, key=lambda rule: -changed[rule]):
        print(f"{rule:18} {changed[rule]:15} {aliases_only[rule]:15} {respelt[rule] or '':>18}")
    print(f"{speed:.0f} answers a second, none of them seen before")


def _speed(rows: list[dict[str, list[str]]]) -> float:
    names("Which?", ["4 kg", "Paris", "bee"], "Bees of 5 miles")  # what is loaded once isn't counted
    start = time.perf_counter()
    made = [(str(row["question"]), row["answers"], f"I believe {row['answers'][-1]}x") for row in rows]
    for case in made:
        names(*case)
    return len(made) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()

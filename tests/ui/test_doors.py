"""The start page: three questions, one field and one button each, and the runs."""

import sys
import time
from pathlib import Path

import pytest
from ui.test_screens import APP, said, testing

from dashboards import state, work
from dashboards.jobs import Job


def test_the_start_page_has_a_door_for_each_phenomenon_with_one_field_and_one_button(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])
    at = testing.AppTest.from_file(str(APP), default_timeout=120).run()
    text = said(at)
    asks = ("Why did it make this up?", "What is massive in my model?", "Where does attention go?")
    assert [text.index(one) for one in asks] == sorted(text.index(one) for one in asks)
    assert "This needs a study" in text  # those here are of other models
    assert len(at.text_area) == 2 and [one.label for one in at.button[:2]] == [
        "Find what is massive",
        "Find where it goes",
    ]
    assert "empty" in [link.proto.label for link in at.get("page_link")]


def test_an_empty_door_says_what_to_do(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])
    at = testing.AppTest.from_file(str(APP), default_timeout=120).run()
    at.text_area[0].set_value("  ")
    at.button[0].click().run()
    assert "The field is empty. Type a sentence." in said(at)


def test_the_second_scan_of_a_model_reads_the_text_alone(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_controls", {})  # of scans that other tests made
    totals = []
    for text in ("w5 w6 w7", "w8 w9 w10 w11"):
        scan = lambda job, text=text: work.scan(  # noqa: E731
            job, str(tiny_folder), [text], ["massive", "sinks"], bos=None, dtype="auto"
        )
        job: Job = state.jobs().submit("scan", scan)
        while not job.over:
            time.sleep(0.01)
        assert job.state == "done", job.error
        totals.append(job.total)
    assert totals[0] > 100 and totals[1] == 4


@pytest.mark.parametrize(
    ("typed", "question", "answer"),
    [
        ("Who was it?", "Who was it?", None),
        ("Who was it?\nAda\nLovelace", "Who was it?", "Ada Lovelace"),
    ],
)
def test_the_line_after_the_question_is_an_answer_to_it(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, typed: str, question: str, answer: str | None
) -> None:
    from dashboards import asking

    monkeypatch.setattr(asking, "candidates", lambda view: ((1, 3),))
    query = asking.query_of(typed, 0.5, None)  # type: ignore[arg-type]
    assert (query.question, query.answer, query.factor) == (question, answer, 0.5)


def test_pasted_code_is_one_text_and_a_line_of_dashes_begins_another() -> None:
    from dashboards.live import _between

    code = "def f():\n    return 1\n\n\ndef g(): ...\n"
    assert _between(code) == [code] and _between(f"{code}---\nmore") == [code, "\nmore"]
    assert _between("a --- b") == ["a --- b"]

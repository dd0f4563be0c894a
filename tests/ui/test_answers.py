"""A study's answers on the dashboard: found, cut into slices, opened one by one, with what makes a risk believable."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_runs import QUESTIONS
from ui.test_screens import APP, markup, said, testing

from inspector.detectors.hneurons.frames_answers import terms_of
from inspector.run.report import Report, open_run


@pytest.fixture
def study(shelf: Path) -> Report:
    return open_run(shelf / "study")


def neurons(shelf: Path, monkeypatch: pytest.MonkeyPatch, run: str, **address: object) -> Any:
    """The screen of hallucination neurons, drawn."""
    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])
    at = testing.AppTest.from_file(str(APP), default_timeout=120)
    for key, value in {"run": run, **address}.items():
        at.query_params[key] = str(value)
    at.switch_page("screens/neurons.py")
    return at.run()


def test_a_percentile_is_the_share_of_answers_that_look_less_risky(study: Report) -> None:
    scores, e = study.frame("hneurons.answer_scores"), study.evidence["hneurons"]
    odds = e["odds"][e.facts["predictors"].index("entropy")]
    for row in (0, 7, QUESTIONS - 1):
        expected = 100 * ((odds < odds[row]).sum() + 0.5) / QUESTIONS
        assert scores["entropy"][row] == pytest.approx(expected)
    assert scores["risk"].to_numpy() == pytest.approx(1 / (1 + np.exp(-e["odds"][0])))  # no headline: the probe's


def test_what_the_neurons_add_is_what_the_probe_says(study: Any) -> None:
    part = study.part("hneurons")
    for row in (0, 3):
        terms = terms_of(part, row)
        cett = study.evidence["hneurons.contributions"]["answer"][row].reshape(-1)[study.probe.fit.columns]
        assert terms["term"].sum() + study.probe.fit.bias == pytest.approx(study.probe.fit.log_odds(cett[None])[0])
        assert terms["term"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ({}, QUESTIONS),
        ({"label": "wrong"}, QUESTIONS // 2),
        ({"risk_to": "0.5"}, QUESTIONS // 2),
        ({"find": "question 1 <B"}, 1),
        ({"label": "wrong", "risk_to": "0.5"}, 0),
        ({"risk_from": "x", "risk_to": "99", "label": "nonsense"}, QUESTIONS),
    ],
)
def test_filters_in_the_address_leave_the_answers_that_pass(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, address: dict[str, str], count: int
) -> None:
    at = neurons(shelf, monkeypatch, "study", **address)
    if not count:
        assert "No answer passes these filters" in said(at)
        return
    (table,) = [frame.value for frame in at.dataframe]
    assert len(table) == count and f"{count} answers; of {count}" in said(at)
    if address.get("label") == "wrong":
        assert set(table["label"]) == {"incorrect"} and "(100%)" in said(at)


def test_an_answers_page_says_its_risk_beside_base_rate_guard_scores_neurons_and_causes(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.risk.threshold", lambda key, view: 0.64)  # all share an answer: none is held out
    text = said(neurons(shelf, monkeypatch, "tested-study", answer=1))
    assert "Question 1 <b>?</b>" in text and "It is incorrect; the final probe never saw it. Accepted: Iron." in text
    assert "Risk 0.73" in text and "Of all 60 answers that the study learnt from, 30 were incorrect (50%)." in text
    assert "its risk here is 0.80, the threshold 0.64" in text and "would hold this answer back" in text
    assert "The one candidate neuron doesn't move it (verified): scaling it leaves as many answers incorrect." in text
    assert "riskier than" in text and "75 %" in text  # the probe's: thirty below it, and half of thirty ties


def test_no_word_of_an_answer_is_markup_and_a_number_that_is_not_there_is_said(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = neurons(shelf, monkeypatch, "hostile-tested-study", answer=0)
    assert "<img src=x" not in markup(at) and "<img src=x" in said(at)
    assert f"no answer {QUESTIONS}" in said(neurons(shelf, monkeypatch, "study", answer=QUESTIONS))


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    sys.modules["streamlit"].cache_data.clear()

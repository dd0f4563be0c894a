"""Every screen, drawn by AppTest: it shows the run's own numbers, and lives through odd and damaged runs."""

import html
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from conftest import SPIKES
from fixtures_runs import DAMAGED, INVALID, NASTY

from inspector.records import VerdictWord

testing = pytest.importorskip("streamlit.testing.v1", reason="pip install activation-inspector[dashboard]")

APP = Path(__file__).parents[2] / "dashboards" / "app.py"
SCREENS = ("overview", "massive", "sinks", "neurons", "interventions", "compare", "runs")

Open = Callable[..., Any]


@pytest.fixture
def draw(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Draws a screen of a run, with more parameters of the address; gives back the AppTest."""
    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])

    def run(screen: str, name: str = "planted", **address: object) -> Any:
        at = testing.AppTest.from_file(str(APP), default_timeout=120)
        for key, value in {"run": name, **address}.items():
            at.query_params[key] = str(value)
        if screen != "overview":
            at.switch_page(f"screens/{screen}.py")
        return at.run()

    return run


def said(at: Any) -> str:
    """All that a screen says, as the visitor reads it."""
    return html.unescape(markup(at))


def markup(at: Any) -> str:
    """The same as the browser gets it."""
    return "\n".join(element.proto.body for element in at.get("html"))


def address(at: Any) -> dict[str, str]:
    """The parameters of the address."""
    return {name: value if isinstance(value, str) else value[-1] for name, value in at.query_params.items()}


def figures(at: Any) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


@pytest.mark.parametrize("name", ["planted", "empty", "nasty", "two-layers", "study", "tested-study", "tiny", DAMAGED])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_lives_with_every_run(draw: Open, screen: str, name: str) -> None:
    at = draw(screen, name, layer=1, head=0, position=0)
    assert not at.exception
    assert "This page failed" not in said(at)
    if name == DAMAGED and screen != "runs":
        assert "findings.parquet is damaged" in said(at)


def test_a_run_that_does_not_validate_breaks_no_other_page(draw: Open) -> None:
    assert re.search("evidence 'sinks'|of 'sinks'", said(draw("sinks", INVALID)))
    assert "failed" not in said(draw("compare"))


def test_the_overview_counts_what_was_planted(draw: Open) -> None:
    text = said(draw("overview"))
    assert "in dim 5 at position 0" in text
    assert "Saved run" in text and "run planted" in text
    assert "magnitude 100" in text  # thresholds are shown


def test_a_chosen_cell_shows_what_was_planted(draw: Open) -> None:
    text = said(draw("massive", layer=SPIKES[0].layer, position=0, text=0))
    assert "Dim 5 holds 4,998" in text
    assert "In layer 2 the MLP adds 5,0" in text and "its neurons 0 (100%)" in text


def test_a_chosen_head_says_what_it_does_and_what_that_does_not_mean(draw: Open) -> None:
    text = said(draw("sinks", layer=1, head=2))
    assert "Head 2 of layer 1 places" in text and "not evidence that the token matters" in text


def test_a_chosen_neuron_shows_the_answers_that_it_speaks_up_in(draw: Open) -> None:
    at = draw("neurons", "study", layer=1, neuron=3)
    text = said(at)
    assert "Neuron 3 of layer 1 is a candidate" in text
    assert "an intervention must tell" in text
    assert "fires at 2.5% of the tokens" in text
    assert "<script" not in markup(at)
    first = text[text.index("activates most") :]
    assert first.index("Question 0 <b>?</b>") < first.index("Question", first.index("Question 0") + 5)


def test_a_slider_judges_again_and_the_address_keeps_it(draw: Open) -> None:
    at = draw("sinks")
    before = said(at)
    at.select_slider(key="slider sinks.epsilon").set_value(0.95).run()
    assert at.query_params["sinks.epsilon"] == "0.95"
    assert "(ε = 0.95" in said(at) and "epsilon 0.95" in said(at) and "(ε = 0.95" not in before


def test_a_slider_judges_candidates_again(draw: Open) -> None:
    at = draw("neurons", "study")
    assert "1 of the probe's 2 neurons are candidates" in said(at) and "1 candidate neuron of 2" in said(at)
    at.select_slider(key="slider hneurons.stability").set_value(0.95).run()
    assert "0 of the probe's 2 neurons are candidates" in said(at) and "No neuron is a candidate" in said(at)


def test_a_refuted_candidate_is_still_a_candidate(draw: Open) -> None:
    text = said(draw("neurons", "tested-study", layer=1, neuron=3))
    assert "1 of the probe's 2 neurons are candidates; tested as causes: 1 refuted" in text
    assert "Neuron 3 of layer 1 is a candidate" in text and "It doesn't cause them" in text
    assert "Tested as causes: 1 refuted." in text
    assert "of the probe's 2; as causes: 1 refuted" in said(draw("overview", "tested-study"))
    assert "Abstaining when risky: by probe" in text


def test_a_threshold_in_the_address_is_in_force_and_nonsense_is_not(draw: Open) -> None:
    assert "magnitude 3000" in said(draw("massive", magnitude=3000))
    assert "magnitude 100," in said(draw("massive", magnitude="1e9"))
    assert "ratio 1000" in said(draw("massive", ratio="</span><script>"))


def test_tokens_are_never_markup(draw: Open) -> None:
    for screen in ("overview", "massive"):
        text = markup(draw(screen, "nasty", layer=2, position=0))
        assert "<script" not in text and "<img" not in text
    boxes = markup(draw("overview", "nasty"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in boxes
    assert not [m for m in draw("overview", "nasty").markdown if any(token in m.value for token in NASTY[:4])]


def test_verdicts_have_a_sign_and_a_word(draw: Open) -> None:
    text = said(draw("interventions"))
    assert re.findall(r"class=verdict>(. [a-z ]+)<", text)
    assert "◇ undecided" in text
    from dashboards import widgets

    assert {*get_args(VerdictWord), "harmless", "not harmless"} == set(widgets.VERDICTS)
    assert len({sign for sign, _ in widgets.VERDICTS.values()}) >= 7


def test_a_target_in_the_address_fills_the_form(draw: Open) -> None:
    at = draw("interventions", kind="resid_post", layer=4, unit=9, at=0, op="zero")
    assert [field.value for field in at.number_input[:3]] == [4, 9, 0]


@pytest.mark.parametrize("at", ["999999", "-3", "x", "1e3"])
def test_a_token_outside_the_context_in_the_address_is_no_token(draw: Open, at: str) -> None:
    drawn = draw("interventions", kind="resid_post", layer=999, unit=10**8, at=at, factor="nan", op="scale")
    assert "failed" not in said(drawn) and drawn.number_input(key="whole position").value is None
    assert drawn.slider(key="factor").value == 0.5


def test_what_is_changed_by_hand_is_written_into_the_address(draw: Open) -> None:
    at = draw("interventions", kind="resid_post", layer=4, unit=9, at=0, op="zero")
    for field, value in (("layer", 2), ("unit", 7), ("position", 3), ("seed", 5)):
        at.number_input(key=f"whole {field}").set_value(value).run()
    at.selectbox(key="choice op").set_value("scale").run()
    at.slider(key="factor").set_value(0.0).run()
    wanted = {"kind": "resid_post", "layer": "2", "unit": "7", "at": "3", "op": "scale", "factor": "0", "seed": "5"}
    assert wanted.items() <= address(at).items()
    assert [field.value for field in at.number_input[:4]] == [2, 7, 3, 5] and at.slider(key="factor").value == 0
    at.number_input(key="whole position").set_value(None).run()
    assert "at" not in address(at) and at.number_input(key="whole position").value is None


def test_another_kind_keeps_an_address_that_fits_it(draw: Open) -> None:
    at = draw("interventions", kind="resid_post", layer=4, unit=15, at=0, op="scale", factor=2)
    at.selectbox(key="choice kind").set_value("attention").run()
    assert address(at)["op"] == "unattend" and "factor" not in address(at)
    assert at.number_input(key="whole unit").value == int(address(at)["unit"]) < 15
    at.selectbox(key="choice kind").set_value("mlp_out").run()
    assert "unit" not in address(at) and address(at)["op"] == "drop"
    assert "sizes of these are not measured" in said(at)


def test_without_a_target_in_the_address_one_change_by_hand_names_all_of_it(draw: Open) -> None:
    at = draw("interventions")
    before = [field.value for field in at.number_input[:3]]
    at.number_input(key="whole layer").set_value(0).run()
    assert [field.value for field in at.number_input[:3]] == [0, *before[1:]]


def identity(run: Path) -> tuple[str, str, str]:
    """What results of jobs on a run belong to."""
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return str(run), about["model"]["fingerprint"], about["input_sha256"]


def outcome_of(at: Any, kind: str, of: object, result: object) -> Any:
    """The screen once a job of this session ended with this result."""
    from dashboards import state

    job = state.jobs().submit(kind, lambda _: result, kind, repr(of))
    while not job.over:
        time.sleep(0.01)
    at.session_state[f"job {kind}"] = job.id
    return at.run()


def test_a_result_is_shown_under_its_own_run_and_inputs_only(draw: Open, shelf: Path) -> None:
    from dashboards import changing
    from inspector.interventions.change import Change

    nothing = pd.DataFrame({"token": ["a"], "probability": [1.0]})
    ways = [changing.Way(name, nothing, "on", 1.0, 0.0, 0.5) for name in ("baseline", "changed so", "control so")]
    result = changing.Compared("Once upon", ways, "The control is any other.")
    address = {"kind": "mlp_out", "layer": 1, "at": 0, "op": "drop"}
    change = Change("mlp_out", 1, None, 0, "drop", 0.5)
    key = identity(shelf / "planted")
    at = outcome_of(draw("interventions", **address), "change", (key, None, change, 0), result)
    assert "Changed so: the loss goes" in said(at) and "“Once upon” continues with" in said(at)
    assert "The control is any other." in said(at)
    at.number_input(key="whole layer").set_value(2).run()
    assert "Changed so" not in said(at)
    at.number_input(key="whole layer").set_value(1).run()
    assert "Changed so" in said(at)
    at.selectbox(key="choice run").set_value("two-layers").run()
    assert "run two-layers" in said(at) and "Changed so" not in said(at)


def test_an_answer_says_what_was_asked_and_a_factor_of_nothing_is_nothing(draw: Open, shelf: Path) -> None:
    from dashboards import work
    from inspector.hallucination.scored import Scored

    tokens = pd.DataFrame({"token": ["x"], "risk": [0.5]})
    neurons = pd.DataFrame({"layer": [1, 2], "neuron": [3, 4], "term": [0.1, -0.2]})
    earlier = Scored("q", "x", 0.5, tokens, neurons, 0.5)
    scores = pd.DataFrame(
        {"score": ["probe"], "value": [0.1], "percentile": [62.5], "term": [0.2], "in_headline": True}
    )
    scored = replace(
        earlier, risk=0.71, scores=scores, reliability="Of the study's 40 answers <b>31</b> were incorrect."
    )
    key = identity(shelf / "study")
    of, asked = (key, None, ((1, 3),)), work.Asked("Who <b>was</b> it?", 0.0, [scored, earlier])
    at = outcome_of(draw("neurons", "study"), "ask", of, asked)
    at.text_area(key="question").set_value("Something else").run()
    assert "Asked: Who <b>was</b> it?" in said(at) and "Candidates × 0<" in said(at)
    assert "<b>was" not in markup(at) and "<b>31" not in markup(at)
    assert "Risk 0.71" in said(at) and "Of the study's 40 answers" in said(at) and "0.5 is undecided" in said(at)
    at.selectbox(key="choice run").set_value("tested-study").run()
    assert "run tested-study" in said(at) and "Asked:" not in said(at)


def test_a_pinned_run_that_is_gone_is_not_replaced_by_another(draw: Open) -> None:
    at = draw("compare", "planted", pin="gone")
    assert "'gone', is not here" in said(at) and not figures(at)
    at.selectbox(key="choice pin").set_value("empty").run()
    assert address(at)["pin"] == "empty" and figures(at)


@pytest.mark.parametrize("name", ["planted", "study", "tested-study"])
def test_without_a_pin_the_latest_other_run_with_the_same_detectors_is_compared(draw: Open, name: str) -> None:
    at = draw("compare", name)
    expected = {"planted": "tiny", "study": "tested-study", "tested-study": "study"}
    assert at.selectbox(key="choice pin").value == expected[name]
    assert figures(at)


def test_two_studies_are_compared_by_their_predictors(draw: Open) -> None:
    at = draw("compare", "study", pin="tested-study")
    assert "The probe's AUROC: 0.90 in the first, 0.90 in the second" in said(at)


def test_the_tours_first_stop_says_what_is_next_once_a_text_was_inspected(draw: Open, tiny_folder: Path) -> None:
    from dashboards import state, work

    assert "Run the example below" in said(draw("overview", "planted", tour=1))
    scan = lambda job: work.scan(job, str(tiny_folder), ["w5 w6"], ["massive"], bos=None, dtype="auto")  # noqa: E731
    job = state.jobs().submit("scan", scan)
    while not job.over:
        time.sleep(0.01)
    at = draw("overview", state.LIVE + job.id, tour=1)
    assert "Run the example below" not in said(at) and "Next, see where the largest numbers sit" in said(at)


def test_runs_of_other_shapes_are_aligned_by_depth(draw: Open) -> None:
    at = draw("compare", "planted", pin="two-layers")
    axes = [figure["layout"]["xaxis"]["title"]["text"] for figure in figures(at)]
    assert "relative depth (0: first layer, 1: last)" in axes
    same = [figure["layout"]["xaxis"]["title"]["text"] for figure in figures(draw("compare", "planted", pin="empty"))]
    assert same[:2] == ["layer", "layer"]


def test_two_maps_that_are_compared_have_the_same_limits(draw: Open) -> None:
    maps = [f["data"][0] for f in figures(draw("compare", "planted", pin="empty")) if f["data"][0].get("colorbar")]
    limits = {(one["zmin"], one["zmax"]) for one in maps if one["zmax"] > 1}
    assert len(limits) == 1


def test_what_cannot_be_compared_is_said(draw: Open) -> None:
    assert "measured different things" in said(draw("compare", "planted", pin="study"))


def test_a_run_that_is_not_there_is_named_and_paths_lead_nowhere(draw: Open) -> None:
    assert "No run 'gone' here" in said(draw("massive", "gone"))
    for name in ("../planted", "/etc", "planted/../planted", ".."):
        assert "can't name a run" in said(draw("massive", name))


def test_a_page_that_fails_says_so_without_a_traceback(draw: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboards import widgets

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(widgets, "head", broken)
    at = draw("sinks")
    assert "This page failed (ZeroDivisionError)" in said(at)
    assert "secret detail" not in said(at) and not at.exception


def test_every_chart_has_words_for_those_who_do_not_see_it(draw: Open) -> None:
    for screen in ("massive", "sinks", "interventions"):
        charts = draw(screen, layer=2, position=0, head=2).get("plotly_chart")
        assert charts
        assert all(len(chart.proto.alt) > 60 for chart in charts)


def test_an_empty_folder_offers_the_doors_and_the_tour_with_its_form(
    draw: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", str(tmp_path / "none")])
    at = testing.AppTest.from_file(str(APP), default_timeout=60).run()
    assert "What is massive in my model?" in said(at) and "This needs a study" in said(at)
    next(one for one in at.button if "tour" in one.label).click().run()
    assert "Tour, 1 of 5" in said(at) and "Inspect a text" in said(at)


def test_deleting_asks_twice(draw: Open, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shelf / "planted", tmp_path / "doomed")
    monkeypatch.setattr(sys, "argv", ["app.py", str(tmp_path)])
    at = testing.AppTest.from_file(str(APP), default_timeout=60)
    at.switch_page("screens/runs.py")
    at.session_state["more doomed"] = True
    at.run()
    assert at.button(key="delete doomed").disabled
    at.checkbox(key="sure doomed").check().run()
    at.button(key="delete doomed").click().run()
    assert (tmp_path / "doomed" / "run.json").exists()
    assert [button.label for button in at.button][-2:] == ["Delete it", "Keep it"]


@pytest.mark.parametrize("what", ["verify", "decoding", "compression", "study", "lens", "neuron"])
def test_every_measurement_has_a_form_with_one_button(draw: Open, what: str) -> None:
    at = draw("measure", measure=what, run="planted")
    assert not at.exception and "What takes a model and some time" in said(at)
    assert [one.label for one in at.button if one.label.startswith("Measure")] == ["Measure (loads the model)"]


def test_a_measurement_says_where_it_was_kept_and_a_neuron_is_drawn(draw: Open, shelf: Path) -> None:
    from dashboards import long_work

    kept = long_work.Saved("planted-verified", ("Two of three spikes matter.",))
    key = identity(shelf / "planted")
    at = outcome_of(draw("measure", measure="verify", run="planted"), "measure verify", (key, None), kept)
    assert "Kept in run 'planted-verified'." in said(at) and "Two of three spikes matter." in said(at)
    found = pd.DataFrame({"layer": [1], "neuron": [2], "token": [" <b>Paris"], "logit": [3.5]})
    at = outcome_of(draw("measure", measure="neuron"), "measure neuron", None, found)
    assert "that promote ' <b>Paris' most" in html.unescape(said(at))


def test_a_result_is_shown_though_something_was_kept_in_its_run_since(
    draw: Open, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashboards import long_work
    from inspector import open_run

    shutil.copytree(shelf / "planted", tmp_path / "planted")
    key = identity(tmp_path / "planted")
    monkeypatch.setattr(sys, "argv", ["app.py", str(tmp_path)])
    report = open_run(tmp_path / "planted")
    replace(report, notes=("More was kept.",)).save(tmp_path / "planted", overwrite=True)
    os.utime(tmp_path / "planted" / "run.json", (0, 0))
    at = draw("measure", measure="compression", run="planted")
    at = outcome_of(at, "measure compression", (key, None), long_work.Saved("planted", ("It costs little.",)))
    assert "Kept in run 'planted'." in said(at) and "It costs little." in said(at)


def test_a_note_is_kept_in_the_run_and_changes_nothing_else(draw: Open, shelf: Path) -> None:
    from inspector import open_run

    before = open_run(shelf / "two-layers")
    at = draw("sinks", "two-layers", layer=1, head=0)
    field = next(one for one in at.text_area if one.label == "Note on head 0 of layer 1")
    field.set_value("<b>Look</b> again")
    next(one for one in at.button if one.label == "Keep the note").click().run()
    after = open_run(shelf / "two-layers")
    assert after.settings["remarks"] == {"head 0 of layer 1": "<b>Look</b> again"}
    assert after.findings == before.findings and after.evidence.keys() == before.evidence.keys()
    assert "head 0 of layer 1: <b>Look</b> again" in said(draw("overview", "two-layers")) and "<b>Look" not in markup(
        draw("overview", "two-layers")
    )
    at = draw("sinks", "two-layers", layer=1, head=0)
    next(one for one in at.text_area if one.label == "Note on head 0 of layer 1").set_value(" ")
    next(one for one in at.button if one.label == "Keep the note").click().run()
    assert "remarks" not in open_run(shelf / "two-layers").settings

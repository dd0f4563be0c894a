"""The code behind every chart draws that chart: run as a notebook would run it, in a fresh namespace."""

import ast
import sys
import time
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

testing = pytest.importorskip("streamlit.testing.v1", reason="pip install activation-inspector[dashboard]")

from dashboards import charts, state, work  # noqa: E402
from dashboards.jobs import Job  # noqa: E402

APP = Path(__file__).parents[2] / "dashboards" / "app.py"
Drawn = dict[str, tuple[go.Figure, str]]
"""A chart's figure without its click layer, and its code."""


@pytest.fixture
def drawn(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What was drawn since the test began, by chart."""
    found: Drawn = {}
    draw = charts.framed

    def noted(key: str, figure: go.Figure, table: Any, code: str, *rest: Any, **more: Any) -> None:
        clicks = more.get("pick") is not None and figure.data[-1].marker.opacity == 0 and not figure.data[-1].text
        found[key] = (go.Figure(figure.data[:-1] if clicks else figure.data), code)
        draw(key, figure, table, code, *rest, **more)

    monkeypatch.setattr(charts, "framed", noted)
    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])
    return found


def screen(name: str, run: str, **address: object) -> Any:
    """A screen of a run that was drawn without a fault."""
    at = testing.AppTest.from_file(str(APP), default_timeout=120)
    for key, value in {"run": run, **address}.items():
        at.query_params[key] = str(value)
    if name != "overview":
        at.switch_page(f"screens/{name}.py")
    at.run()
    assert not at.exception
    return at


def ran(code: str) -> Any:
    """What a notebook shows for a cell: the value of its last line."""
    *before, last = ast.parse(code).body
    space: dict[str, Any] = {}
    exec(compile(ast.Module(before, []), "cell", "exec"), space)
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), space)


def all_run(drawn: Drawn) -> None:
    for key, (figure, code) in drawn.items():
        again = ran(code)
        assert isinstance(again, go.Figure), key
        assert [trace.type for trace in again.data] == [trace.type for trace in figure.data], key
        for mine, theirs in zip(figure.data, again.data, strict=True):
            if mine.type == "heatmap":
                ends = [(one.z.shape, one.zmin, one.zmax, one.x[0], one.x[-1]) for one in (mine, theirs)]
                assert ends[0] == ends[1], key


ODD = [
    pytest.param(run, marks=pytest.mark.slow)
    for run in ("empty", "nasty", "study", "tested-study", "tried", "two-layers", "tiny")
]


@pytest.mark.parametrize("run", ["planted", *ODD])
def test_the_code_of_every_chart_of_a_saved_run_draws_it(drawn: Drawn, run: str) -> None:
    for name in ("overview", "massive", "sinks", "neurons", "interventions"):
        screen(name, run, layer=2, position=0, head=2, text=0, neuron=3, magnitude=30, epsilon=0.5)
    for family in ("massive activations", "sink heads"):
        if run == "planted":
            screen("interventions", run, tested=family)
            drawn[family] = drawn.pop("effects")
    assert drawn
    all_run(drawn)


@pytest.mark.parametrize(
    ("run", "pin"),
    [
        ("planted", "two-layers"),
        *(
            pytest.param(run, pin, marks=pytest.mark.slow)
            for run, pin in (("planted", "empty"), ("study", "tested-study"), ("nasty", "planted"))
        ),
    ],
)
def test_the_code_of_two_compared_runs_draws_them(drawn: Drawn, run: str, pin: str) -> None:
    screen("compare", run, pin=pin, epsilon=0.5)
    assert drawn
    all_run(drawn)


def test_the_code_of_a_cropped_map_draws_the_crop(drawn: Drawn) -> None:
    screen("massive", "planted", text=0, crop="3-20")
    all_run({"size-map": drawn["size-map"]})
    assert ran(drawn["size-map"][1]).data[0].z.shape[1] == 18


def ended(job: Job | None) -> Job:
    """The job once it is over."""
    assert job is not None
    end = time.monotonic() + 120
    while not job.over:
        assert time.monotonic() < end, job.state
        time.sleep(0.05)
    assert job.state == "done", job.error
    return job


def live(folder: Path, tokens: int) -> str:
    """The name of a live run of the model in this folder, which its own name doesn't lead to."""
    text = " ".join(f"w{5 + i % 90}" for i in range(tokens))
    detectors = ["massive", "sinks"]
    scan = lambda job: work.scan(job, str(folder), [text], detectors, bos=None, dtype="auto")  # noqa: E731
    return state.LIVE + ended(state.jobs().submit("scan", scan)).id


def test_the_code_of_a_live_run_scans_the_same_tokens_again_however_many(drawn: Drawn, tiny_folder: Path) -> None:
    run = live(tiny_folder, 500)
    screen("massive", run, text=0, layer=1, position=0)
    all_run({"size-map": drawn["size-map"]})
    screen("compare", run, pin="empty")
    all_run({"map-first": drawn["map-first"]})


def test_the_code_of_a_pattern_heeds_crop_colours_and_the_hidden_sink(drawn: Drawn, tiny_folder: Path) -> None:
    at = screen("sinks", live(tiny_folder, 40), layer=1, head=0, crop="5-20")
    end = time.monotonic() + 120
    while "pattern" not in drawn and time.monotonic() < end:
        time.sleep(0.2)
        at.run()
    at.toggle(key="log").set_value(True).run()
    at.toggle(key="hide").set_value(True).run()
    figure, code = drawn["pattern"]
    assert figure.data[0].zmin == -4 and figure.data[0].z.shape == (16, 16)
    all_run({"pattern": drawn["pattern"]})
    assert ran(code).data[0].z == pytest.approx(figure.data[0].z, nan_ok=True)


def measured(at: Any, drawn: Drawn, button: str, chart: str) -> None:
    """Press what measures a chart, and wait until it is drawn."""
    next(one for one in at.button if one.label.startswith(button)).click().run()
    end = time.monotonic() + 120
    while chart not in drawn and time.monotonic() < end:
        time.sleep(0.2)
        at.run()


def test_the_code_of_a_saved_run_loads_the_model_from_where_it_is(drawn: Drawn, tiny_folder: Path) -> None:
    at = screen("sinks", "tiny", layer=1, head=0, model=tiny_folder)
    measured(at, drawn, "Measure this pattern", "pattern")
    assert repr(str(tiny_folder)) in drawn["pattern"][1]
    all_run({"pattern": drawn["pattern"]})


def test_the_code_of_many_heads_draws_their_grid(drawn: Drawn, tiny_folder: Path) -> None:
    at = screen("sinks", "tiny", model=tiny_folder, grid="head")
    measured(at, drawn, "Measure these", "patterns")
    all_run({"patterns": drawn["patterns"]})
    figure, code = drawn["patterns"]
    again = ran(code)
    assert again.data[0].z == pytest.approx(figure.data[0].z, nan_ok=True, abs=1e-5)
    assert list(again.data[1].text) == [f"{layer}.{head}" for layer, head in _heads_of(code)]


def _heads_of(code: str) -> list[tuple[int, int]]:
    line = next(one for one in code.splitlines() if one.startswith("heads = "))
    return list(ast.literal_eval(line.removeprefix("heads = ")))


def test_a_cell_whose_dims_were_not_kept_is_measured_and_its_code_draws_it(drawn: Drawn, tiny_folder: Path) -> None:
    kept = state.view("tiny").frame("massive.kept")
    there = set(kept[kept["layer"] == 1]["position"])
    tokens = len(state.view("tiny").frame("tokens"))
    position = next(at for at in range(tokens) if at not in there)
    at = screen("massive", "tiny", model=tiny_folder, text=0, layer=1, position=position)
    assert "cell-dims" not in drawn
    measured(at, drawn, "Measure the dims of token", "cell-dims")
    assert any("Test it: zero dim" in link.proto.label for link in at.get("page_link"))
    for chart in ("cell-dims", "dim-over-layers"):
        figure, code = drawn[chart]
        theirs, mine = ran(code).data[0], figure.data[0]
        assert list(theirs.x) == pytest.approx(list(mine.x), nan_ok=True, abs=1e-5) and len(theirs.y) == len(mine.y)

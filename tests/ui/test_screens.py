"""Every screen, drawn by AppTest: it shows the run's own numbers, and lives through odd and damaged runs."""
# ruff: noqa: F811

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures_runs import DAMAGED, NASTY, SPIKES, shelf  # noqa: F401

testing = pytest.importorskip("streamlit.testing.v1", reason="pip install activation-inspector[dashboard]")

APP = Path(__file__).parents[2] / "dashboards" / "app.py"
SCREENS = ("overview", "massive", "sinks", "neurons", "interventions", "compare", "runs")

Open = Callable[..., Any]


@pytest.fixture
def draw(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Draws a screen of a run, with more parameters of the address; gives back the AppTest."""
    import streamlit as st

    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])

    def run(screen: str, name: str = "planted", **address: object) -> Any:
        at = testing.AppTest.from_file(str(APP), default_timeout=120)
        for key, value in {"run": name, **address}.items():
            at.query_params[key] = str(value)
        if screen != "overview":
            at.switch_page(f"screens/{screen}.py")
        return at.run()

    yield run
    st.cache_resource.clear()


def said(at: Any) -> str:
    """All that a screen says: its own HTML, warnings, errors."""
    return "\n".join([*(e.proto.body for e in at.get("html")), *(e.value for e in (*at.info, *at.warning, *at.error))])


def figures(at: Any) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


@pytest.mark.parametrize("name", ["planted", "empty", "nasty", "two-layers", "study", DAMAGED])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_lives_with_every_run(draw: Open, screen: str, name: str) -> None:
    at = draw(screen, name, layer=1, head=0, position=0)
    assert not at.exception
    assert "This page failed" not in said(at)
    if name == DAMAGED and screen != "runs":
        assert "findings.parquet is damaged" in said(at)


def test_the_overview_counts_what_was_planted(draw: Open) -> None:
    text = said(draw("overview"))
    assert "in dim 5 at position 0" in text
    assert "Saved run" in text and "run planted" in text
    assert "magnitude 100" in text  # thresholds are shown

"""The dashboard's page, by AppTest: it shows the run's own numbers, and survives a damaged run."""

import sys
from pathlib import Path

import pytest

from inspector import examine
from inspector.testing import PlantedSink, PlantedSpike, planted_model, random_texts

APP = Path(__file__).parents[1] / "dashboards" / "app.py"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "object":
    testing = pytest.importorskip("streamlit.testing.v1", reason="pip install activation-inspector[dashboard]")
    model = planted_model([PlantedSpike(2, 5)], [PlantedSink(1, 2)])
    examine(model, random_texts(4, 64, 80, trigger=7)).save(tmp_path / "planted")
    monkeypatch.setattr(sys, "argv", ["app.py", str(tmp_path)])
    return testing.AppTest.from_file(str(APP), default_timeout=60)


def texts(at: object) -> str:
    return "\n".join(t.value for t in at.text)  # type: ignore[attr-defined]


def test_the_page_shows_the_runs_sentences_and_figures(app: object) -> None:
    at = app.run()  # type: ignore[attr-defined]
    assert not at.exception
    assert "in dim 5 at position 0" in texts(at)
    assert len(at.get("plotly_chart")) == 4


def test_a_slider_judges_again(app: object) -> None:
    at = app.run()  # type: ignore[attr-defined]
    before = texts(at)
    at.select_slider(key="magnitude").set_value(1000)
    at.select_slider(key="ratio").set_value(3000)
    assert texts(at.run()) == before  # the planted spike is larger still
    at.select_slider(key="epsilon").set_value(0.95)
    assert "ε = 0.95" in texts(at.run())


def test_a_damaged_run_is_named_and_the_page_lives(app: object, tmp_path: Path) -> None:
    (tmp_path / "planted" / "findings.parquet").write_bytes(b"")
    at = app.run()  # type: ignore[attr-defined]
    assert not at.exception
    assert "findings.parquet is damaged" in at.error[0].value


def test_a_folder_without_runs_says_how_to_make_one(
    app: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", str(tmp_path / "nothing")])
    at = app.run()  # type: ignore[attr-defined]
    assert "inspector examine --out" in at.info[0].value

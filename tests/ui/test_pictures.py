"""Figures on the page: small enough, clickable where they say so, and never recoloured into another meaning."""

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

pytest.importorskip("streamlit", reason="pip install activation-inspector[dashboard]")

from dashboards import charts, theme
from inspector.figures import (
    attention_pattern,
    colour_limits,
    head_map,
    life_cycle,
    magnitude_map,
    rounded,
    top_dims,
    two_predictors,
)
from inspector.figures.patterns import square_pool, without_key

MEGABYTE = 1_000_000


def cells(tokens: int, layers: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    layer, position = np.divmod(np.arange(layers * tokens), tokens)
    table = pd.DataFrame({"text": 0, "layer": layer, "position": position, "token": " word"})
    table["max"] = rng.lognormal(1, 1, len(table))
    table.loc[(table["position"] == 777) & (table["layer"] == 3), "max"] = 20_000.0
    return table


@pytest.fixture
def dark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theme, "is_dark", lambda: True)


@pytest.mark.usefixtures("dark")
def test_maps_of_2048_tokens_stay_below_a_megabyte_and_keep_the_spike() -> None:
    figure = magnitude_map(cells(2048), 0)
    positions = figure.data[0].customdata[..., 1]
    assert 777 in positions[3]
    drawn = theme.themed(charts.clickable(figure))
    assert len(drawn.to_json()) < MEGABYTE
    pattern = np.tril(np.random.default_rng(0).random((2048, 2048), dtype=np.float32))
    shown = attention_pattern(pattern, ["word"] * 2048, "Head 0 of layer 0")
    assert len(theme.themed(shown).to_json()) < MEGABYTE
    assert "max over 6×6" in shown.layout.xaxis.title.text


def test_a_sink_of_one_column_survives_pooling_and_a_crop_is_exact() -> None:
    pattern = np.zeros((2048, 2048), dtype=np.float32)
    pattern[:, 5] = 1.0
    assert (square_pool(pattern, 4)[:, 1] == 1).all()
    part = attention_pattern(pattern, ["w"] * 100, "head", start=1000)
    assert list(part.data[0].x[[0, -1]]) == [1000, 1099] and part.data[0].z.shape == (100, 100)


def test_hiding_the_sink_scales_the_rest_up_to_one() -> None:
    pattern = np.array([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.8, 0.15, 0.05]], dtype=np.float32)
    rest = without_key(pattern, 0)
    assert np.isnan(rest[0]).all()
    np.testing.assert_allclose(rest[1:], [[0, 1, 0], [0, 0.75, 0.25]], atol=1e-6)


def test_each_invisible_point_chooses_the_cell_it_lies_on() -> None:
    heads = pd.DataFrame([(layer, head, layer / 10) for layer in range(3) for head in range(4)])
    heads.columns = pd.Index(["layer", "head", "received"])
    figure = charts.clickable(head_map(heads))
    points = figure.data[-1]
    assert list(zip(points.y, points.x, strict=True)) == [(y, x) for y in range(3) for x in range(4)]
    assert [row[-1] for row in points.customdata] == pytest.approx(heads["received"].tolist())
    assert points.marker.opacity == 0 and figure.data[0].hoverinfo == "skip"


def test_a_click_on_a_long_map_hits_the_brightest_token_under_the_pointer_and_few_nodes_are_drawn() -> None:
    table = cells(2048)
    figure = magnitude_map(table, 0)
    at, x = charts.strongest(figure.data[0]), np.asarray(figure.data[0].x)
    points = charts.clickable(figure).data[-1]
    layers = table["layer"].nunique()
    assert at.shape == (layers, charts.CLICKABLE) and len(points.x) == at.size
    position = np.array([row[1] for row in points.customdata]).reshape(at.shape)
    column = int(np.flatnonzero(position[3] == 777)[0])
    width = (x[-1] - x[0]) / charts.CLICKABLE
    assert abs(points.x[column] - 777) <= width  # the point that the pointer is nearest to above token 777
    assert all(abs(np.array(points.x[: charts.CLICKABLE]) - position[row]).max() <= width for row in range(layers))


@pytest.mark.usefixtures("dark")
def test_only_colours_change_in_the_dark() -> None:
    figure = magnitude_map(cells(40, 3), 0)
    before, after = (json.loads(json.dumps(f.to_plotly_json(), default=str)) for f in (figure, theme.themed(figure)))
    assert before["data"][0]["x"] == after["data"][0]["x"]
    assert after["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("accent", ["#E8590C", "#1971C2", "#6741D9", "#00FF00", "#FFFFE0", "#000000", "no colour"])
def test_every_accent_can_be_read_on_its_page(accent: str) -> None:
    from dashboards import theme
    from inspector.cli.dashboard import THEME

    for page in ("#FFFFFF", THEME["theme.dark.backgroundColor"]):
        assert contrast(theme.readable(accent, page), page) >= 4.5
    for known in theme.TEXT_OF.values():
        assert contrast(known, "#FFFFFF") >= 4.5
        assert contrast(theme.IN_THE_DARK[known], THEME["theme.dark.backgroundColor"]) >= 4.5


def test_the_server_is_told_to_keep_to_itself() -> None:
    from pathlib import Path

    from inspector.cli.dashboard import command

    given: Any = command(Path("runs"), 8501, "127.0.0.1", ["inspector.example.org"])
    for option in (
        "--server.address=127.0.0.1",
        "--browser.gatherUsageStats=false",
        "--server.fileWatcherType=none",
        "--client.toolbarMode=minimal",
        "--client.showErrorDetails=none",
        "--server.allowedHosts=localhost",
        "--server.allowedHosts=inspector.example.org",
    ):
        assert option in given
    assert given[-4:] == ["--", "runs", "60.0", "50000"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(22551.6, "22,552"), (10.4, "10"), (9.996, "10"), (0.5234, "0.523"), (-0.04, "-0.04"), (0.0, "0")],
)
def test_small_numbers_are_not_shown_as_nothing(value: float, said: str) -> None:
    assert rounded(value) == said


def small(cells_of: pd.DataFrame) -> pd.DataFrame:
    """The same map, a hundred-thousandth as large."""
    return cells_of.assign(max=cells_of["max"] / 100_000)


def test_a_map_of_small_numbers_tells_them_apart_and_names_every_layer() -> None:
    figure = magnitude_map(small(cells(1000, 4)))
    z = np.asarray(figure.data[0].z)
    assert np.ptp(z[:, :700]) > 1 and z.max() == pytest.approx(np.log10(0.2))
    bar = figure.data[0].colorbar
    assert len([at for at in bar.tickvals if z.min() <= at <= z.max()]) >= 2
    assert "the largest |x| is 0.2, at token 777" in figure.layout.title.text
    assert figure.layout.yaxis.dtick == 1 and magnitude_map(cells(40)).layout.yaxis.dtick is None


def test_maps_that_are_compared_share_the_colours_of_both() -> None:
    both = [cells(1000, 4), small(cells(1000, 4))]
    for table in both:
        drawn = magnitude_map(table, limits=colour_limits(*both)).data[0]
        assert (drawn.zmin, drawn.zmax) == (0, pytest.approx(np.log10(20_000)))


@pytest.mark.parametrize("high", [0.3, 4.3, 25_000.0])
def test_the_life_cycle_has_ticks_where_the_numbers_are(high: float) -> None:
    layers = pd.DataFrame({"layer": range(3), "max": [high, high / 2, high], "median": high / 4, "ratio": 4.0})
    axis = life_cycle(layers, pd.DataFrame({"main": pd.Series([], dtype=bool)})).layout.yaxis
    assert len([at for at in axis.tickvals if high / 4 <= at <= high]) >= 2


def test_a_bar_of_a_small_entry_is_seen() -> None:
    kept = pd.DataFrame(
        {"text": 0, "layer": 1, "position": 0, "dim": [3, 5], "value": [-0.5, 0.1], "ratio": [9.4, 2.0]}
    )
    figure = top_dims(kept, 0, 1, 0)
    assert (np.asarray(figure.data[0].x) > 0).all()
    assert figure.data[0].base + figure.data[0].x[0] == pytest.approx(np.log10(0.5))
    assert figure.layout.title.text == "Dim 3 holds -0.5, 9.4 × the layer's median"


def test_two_studies_are_drawn_side_by_side() -> None:
    first = pd.DataFrame({"name": ["probe", "length"], "auroc": [0.9, 0.6], "low": [0.8, 0.5], "high": [0.95, 0.7]})
    figure = two_predictors(first, first.assign(auroc=[0.7, 0.6], low=0.5), ("a", "b"))
    assert [list(trace.x) for trace in figure.data] == [[0.9, 0.6], [0.7, 0.6]]
    assert figure.layout.title.text == "The probe's AUROC: 0.90 in the first, 0.70 in the second"


def test_points_that_have_no_colour_bar_get_none() -> None:
    points = go.Scatter(x=[0], y=[0], mode="markers", marker={"opacity": 0})
    shaded, clicks = theme.themed(go.Figure([go.Heatmap(z=[[1.0, 2.0]]), points])).to_plotly_json()["data"]
    assert "tickfont" in shaded["colorbar"] and "colorbar" not in clicks["marker"]

"""Texts in figures are text, whoever drew the figure."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from fixtures_hostile import ATTACKS

from inspector.figures.drawing import Drawing
from inspector.figures.markup import as_text


def careless(table: pd.DataFrame) -> go.Figure:
    """A plugin's figure that puts a run's words everywhere."""
    words = table["word"].tolist()
    figure = go.Figure(go.Bar(x=words, y=table["size"], name=words[0], customdata=np.array(words, dtype=object)))
    figure.update_traces(hovertemplate=f"{words[1]}: %{{y:$.2f}}<br>%{{customdata}}<extra></extra>", text=words)
    figure.add_annotation(text="first", x=0.5)
    figure.add_annotation(text=words[2], x=0.25)
    figure.update_xaxes(title=words[3], tickvals=[0], ticktext=[words[4]])
    return figure.update_layout(title=f"<b>Most</b><br>{words[5]}", legend_title_text=words[0])


@pytest.fixture
def drawn() -> go.Figure:
    table = pd.DataFrame({"word": ATTACKS, "size": 1.0})
    return Drawing(careless, ("table",)).figure(lambda source: table)


def test_no_tag_and_no_tex_of_a_run_reaches_plotly(drawn: go.Figure) -> None:
    said = drawn.to_json().replace("\\u003c", "<").replace("\\u003e", ">")
    for tag in ("<img", "<a ", "<span", "<script", "</script", "<style", "$\\\\href", "$<"):
        assert tag not in said, tag
    assert "&lt;img" in said and "&#36;" in said
    assert [(one.text[:5], one.x) for one in drawn.layout.annotations] == [("first", 0.5), ("&lt;s", 0.25)]


def test_our_own_line_breaks_bold_and_formats_stay(drawn: go.Figure) -> None:
    assert drawn.layout.title.text.startswith("<b>Most</b><br>")
    assert ": %{y:$.2f}<br>%{customdata}<extra></extra>" in drawn.data[0].hovertemplate


def test_quotes_are_shown_as_quotes_which_plotly_would_not() -> None:
    figure = as_text(go.Figure(go.Bar(x=["&quot;a&quot;", "it&#x27;s", "&lt;b&gt;"])))
    assert list(figure.data[0].x) == ['"a"', "it's", "&lt;b&gt;"]


def test_numbers_stay_the_arrays_that_they_were_and_twice_changes_nothing(drawn: go.Figure) -> None:
    where = np.arange(9).reshape(3, 3)
    heat = go.Heatmap(z=np.zeros((3, 3)), customdata=where, colorbar_title=ATTACKS[0])
    figure = as_text(go.Figure(heat, layout_title_text="1 < 2, <b>2 > 1</b>"))
    assert figure.data[0].customdata is not None and (np.asarray(figure.data[0].customdata) == where).all()
    assert figure.data[0].colorbar.title.text.startswith("&lt;img")
    assert figure.layout.title.text == "1 < 2, <b>2 > 1</b>"
    before = drawn.to_json()
    assert as_text(drawn).to_json() == before

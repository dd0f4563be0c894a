"""Massive activations: the map of sizes, a clicked cell, the life cycle, and neighbouring definitions."""

import html

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboards import cell, charts, detector, state, widgets
from dashboards.state import View
from inspector.detectors.massive.figures import drawings, magnitude_map
from inspector.figures import token_label
from inspector.figures.drawing import Drawing, Source
from inspector.printable import brief
from inspector.token_text import whole

MEANS = (
    "The largest number of each token's stream after each layer, on a log scale. A bright column is a token that "
    "has a spike."
)
HINT = "Click a cell to open it; the box tool at the top right shows a part at full resolution."


def size_map(view: View) -> tuple[int, int, int] | None:
    """The map of one text; the cell that is chosen in it."""
    table = view.frame("massive.map")
    texts = sorted(table["text"].unique().tolist())
    columns = st.columns([2, 1, 1])
    with columns[0]:
        opening = _openings(view)
        text = widgets.choice("text", "Text", texts, state.number("text", texts), opening.__getitem__)
    table = table[table["text"] == text]
    names = table.drop_duplicates("position").set_index("position")["token"]
    with columns[1]:
        layer = widgets.pick("layer", "Layer", sorted(table["layer"].unique().tolist()), dim=None)
    with columns[2]:
        said = lambda at: f"{at}: {html.unescape(token_label(names[at]))}"  # noqa: E731
        position = widgets.pick("position", "Token", names.index.tolist(), said, dim=None)
    _drawn(view, int(table["position"].max()) + 1, text, layer, position)
    return None if layer is None or position is None else (text, layer, position)


def _drawn(view: View, length: int, text: int, layer: int | None, position: int | None) -> None:
    """The picture, with the chosen cell framed."""
    first, last = charts.cropped(length)
    part = f"text == {text}" + (f" and {first} <= position <= {last}" if last - first + 1 < length else "")
    drawing = Drawing(
        magnitude_map,
        (Source("massive.map", part),),
        {"text": text},
        MEANS,
        ("residual stream", "massive activation"),
    )

    def points(figure: go.Figure) -> charts.Pick:
        cells = figure.data[0]
        chosen = charts.strongest(cells)
        columns = [int(at) for at in cells.customdata[..., 1].reshape(-1)[chosen.reshape(-1)]]
        layers = [int(layer) for layer in cells.y for _ in range(chosen.shape[1])]
        return {"layer": layers, "position": columns, "text": [text] * len(layers), "dim": [None] * len(layers)}

    def clickable(figure: go.Figure) -> go.Figure:
        at = figure.data[0].x
        width = int(at[1] - at[0]) if len(at) > 1 else 1
        figure = charts.clickable(figure)
        if layer is not None and position is not None and first <= position <= last:
            charts.mark(figure, first + (position - first) // width * width, layer, width)
        return figure

    charts.draw(
        view,
        "size-map",
        drawing,
        change=clickable,
        hint=HINT,
        pick=points,
        crop=lambda box: state.choose(crop=charts.box_of(box, "x")),
    )


def show(view: View) -> None:
    """What comes after the thresholds and the sentences."""
    chosen = size_map(view) if view.has("massive.map") else None
    if chosen is not None:
        cell.cell(view, *chosen)
    part = view.report.part("massive")
    assert part is not None
    charts.draw(view, "life-cycle", drawings(part)["massive.life_cycle"])
    _neighbours(view)


def _neighbours(view: View) -> None:
    """Tables of neighbouring definitions: int8 by layer, outlier dims and tokens, the spike's direction."""
    layers = view.frame("massive.layers")
    columns = ["layer", "int8_error", "int8_error_without", "kurtosis"]
    tables = {
        "What int8 would cost each layer's stream, and how heavy its tails are": layers[columns],
        "Outlier dims (LLM.int8)": view.frame("massive.outliers").head(ROWS),
        "Outlier tokens at an MLP's last matrix (PrefixQuant)": view.frame("massive.token_outliers").head(ROWS),
        "The spike token's direction after the norm": view.frame("massive.directions"),
    }
    with st.expander("Neighbouring definitions: what quantising would meet"):
        for title, table in tables.items():
            st.html(f"<h2 class=figure>{html.escape(title)}</h2>")
            widgets.plain_table(table) if len(table) else widgets.note("None.")


ROWS, FIRST_TOKENS = 12, 14


def _openings(view: View) -> dict[int, str]:
    """Each text's number and first words."""
    tokens = view.frame("tokens")
    texts = tokens.groupby("text", sort=False)
    begun = texts.head(FIRST_TOKENS).groupby("text", sort=False)["token"].agg(_joined)
    more = texts.size() > FIRST_TOKENS
    return {text: brief(f"{text}: {words.strip()}{'…' if more[text] else ''}", 64) for text, words in begun.items()}


def _joined(tokens: "pd.Series[str]") -> str:
    return whole("".join(tokens.astype(str))).replace("\n", " ")


detector.page(show)

"""Massive activations: the map of sizes, a clicked cell, the life cycle, and the thresholds."""

import html

import pandas as pd
import streamlit as st

from dashboards import cell, charts, notebook, state, widgets
from dashboards.state import View
from inspector.figures import life_cycle, magnitude_map, token_label
from inspector.show.sentences import massive


def thresholds(view: View) -> None:
    """The sliders; a run is judged again at once, without its model."""
    columns = st.columns(3)
    with columns[0]:
        widgets.slider(view, "ratio", "At least this many medians", "The paper's 1,000 was set on 7B models.")
    with columns[1]:
        widgets.slider(view, "magnitude", "And |x| above", "The paper's 100; 0 switches it off for small models.")
    with columns[2]:
        widgets.slider(view, "dim_ratio", "And × the layer's other dims", "Off at 0. 10 is a scale-free choice.")


def size_map(view: View) -> tuple[int, int, int] | None:
    """The map of one text; the cell that is chosen in it."""
    table = view.frame("massive.map")
    texts = sorted(table["text"].unique().tolist())
    columns = st.columns([2, 1, 1])
    with columns[0]:
        text = widgets.choice("text", "Text", texts, state.number("text", texts), lambda n: _opening(view, n))
    table = table[table["text"] == text]
    names = table.drop_duplicates("position").set_index("position")["token"]
    with columns[1]:
        layer = widgets.pick("layer", "Layer", sorted(table["layer"].unique().tolist()), dim=None)
    with columns[2]:
        said = lambda at: f"{at}: {html.unescape(token_label(names[at]))}"  # noqa: E731
        position = widgets.pick("position", "Token", names.index.tolist(), said, dim=None)
    _drawn(view, table, text, layer, position)
    return None if layer is None or position is None else (text, layer, position)


def _drawn(view: View, table: pd.DataFrame, text: int, layer: int | None, position: int | None) -> None:
    """The picture, with the chosen cell framed."""
    first, last = charts.cropped(int(table["position"].max()) + 1)
    shown = table[table["position"].between(first, last)]
    part = notebook.table("massive.map")
    if len(shown) < len(table):
        part += f".query({f'{first} <= position <= {last}'!r})"
    figure = magnitude_map(shown, text)
    cells = figure.data[0]
    columns = [int(at) for at in cells.customdata[..., 1].reshape(-1)]
    layers = [int(layer) for layer in cells.y for _ in cells.x]
    width = int(cells.x[1] - cells.x[0]) if len(cells.x) > 1 else 1
    figure = charts.clickable(figure)
    if layer is not None and position is not None and first <= position <= last:
        charts.mark(figure, first + (position - first) // width * width, layer, width)
    charts.chart(
        "size-map",
        figure,
        shown,
        notebook.drawn(view, "magnitude_map", part, f"text={text}"),
        "The largest number of each token's stream after each layer, on a log scale. A bright column is a token that "
        "carries a spike. Click a cell to open it; the box tool at the top right shows a part at full resolution.",
        ("residual stream", "massive activation"),
        pick={"layer": layers, "position": columns, "text": [text] * len(layers), "dim": [None] * len(layers)},
        crop=lambda box: state.choose(crop=charts.box_of(box, "x")),
    )


def page() -> None:
    """Draw the page."""
    widgets.head("Massive activations", "A few numbers inside the model are thousands of times larger than the rest.")
    view = widgets.open_view()
    if view is None:
        return
    if not view.has("massive.layers"):
        widgets.note(
            "This run did not look for massive activations. Choose one that did, or inspect a text on the overview."
        )
        return
    thresholds(view)
    for line in massive(view.measured):
        widgets.finding(line, "massive")
    chosen = size_map(view) if view.has("massive.map") else None
    if chosen is not None:
        cell.cell(view, *chosen)
    layers, plateaus = view.frame("massive.layers"), view.frame("massive.plateaus")
    charts.chart(
        "life-cycle",
        life_cycle(layers, plateaus),
        layers,
        notebook.drawn(view, "life_cycle", notebook.table("massive.layers"), notebook.table("massive.plateaus")),
        "Largest and median |x| of each layer. Shaded: a dim is carried there. Its left edge is the block that writes "
        "it (step-up), its right edge the block before the one that takes it back (step-down).",
        ("life cycle", "massive activation"),
    )


def _opening(view: View, text: int) -> str:
    tokens = view.frame("tokens")
    words = "".join(tokens[tokens["text"] == text]["token"].head(14).astype(str)).replace("\n", " ")
    return f"{text}: {words.strip()[:60]}…"


page()

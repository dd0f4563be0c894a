"""Attention sinks: heads by a chosen measure, a clicked head, received attention, controls, the curve over ε."""

import plotly.graph_objects as go
import streamlit as st

from dashboards import charts, detector, head, patterns, state, widgets
from dashboards.state import View
from inspector.detectors.sinks.figures import MEASURES, drawings, head_map
from inspector.figures.drawing import Drawing

MEANS = "One square for each head. Many attend to the first token when they have nothing to look for."
TERMS = ("attention sink", "received attention", "attention entropy")


def head_strip(view: View) -> None:
    """The map of heads, and the head that is chosen in it."""
    heads = view.frame("sinks.heads")
    measures = [name for name in MEASURES if heads[name].notna().any()]
    columns = st.columns([2, 1, 1])
    with columns[0]:
        measure = widgets.choice("measure", "Colour the heads by", measures, state.chosen("measure"), MEASURES.get)
    with columns[1]:
        layer = widgets.pick("layer", "Layer", sorted(heads["layer"].unique().tolist()))
    with columns[2]:
        number = widgets.pick("head", "Head", sorted(heads["head"].unique().tolist()))
    drawing = Drawing(head_map, ("sinks.heads",), {"measure": measure}, MEANS, TERMS)

    def squares(figure: go.Figure) -> charts.Pick:
        cells = figure.data[0]
        return {
            "layer": [int(y) for y in cells.y for _ in cells.x],
            "head": [int(x) for _ in cells.y for x in cells.x],
        }

    def clickable(figure: go.Figure) -> go.Figure:
        figure = charts.clickable(figure)
        return figure if layer is None or number is None else charts.mark(figure, number, layer)

    charts.draw(view, "head-map", drawing, change=clickable, hint="Click one to see it.", pick=squares)
    mine = heads[(heads["layer"] == layer) & (heads["head"] == number)]
    if len(mine):
        head.head(view, mine.iloc[0])
    chosen = (layer, number) if layer is not None and number is not None and len(mine) else None
    patterns.show(view, heads, chosen)


def show(view: View) -> None:
    """What comes after the threshold and the sentences."""
    head_strip(view)
    part = view.report.part("sinks")
    assert part is not None
    known = drawings(part)
    charts.draw(view, "received", known["sinks.received"])
    left, right = st.columns(2)
    with left:
        charts.draw(view, "controls", known["sinks.controls"])
    with right:
        charts.draw(view, "curve", known["sinks.curve"])


detector.page(show)

"""Attention sinks: heads by a chosen measure, a clicked head, received attention, controls, the curve over ε."""

import streamlit as st

from dashboards import charts, head, notebook, state, widgets
from dashboards.state import View
from inspector.figures import head_map, received_by_position, sink_controls, sink_curve
from inspector.figures.sinks import MEASURES
from inspector.show.sentences import paragraphs


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
    figure = head_map(heads, measure)
    cells = figure.data[0]
    layers = [int(y) for y in cells.y for _ in cells.x]
    numbers = [int(x) for _ in cells.y for x in cells.x]
    figure = charts.clickable(figure)
    if layer is not None and number is not None:
        charts.mark(figure, number, layer)
    charts.chart(
        "head-map",
        figure,
        heads,
        notebook.drawn(view, "head_map", notebook.table("sinks.heads"), repr(measure)),
        "One square a head. Many rest on the first token when they have nothing to look for; click one to see it.",
        ("attention sink", "received attention", "attention entropy"),
        pick={"layer": layers, "head": numbers},
    )
    mine = heads[(heads["layer"] == layer) & (heads["head"] == number)]
    if len(mine):
        head.head(view, mine.iloc[0])


def around(view: View) -> None:
    """Received attention by position, the controls, and the curve."""
    epsilon = state.in_force(view.measured)["epsilon"]
    keys, controls, curve = (view.frame(f"sinks.{name}") for name in ("keys", "controls", "curve"))
    charts.chart(
        "received",
        received_by_position(keys, epsilon),
        keys,
        notebook.drawn(view, "received_by_position", notebook.table("sinks.keys"), f"{epsilon:g}"),
        "Averaged over all texts, layers and heads. A sink is a spike at one position, mostly the first.",
        ("received attention", "sink rate"),
    )
    left, right = st.columns(2)
    with left:
        charts.chart(
            "controls",
            sink_controls(controls),
            controls,
            notebook.drawn(view, "sink_controls", notebook.table("sinks.controls")),
            "If the rate stays on random tokens, the sink has nothing to do with what the texts say.",
            ("sink rate",),
        )
    with right:
        charts.chart(
            "curve",
            sink_curve(curve, epsilon),
            curve,
            notebook.drawn(view, "sink_curve", notebook.table("sinks.curve"), f"{epsilon:g}"),
            "The rate depends on where the line is drawn. The dotted one is in force.",
            ("sink rate",),
        )


def page() -> None:
    """Draw the page."""
    widgets.head("Attention sinks", "Heads that park their attention on a token that says little, mostly the first.")
    view = widgets.open_view()
    if view is None:
        return
    if not view.has("sinks.heads"):
        widgets.note("This run did not look at attention. Choose one that did, or inspect a text on the overview.")
        return
    widgets.slider(view, "epsilon", "A key is a sink above this share of the attention (ε)", "The papers use 0.3.")
    for line in paragraphs(view.report):
        if line.startswith("Attention sinks") or "heads are sinks" in line:
            widgets.finding(line, "sinks")
    head_strip(view)
    around(view)


page()

"""Hallucination neurons: the probe's neurons, how they compare, one neuron, and a question of your own."""

import plotly.graph_objects as go
import streamlit as st

from dashboards import answer, answers, asking, charts, detector, neuron, state
from dashboards.state import View
from inspector.detectors.hneurons.figures import drawings
from inspector.figures.drawing import Drawing


def scatter(view: View, drawing: Drawing) -> None:
    """The probe's neurons, and the one that is chosen."""
    table = view.frame("hneurons.candidates")
    ordered = table.sort_values("verdict", ascending=False, kind="stable", ignore_index=True)
    names = [f"neuron {row.neuron} of layer {row.layer}" for row in ordered.itertuples()]

    def clickable(figure: go.Figure) -> go.Figure:
        return figure.add_scatter(
            x=ordered["weight"],
            y=ordered["auroc"],
            mode="markers",
            marker={"opacity": 0, "size": 14},
            showlegend=False,
            customdata=names,
            hovertemplate="%{customdata}<br>weight %{x:+.3f}, alone %{y:.3f}<extra></extra>",
        )

    charts.draw(
        view,
        "neurons",
        drawing,
        change=clickable,
        hint="Click one.",
        pick={"layer": ordered["layer"].tolist(), "neuron": ordered["neuron"].tolist()},
    )
    here = (ordered["layer"] == state.number("layer")) & (ordered["neuron"] == state.number("neuron"))
    key = "pick neuron"
    st.session_state[key] = int(here.idxmax()) if here.any() else 0
    st.selectbox(
        "Neuron",
        range(len(ordered)),
        key=key,
        format_func=names.__getitem__,
        on_change=lambda: state.choose(
            layer=ordered["layer"][st.session_state[key]], neuron=ordered["neuron"][st.session_state[key]]
        ),
    )
    neuron.neuron(view, ordered.iloc[st.session_state[key]])


def show(view: View) -> None:
    """What comes after the thresholds and the sentences."""
    part = view.report.part("hneurons")
    assert part is not None
    known = drawings(part)
    table = view.frame("hneurons.candidates")
    asking.ask(view)
    answers.section(view)
    if len(table):
        scatter(view, known["hneurons.neurons"])
    left, right = st.columns(2)
    with left:
        charts.draw(view, "predictors", known["hneurons.predictors"])
    with right:
        charts.draw(view, "roc", known["hneurons.roc"])
    for key, name, needs in (("guard", "effects.guard", "guard_curve"), ("decoding", "decoding", "decoding")):
        if view.has(needs):
            charts.draw(view, key, known[name])


opened = state.number("answer")
if opened is not None:
    answer.page(opened)
elif "asked" in st.query_params:
    asking.page()
else:
    detector.page(show)

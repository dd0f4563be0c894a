"""An attention head that was clicked: where it looks, in numbers and by position."""

import pandas as pd
import streamlit as st

from dashboards import charts, remarks, state, widgets
from dashboards.state import View
from inspector.detectors.sinks.figures import head_keys
from inspector.figures.drawing import Drawing


def sentence(row: pd.Series, epsilon: float) -> str:
    """What the head does, and what that doesn't mean."""
    name = f"Head {int(row['head'])} of layer {int(row['layer'])}"
    if pd.isna(row["received"]):
        return f"{name}: insufficient data."
    key = "a token that moves with the text" if pd.isna(row["key"]) else f"token {int(row['key'])}"
    if row["received"] > epsilon:
        placed = f"{row['received']:.0%} of its attention on {key}"
        return f"{name} places {placed}: a sink, not evidence that the token matters."
    if row["kind"] == "dormant sink":
        active = f"in {row['active']:.0%} of texts, with {row['active_received']:.0%} of its attention"
        return f"{name} is a sink {active}, and dormant in the others. That is no evidence that the token matters."
    if row["kind"] == "learned sink":
        return f"{name} places {row['sink_mass']:.0%} of its attention on a learned sink, a logit that is no token."
    return f"{name} gives its strongest key, {key}, {row['received']:.0%}: no sink at ε = {epsilon:g}."


def head(view: View, row: pd.Series) -> None:
    """What is known of one head."""
    layer, number = int(row["layer"]), int(row["head"])
    epsilon = state.in_force(view.report)["sinks.epsilon"]
    widgets.finding(sentence(row, epsilon), "sinks")
    left, right = st.columns([3, 2])
    with left:
        drawing = Drawing(
            head_keys,
            ("sinks.received",),
            {"layer": layer, "head": number, "epsilon": epsilon},
            "What each of the first 64 positions receives from this head, averaged over the texts.",
            ("received attention", "attention sink"),
            f"layer == {layer} and head == {number}",
        )
        charts.draw(view, "head-keys", drawing)
    with right, st.container(border=True):
        st.html("<h2 class=figure>In numbers</h2>")
        widgets.plain_table(_numbers(row))
        widgets.link(
            "interventions",
            "Test it: knock out this head's attention to key 0 →",
            kind="attention",
            layer=layer,
            unit=number,
            at=0,
            op="unattend",
        )
    remarks.field(view, f"head {number} of layer {layer}", f"head {number} of layer {layer}")


def _numbers(row: pd.Series) -> pd.DataFrame:
    said = {
        "received": "attention that its strongest key receives",
        "spread": "sd of that over texts",
        "sink_rate": "texts in which that is a sink",
        "active": "texts in which any key is a sink",
        "entropy": "entropy, nats",
        "entropy_rest": "entropy without key 0, nats",
        "self_share": "attention to itself",
        "value_norm_ratio": "key's value vector ÷ others'",
        "sink_mass": "mass on a learned sink",
    }
    return pd.DataFrame([(text, float(row[name])) for name, text in said.items() if name in row], columns=["", "value"])

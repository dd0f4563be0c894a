"""An attention head that was clicked: where it looks, in numbers, by position, and as a pattern on demand."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboards import charts, notebook, progress, remarks, state, widgets, work
from dashboards.state import View
from inspector.detectors.sinks.figures import head_keys
from inspector.figures import attention_pattern
from inspector.figures.drawing import Drawing

AT_ONCE = 512
"""Tokens of a live text up to which its pattern is measured without being asked for."""


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
    _pattern(view, layer, number)


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


def _pattern(view: View, layer: int, number: int) -> None:
    tokens = view.frame("tokens")
    texts = sorted(tokens["text"].unique().tolist())[:64]
    text = texts[0]
    if len(texts) > 1:
        text = widgets.choice("text", "Text of the pattern", texts, state.number("text", texts))
    mine = tokens[tokens["text"] == text].sort_values("position")
    widgets.model_place(view)
    wanted = (view.key, view.place, text, layer, number)
    measure = partial(
        work.pattern,
        card=view.report.card,
        where=view.place,
        ids=mine["id"].tolist(),
        layer=layer,
        head=number,
    )
    job = state.mine("pattern", wanted)
    if job is None or job.state in ("failed", "cancelled"):
        label = f"Measure this pattern on text {text} ({len(mine):,} tokens; loads the model)"
        at_once = job is None and not view.saved and len(mine) <= AT_ONCE
        asked = ("pattern", f"Measuring head {number} of layer {layer}", measure, wanted)
        if at_once:
            state.submit(*asked)
        else:
            no_patterns = "Runs keep no patterns: they would be gigabytes."
            st.button(label, help=no_patterns, on_click=progress.start, args=("pattern", state.submit, *asked))
    job = progress.outcome("pattern", wanted)
    if job is not None:
        _draw(view, job.result, text, layer, number)


def _draw(view: View, pattern: np.ndarray, text: int, layer: int, number: int) -> None:
    with st.container(horizontal=True):
        log = st.toggle("Logarithmic colours", key="log")
        hide = st.toggle("Hide the sink", key="hide", help="Key 0 is left out and the rest rescaled to sum to 1.")
    first, last = charts.cropped(len(pattern))
    name = f"Head {number} of layer {layer}"
    tokens = view.frame("tokens")
    shown = tokens[tokens["text"] == text].sort_values("position")["token"].tolist()[first : last + 1]
    options = {"start": first, "log": log, "hide_sink": hide}
    figure = attention_pattern(pattern, shown, name, **options)
    table = pd.DataFrame(pattern[first : last + 1, first : last + 1])
    charts.chart(
        "pattern",
        figure,
        table.set_axis([str(at) for at in range(first, last + 1)], axis=1),
        _code(view, (text, layer, number), last, name, options),
        "Each row is a query: how it shares its attention among the keys before it. A dark first column is a sink. "
        "Drag a box to see a part at full resolution.",
        ("received attention", "attention entropy"),
        crop=lambda box: state.choose(crop=charts.box_of(box, "x", "y")),
    )


def _code(view: View, which: tuple[int, int, int], last: int, name: str, options: Mapping[str, Any]) -> str:
    """The notebook cell of a pattern (text, layer, head), up to a token, drawn with these options."""
    text, layer, number = which
    said = ", ".join(f"{option}={value!r}" for option, value in options.items())
    return notebook.code(
        view,
        "from inspector.figures import attention_pattern as draw",
        "from inspector.analyses.attention_pattern import attention_pattern as measure",
        "",
        *([notebook.model(view)] if view.saved else []),
        f'fed = report.frame("tokens").query("text == {text}").sort_values("position")',
        f'pattern = measure(model, fed["id"].tolist(), {layer}, {number})',
        f'tokens = fed["token"].tolist()[{options["start"]}:{last + 1}]',
        f"draw(pattern, tokens, {name!r}, {said})",
    )

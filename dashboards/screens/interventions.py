"""Interventions: change one thing beside a random twin; and what verification said of the run's findings."""

import html

import pandas as pd
import streamlit as st

from dashboards import notebook, trying, widgets
from dashboards.state import View
from inspector.figures import effect_intervals, spike_by_sink


def tested(view: View) -> None:
    """The run's effects, each beside its twins, with verdicts."""
    if not view.has("effects"):
        name = view.name if view.saved else "RUN"
        widgets.note(
            f"This run's findings are not verified yet. On the command line: inspector verify {name} --in-place"
        )
        return
    effects = view.frame("effects")
    metrics = list(dict.fromkeys(effects["metric"]))
    metric = widgets.choice("metric", "Effect on", metrics, st.query_params.get("metric"))
    mine = effects[effects["metric"] == metric]
    widgets.chart(
        "effects",
        effect_intervals(effects, metric),
        effects,
        notebook.drawn(view, "effect_intervals", notebook.table("effects"), repr(metric)),
        "The dot is the change with its 95 % interval; the grey band is what the same does to random twins. Outside "
        "the band, the thing itself matters.",
        ("twin", "loss", "KL"),
    )
    _verdicts(mine)
    if view.has("spike_sink"):
        table = view.frame("spike_sink")
        widgets.chart(
            "spike-sink",
            spike_by_sink(table),
            table,
            notebook.drawn(view, "spike_by_sink", notebook.table("spike_sink")),
            "Spikes and sinks come together, but they are two things: each way takes one, the other or both away.",
            ("massive activation", "attention sink"),
        )


def _verdicts(effects: pd.DataFrame) -> None:
    rows = [
        f"<tr><td>{html.escape(row.op)}: {html.escape(row.target)}</td><td>{widgets.verdict(row.verdict)}</td>"
        f"<td>{html.escape(row.reason)}</td></tr>"
        for row in effects.itertuples()
    ]
    header = "<tr><th>claim</th><th>verdict</th><th>why</th></tr>"
    with st.container(border=True):
        st.html("<h2 class=figure>Verdicts</h2>")
        widgets.reading("Zeroing and leaving out are claimed to matter, the mean to be harmless.")
        st.html(
            f"<div class=scroll><table class=plain><thead>{header}</thead><tbody>{''.join(rows)}</tbody></table></div>"
        )


def page() -> None:
    """Draw the page."""
    widgets.head("Interventions", "Seeing is not proof: change one thing inside the model, and see what it then does.")
    view = widgets.open_view()
    if view is None:
        return
    trying.form(view)
    tested(view)


page()

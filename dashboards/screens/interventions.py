"""Interventions: change one thing beside a random twin; and what verification said of the run's findings."""

import html

import pandas as pd
import streamlit as st

from dashboards import charts, notebook, trying, widgets
from dashboards.state import View
from inspector.figures import effect_intervals, over_alpha, spike_by_sink, window_losses
from inspector.figures.effects import METRICS
from inspector.show.sentences_effects import tested as sentences

FAMILIES = {
    "massive activations": ("zero", "zero, as far", "mean", "drop"),
    "sink heads": ("hide", "hide all"),
    "hallucination neurons": ("scale", "scale alone"),
}
CLAIMS = {
    "massive activations": "Claimed: zeroing it and leaving out what writes it matter; its mean is harmless.",
    "sink heads": "Claimed: without the key that it parks on, the model predicts something else.",
    "hallucination neurons": "Claimed: scaled up, more answers are made up, and prose is read as before.",
}
VERDICTS = "Refuted: shown to be too small to count, or no more than random twins do. Undecided: not shown either way."
ROWS = 14
SPIKE_SINK = (
    "Spikes and sinks come together, but they are two things. The largest |x| is that of any token and layer: a spike "
    "can come up elsewhere."
)
WINDOWS = (
    "Only a few recent tokens are kept. If keeping the first one repairs the loss and others don't, it is the sink."
)
ALPHA = "If the candidates cause invention, the curve leaves the twins' band as they are scaled."


def tested(view: View) -> None:
    """The run's effects, each beside its twins, with verdicts."""
    if not view.has("effects"):
        how = f"inspector verify {view.key[0]} --in-place" if view.saved else "save it on the overview first"
        widgets.note(f"This run's findings are not verified yet. To do it on the command line: {how}")
        return
    effects = view.frame("effects")
    for line in sentences(view.measured):
        widgets.finding(line, widgets.accent_of(line))
    left, right = st.columns(2)
    families = [name for name, ops in FAMILIES.items() if effects["op"].isin(ops).any()]
    with left:
        family = widgets.choice("tested", "Tested", families, st.query_params.get("tested"))
    effects = effects[effects["op"].isin(FAMILIES[family])]
    metrics = list(dict.fromkeys(effects["metric"]))
    with right:
        metric = widgets.choice(
            "metric", "Effect on", metrics, st.query_params.get("metric"), lambda name: METRICS[name][0]
        )
    mine = effects[effects["metric"] == metric]
    query = f"{notebook.table('effects')}.query({f'op in {list(FAMILIES[family])}'!r})"
    charts.chart(
        "effects",
        effect_intervals(mine, metric, ROWS),
        effects,
        notebook.drawn(view, "effect_intervals", query, repr(metric)),
        "The dot is the change with its 95 % interval; the grey band is what the same does to random twins. A full dot "
        "matters as claimed, an open one is harmless as claimed, a cross is neither. "
        f"Of {len(mine)}, the largest {min(ROWS, len(mine))} are drawn.",
        ("twin", "loss", "KL"),
    )
    _verdicts(mine.loc[mine["change"].abs().nlargest(ROWS).index], CLAIMS[family])
    _more(view)


def _more(view: View) -> None:
    """What else the verification measured."""
    for name, draw, function, means, terms in (
        ("spike_sink", spike_by_sink, "spike_by_sink", SPIKE_SINK, ("massive activation", "attention sink")),
        ("windows", window_losses, "window_losses", WINDOWS, ("attention sink", "loss")),
        ("alpha", over_alpha, "over_alpha", ALPHA, ("candidate", "twin")),
    ):
        if view.has(name):
            table, code = view.frame(name), notebook.drawn(view, function, notebook.table(name))
            charts.chart(name, draw(table), table, code, means, terms)
    if view.has("guard_curve"):
        widgets.link("neurons", "What the risk is worth as a guard, and other ways of decoding →")


def _verdicts(effects: pd.DataFrame, claimed: str) -> None:
    rows = [
        f"<tr><td>{html.escape(row.op)}: {html.escape(row.target)}</td>"
        f"<td>{widgets.verdict(row.verdict, row.claim)}</td><td>{html.escape(row.reason)}</td></tr>"
        for row in effects.itertuples()
    ]
    header = "<tr><th>claim</th><th>verdict</th><th>why</th></tr>"
    with st.container(border=True):
        st.html("<h2 class=figure>Verdicts</h2>")
        widgets.reading(f"{claimed} {VERDICTS}")
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

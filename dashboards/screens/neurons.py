"""Hallucination neurons: the probe's neurons, how they compare, one neuron, and a question of your own."""

import streamlit as st

from dashboards import asking, charts, neuron, notebook, state, widgets
from dashboards.state import View
from inspector.figures import decoding_family, neurons, predictors, risk_coverage, roc_curves
from inspector.show.sentences import hneurons


def scatter(view: View) -> None:
    """The probe's neurons, and the one that is chosen."""
    table = view.frame("hneurons.candidates")
    ordered = table.sort_values("verdict", ascending=False, kind="stable", ignore_index=True)
    figure = neurons(table)
    figure.add_scatter(
        x=ordered["weight"],
        y=ordered["auroc"],
        mode="markers",
        marker={"opacity": 0, "size": 14},
        showlegend=False,
        customdata=[f"neuron {row.neuron} of layer {row.layer}" for row in ordered.itertuples()],
        hovertemplate="%{customdata}<br>weight %{x:+.3f}, alone %{y:.3f}<extra></extra>",
    )
    charts.chart(
        "neurons",
        figure,
        table,
        notebook.drawn(view, "neurons", notebook.table("hneurons.candidates")),
        "To the right: its activity raises the risk. Above the line: alone it tells made-up answers from right ones. "
        "Size: how many bootstraps choose it. Click one.",
        ("candidate", "CETT", "AUROC"),
        pick={"layer": ordered["layer"].tolist(), "neuron": ordered["neuron"].tolist()},
    )
    names = [f"neuron {row.neuron} of layer {row.layer}" for row in ordered.itertuples()]
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


def compared(view: View) -> None:
    """The probe beside cheaper scores."""
    left, right = st.columns(2)
    with left:
        scores = view.frame("hneurons.scores")
        charts.chart(
            "predictors",
            predictors(scores),
            scores,
            notebook.drawn(view, "predictors", notebook.table("hneurons.scores")),
            "All on answers that nothing was fitted on. If length or entropy does as well, the neurons add little.",
            ("AUROC",),
        )
    with right:
        roc = view.frame("hneurons.roc")
        charts.chart(
            "roc",
            roc_curves(roc),
            roc,
            notebook.drawn(view, "roc_curves", notebook.table("hneurons.roc")),
            "How many made-up answers are caught, for how many right ones called made up.",
            ("AUROC",),
        )
    if view.has("guard_curve"):
        policies, curve = view.frame("guard"), view.frame("guard_curve")
        code = notebook.drawn(view, "risk_coverage", notebook.table("guard_curve"), notebook.table("guard"))
        charts.chart(
            "guard",
            risk_coverage(curve, policies),
            policies,
            code,
            "Held-out questions, answered from the least risky on: the lower the curve, the better the ranking. If the "
            "entropy of the first token ranks as well, the neurons add nothing.",
            ("risk",),
        )
    if view.has("decoding"):
        family = view.frame("decoding")
        charts.chart(
            "decoding",
            decoding_family(family),
            family,
            notebook.drawn(view, "decoding_family", notebook.table("decoding")),
            "The same held-out questions, answered by other ways to choose the next token.",
            ("risk",),
        )


def page() -> None:
    """Draw the page."""
    widgets.head(
        "Hallucination neurons", "A few neurons whose activity predicts that an answer is made up: candidates."
    )
    view = widgets.open_view()
    if view is None:
        return
    if not view.has("hneurons.candidates"):
        widgets.note("This run asked no questions. Studies are made by: inspector hallucinate --out RUN. Those here:")
        for run in state.shelf().all():
            if "hneurons" in run.about.get("settings", {}).get("detectors", []):
                widgets.link("neurons", f"Open {run.name}", run=run.name, layer=None, head=None)
        return
    left, right = st.columns(2)
    with left:
        widgets.slider(view, "stability", "Chosen by at least this share of bootstraps", "Default 0.5.")
    with right:
        widgets.slider(view, "q", "And q below", "p of the neuron alone on held-out answers, adjusted for all tested.")
    for line in hneurons(view.report):
        widgets.finding(line, "hneurons")
    table = view.frame("hneurons.candidates")
    chosen = table[table["verdict"] != ""]
    asking.ask(view, list(zip(chosen["layer"].tolist(), chosen["neuron"].tolist(), strict=True)))
    scatter(view)
    compared(view)


page()

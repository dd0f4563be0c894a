"""A neuron that was chosen: what is known of it, the answers it speaks up in, and the tokens it deals with."""

import pandas as pd
import streamlit as st

from dashboards import notebook, widgets
from dashboards.state import View

ANSWERS = 8


def neuron(view: View, row: pd.Series) -> None:
    """What is known of one neuron of the probe."""
    layer, number = int(row["layer"]), int(row["neuron"])
    widgets.finding(sentence(row), "hneurons")
    left, right = st.columns([2, 3])
    with left, st.container(border=True):
        st.html(f"<h2 class=figure>Neuron {number} of layer {layer}</h2>")
        names = {"weight": "weight in the probe", "stability": "bootstraps that choose it", "auroc": "AUROC alone"}
        names |= {"low": "95 % interval from", "high": "to", "within": "AUROC within relations", "q": "q (adjusted p)"}
        facts = [(text, float(row[name])) for name, text in names.items() if name in row]
        widgets.plain_table(pd.DataFrame(facts, columns=["", "value"]))
        widgets.link(
            "interventions",
            "Test it: scale this neuron beside a random twin →",
            kind="neuron",
            layer=layer,
            unit=number,
            op="scale",
            at=None,
        )
    with right, st.container(border=True):
        st.html("<h2 class=figure>Answers in which it speaks loudest</h2>")
        found = fires_on(view, layer, number)
        if found is None:
            widgets.note("This run doesn't keep the neurons' contributions.")
        else:
            widgets.plain_table(found)
            with st.popover("Code", type="tertiary"):
                st.code(notebook.code(view, 'report.evidence["hneurons.contributions"]["answer"].shape'))
    _state(view, layer, number)


def sentence(row: pd.Series) -> str:
    """What the neuron predicts, and what that doesn't mean."""
    name = f"Neuron {int(row['neuron'])} of layer {int(row['layer'])}"
    if row["verdict"] == "candidate":
        return (
            f"{name} is a candidate: it speaks up in made-up answers more than in right ones (AUROC {row['auroc']:.2f} "
            f"alone). That it causes them is not said: an intervention must tell."
        )
    raises = "raises" if row["weight"] > 0 else "lowers"
    return f"{name} {raises} the risk in the probe, but is no candidate at these thresholds."


def fires_on(view: View, layer: int, number: int) -> pd.DataFrame | None:
    """The answers with the neuron's largest CETT; None where the run has no contributions."""
    evidence = view.report.evidence.get("hneurons.contributions")
    answers = view.frame("hneurons.answers")
    if evidence is None or evidence["answer"].shape[1] != view.report.card["layers"]:
        return None
    cett = pd.Series(evidence["answer"][:, layer, number], index=answers.index, dtype="float64")
    top = answers.assign(CETT=cett).nlargest(ANSWERS, "CETT")
    return top[["question", "answer", "label", "CETT"]]


def _state(view: View, layer: int, number: int) -> None:
    """Tokens that it fires on, promotes and suppresses, where the study measured them."""
    for name, title in (("hneurons.states", "How it fires"), ("hneurons.tokens", "Tokens it deals with")):
        if not view.has(name):
            continue
        table = view.frame(name)
        mine = table[(table["layer"] == layer) & (table["neuron"] == number)].drop(columns=["layer", "neuron"])
        if len(mine):
            with st.container(border=True):
                st.html(f"<h2 class=figure>{title}</h2>")
                st.dataframe(mine, hide_index=True)

"""A neuron that was chosen: what is known of it, the answers it activates in, and the tokens it deals with."""

import pandas as pd
import streamlit as st

from dashboards import charts, remarks, widgets
from dashboards.answer import WORDS
from dashboards.state import View
from inspector.detectors.hneurons.figures import neuron_state
from inspector.figures.drawing import Drawing

CAUSES = {
    "candidate": "That it causes them is not said: an intervention must tell.",
    "confirmed": "It causes some of them too: scaling it changes their number more than scaling matched random "
    "controls does.",
    "not specific": "Scaling it changes their number, but no more than scaling matched random controls does.",
    "negligible": "Scaling it changes their number, but by too little to matter.",
    "refuted": "It doesn't cause them: scaling it leaves their number as it is, or lowers it.",
    "undecided": "Whether it causes them was tested and is not decided.",
}
"""What a verdict says of a candidate."""


def neuron(view: View, row: pd.Series) -> None:
    """What is known of one neuron of the probe."""
    layer, number = int(row["layer"]), int(row["neuron"])
    widgets.finding(sentence(row), "hneurons")
    remarks.field(view, f"neuron {number} of layer {layer}", f"neuron {number} of layer {layer}")
    left, right = st.columns([2, 3])
    with left, st.container(border=True):
        st.html(f"<h2 class=figure>Neuron {number} of layer {layer}</h2>")
        names = {"weight": "weight in the probe", "stability": "bootstraps that choose it", "auroc": "AUROC alone"}
        names |= {"low": "95 % interval from", "high": "to", "within": "AUROC within relations", "q": "q (adjusted p)"}
        facts = [(text, float(row[name])) for name, text in names.items() if name in row]
        widgets.plain_table(pd.DataFrame(facts, columns=["", "value"]))
        widgets.link(
            "interventions",
            "Test it: scale this neuron beside a matched random control →",
            kind="neuron",
            layer=layer,
            unit=number,
            op="scale",
            at=None,
        )
    with right, st.container(border=True):
        st.html("<h2 class=figure>Answers in which it activates most</h2>")
        found = of(view, "hneurons.fires_on", layer, number)
        if len(found):
            said = found[["question", "answer", "label", "cett"]].rename(columns={"cett": "CETT"})
            widgets.plain_table(said.assign(label=said["label"].map(WORDS)))
        else:
            widgets.note("This run doesn't keep the neurons' contributions.")
    _state(view, layer, number)


def sentence(row: pd.Series) -> str:
    """What the neuron predicts, and what that doesn't mean."""
    name = f"Neuron {int(row['neuron'])} of layer {int(row['layer'])}"
    if row["verdict"]:
        return (
            f"{name} is a candidate: it activates more in incorrect answers than in correct ones (AUROC "
            f"{row['auroc']:.2f} alone). {CAUSES.get(row['verdict'], CAUSES['candidate'])}"
        )
    raises = "raises" if row["weight"] > 0 else "lowers"
    return f"{name} {raises} the risk in the probe, but is no candidate at these thresholds."


def of(view: View, name: str, layer: int, number: int) -> pd.DataFrame:
    """A table's rows about this neuron; none where the run doesn't have the table."""
    if not view.has(name):
        return pd.DataFrame()
    table = view.frame(name)
    return table[(table["layer"] == layer) & (table["neuron"] == number)]


def _state(view: View, layer: int, number: int) -> None:
    """How it fires on ordinary text, and the tokens that it deals with, where the study measured them."""
    states, tokens = (of(view, name, layer, number) for name in ("hneurons.states", "hneurons.tokens"))
    if not len(states) or not len(tokens):
        return
    drawing = Drawing(
        neuron_state,
        ("hneurons.states", "hneurons.tokens"),
        {"layer": layer, "neuron": number},
        f"On ordinary text it fires at {float(states['fires'].iloc[0]):.1%} of the tokens. Above: the tokens on which "
        "it activates most. Below: the tokens whose logit its output raises and lowers. None of it says why it "
        "predicts.",
        ("residual stream", "candidate"),
    )
    charts.draw(view, "neuron-state", drawing)

"""What stands beside a risk, so that it can be believed: base rate, single scores, neurons, guard, and causes."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboards import widgets
from dashboards.state import View
from inspector.errors import InputError
from inspector.hallucination.held_out import held_out_threshold

SHOWN = 4
"""Neurons listed on each side."""
PATH = "neurons"
CAUSES = {
    "confirmed": "it causes some incorrect answers",
    "not specific": "it changes how many answers are incorrect, but no more than random neurons do",
    "negligible": "it changes how many answers are incorrect by too little to matter",
    "refuted": "it doesn't change how many answers are incorrect",
    "undecided": "whether it changes how many answers are incorrect is not decided",
}
"""What a test of a candidate said of it."""


def base_rate(view: View) -> str:
    """How many of the study's answers were incorrect at all."""
    labels = view.frame("hneurons.answers")["label"]
    wrong, used = int((labels == "wrong").sum()), int(labels.isin(("wrong", "right")).sum())
    return f"Of all {used:,} answers that the study learnt from, {wrong:,} were incorrect ({wrong / used:.0%})."


@st.cache_data(max_entries=32, show_spinner=False)
def threshold(key: tuple[str, float], _view: View) -> float | None:
    """The guard's threshold on the probe's risk; None where no answer was held out."""
    try:
        return held_out_threshold(_view.report)
    except InputError:
        return None


def guard(view: View, probe: float) -> str:
    """What the guard would do with an answer of this risk by the probe."""
    limit = threshold(view.key, view)
    if limit is None or np.isnan(probe):
        return ""
    does = "would hold this answer back" if probe > limit else "would let this answer pass"
    return f"The guard watches the probe alone: its risk here is {probe:.2f}, the threshold {limit:.2f}, so it {does}."


def causes(view: View) -> str:
    """Whether the candidates cause incorrect answers, as far as that was tested."""
    table = view.frame("hneurons.candidates")
    said = table.loc[table["verdict"] != "", "verdict"]
    if not len(said):
        return "No neuron is a candidate, so none is said to move the risk by itself."
    if (said == "candidate").all():
        return f"{_candidates(len(said))} not tested: whether the answer depends on them isn't known."
    tested = said[said != "candidate"]
    if tested.isin(("refuted", "negligible")).all():
        who = "candidate neurons don't" if len(tested) > 1 else "candidate neuron doesn't"
        which = "them" if len(tested) > 1 else "it"
        number = f"{len(tested)}" if len(tested) > 1 else "one"
        return f"The {number} {who} move it (verified): scaling {which} leaves as many answers incorrect."
    parts = [f"{count} {name} ({CAUSES.get(name, name)})" for name, count in tested.value_counts().items()]
    return f"{_candidates(len(tested))} tested: {', '.join(parts)}."


def _candidates(count: int) -> str:
    return f"The {count} candidate neurons were" if count > 1 else "The one candidate neuron was"


def pulls(scores: pd.DataFrame) -> str:
    """Which scores raise and which lower a headline risk, with what they add to its log-odds."""
    said = []
    for verb, rows in (("Raised", scores[scores["term"] > 0]), ("Lowered", scores[scores["term"] < 0])):
        ordered = rows[rows["in_headline"]].sort_values("term", key=abs, ascending=False)
        if len(ordered):
            named = ", ".join(f"{row.score} ({row.term:+.2f})" for row in ordered.itertuples())
            said.append(f"{verb} by {named}.")
    return " ".join(said)


def neurons(terms: pd.DataFrame, key: str) -> None:
    """The neurons that raise and lower the probe's part most, each a link to its own page."""
    columns = st.columns(2)
    raising = terms[terms["term"] > 0].head(SHOWN)
    lowering = terms[terms["term"] < 0].sort_values("term").head(SHOWN)
    for column, title, rows in zip(columns, ("Raise it", "Lower it"), (raising, lowering), strict=True):
        with column, st.container(key=f"{key} {title}"):
            widgets.reading(f"{title} most, in log-odds of the probe:" if len(rows) else f"None: {title.lower()}.")
            for row in rows.itertuples():
                name = f"neuron {row.neuron} of layer {row.layer} ({row.term:+.2f})"
                widgets.link(PATH, widgets.plain(name), answer=None, asked=None, layer=row.layer, neuron=row.neuron)

"""One of the study's own answers: its risk and what stands beside it, from the run alone; its tokens on demand."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import asking, progress, risk, state, widgets, work
from dashboards.state import View
from inspector.detectors.hneurons.frames import said_of
from inspector.detectors.hneurons.frames_answers import terms_of

WORDS = {"wrong": "incorrect", "right": "correct", "mixed": "inconsistent", "abstained": "abstains"}
"""The study's labels as pages say them."""
SPLITS = {
    "fit": "the final probe was fitted on it",
    "held out": "the final probe never saw it",
    "not used": "no example of either kind, so nothing was fitted on it",
}


def page(number: int) -> None:
    """Draw the page of the study's answer of this number."""
    widgets.head("One answer", "What the model said, how risky that is, and what the risk is made of.")
    view = widgets.open_view()
    if view is None or not view.has("hneurons.answers"):
        return
    st.button("← All answers", on_click=state.choose, kwargs={"answer": None})
    answers = view.frame("hneurons.answers")
    if number >= len(answers):
        widgets.note(f"This run has no answer {number}: its answers are numbered from 0 to {len(answers) - 1}.")
        return
    row = answers.iloc[number]
    with st.container(border=True):
        widgets.reading(row["question"])
        widgets.quote(row["answer"])
        accepted = f" Accepted: {row['accepted']}." if row.get("accepted") else ""
        widgets.reading(f"It is {WORDS[row['label']]}; {SPLITS[row['split']]}.{accepted}")
    scores = view.frame("hneurons.answer_scores").iloc[number]
    _risk(view, scores, float(row["risk"]))
    _neurons(view, number)
    _tokens(view, number, row)


def _risk(view: View, scores: pd.Series, probe: float) -> None:
    """The risk by fits that never saw the answer, and each score's percentile."""
    known = not pd.isna(scores["risk"])
    reliable = view.has("hneurons.reliability")
    with st.container(border=True):
        means = said_of(view.frame("hneurons.reliability"), round(scores["risk"], 2)) if known and reliable else ""
        said = f"Risk {scores['risk']:.2f}" if known else "Not rated"
        what = "By fits that never saw this answer" if known else "Answers that are neither correct nor incorrect"
        widgets.tile(what, said, means or risk.base_rate(view), "hneurons")
        if means:
            widgets.reading(risk.base_rate(view))
        widgets.reading(f"{risk.guard(view, probe)} {risk.causes(view)}")
        table = scores.drop(["id", "risk"]).astype(float).dropna().sort_values(ascending=False)
        if len(table):
            widgets.reading("Each score alone: the share of the study's answers that look less risky by it.")
            said_table = {"score": table.index, "riskier than": [f"{share:.0f} %" for share in table]}
            widgets.plain_table(pd.DataFrame(said_table))


def _neurons(view: View, number: int) -> None:
    part = view.report.part("hneurons")
    assert part is not None
    terms = terms_of(part, number)
    if len(terms):
        with st.container(border=True):
            st.html("<h2 class=figure>Neurons of the probe in this answer</h2>")
            risk.neurons(terms, "answer neurons")


def _tokens(view: View, number: int, row: pd.Series) -> None:
    """Each token's risk, which needs the model: runs keep no tokens of answers."""
    of = (view.identity, view.place, number)
    widgets.model_place(view)
    explain = partial(work.explained, study=view.report, where=view.place, row=row.to_dict())
    label = "Measure its tokens (loads the model)"
    job = progress.on_demand("answer", of, explain, "Measuring the answer", label)
    if job is not None:
        asking.tokens(view, job.result, "answer")

"""Ask: a question, the answer with each token's risk, the neurons that raise it, and the answer under α."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import progress, state, widgets, work
from dashboards.state import View


def ask(view: View, candidates: list[tuple[int, int]]) -> None:
    """The form, and what was answered."""
    of = (view.key, view.place, tuple(candidates))
    widgets.model_place(view)
    with st.form("ask", border=True):
        st.html("<h2 class=figure>Ask it something</h2>")
        widgets.reading(
            "The model answers, and the probe says how risky each token of the answer is. α scales the "
            "candidates while the second answer is written; the risk of both is measured on the unmodified model."
        )
        st.text_input("Question", "What is the capital of Mongolia?", key="question")
        label = f"α, for the {len(candidates)} candidate neuron{'s' * (len(candidates) != 1)} (1 changes nothing)"
        st.slider(label, 0.0, 3.0, 2.0, 0.1, key="alpha", disabled=not candidates)
        asked = st.form_submit_button("Ask (loads the model)", type="primary")
    if asked and st.session_state.question.strip():
        what = partial(
            work.ask,
            study=view.report,
            where=view.place,
            question=st.session_state.question.strip()[:500],
            factor=float(st.session_state.alpha) if candidates else None,
            neurons=candidates,
        )
        state.submit("ask", "Asking", what, of)
    job = progress.outcome("ask", of)
    if job is not None:
        answered(job.result)


def answered(asked: work.Asked) -> None:
    """The answers to a question beside each other."""
    widgets.finding(f"Asked: {asked.question}", "hneurons")
    names = ["Baseline"] if asked.factor is None else ["Baseline", f"Candidates × {asked.factor:g}"]
    for column, scored, name in zip(st.columns(len(names)), asked.answers, names, strict=True):
        with column, st.container(border=True):
            _answer(scored, name)


def _answer(scored: Any, name: str) -> None:
    means = scored.reliability or "that the answer is incorrect; 0.5 is undecided"
    widgets.tile(name, f"Risk {scored.risk:.2f}", means, "hneurons")
    widgets.quote(scored.answer)
    if scored.scores is not None:
        widgets.reading("Each score among those of the study's answers, and what it adds to the risk:")
        widgets.plain_table(scored.beside())
    widgets.reading("Its tokens, with the probe's risk of each:")
    widgets.tokens(scored.tokens["token"].tolist(), scored.tokens["risk"].tolist(), "hneurons")
    widgets.reading("Neurons that raise the probe's risk most, over the whole answer, and that lower it:")
    terms = scored.neurons[["layer", "neuron", "term"]]
    top = pd.concat([terms[terms["term"] > 0].head(5), terms[terms["term"] < 0].tail(3)])
    widgets.plain_table(top.rename(columns={"term": "adds to the log-odds"}))

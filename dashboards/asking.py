"""Ask: a question, the answer with its risk, each token's risk, the neurons behind it, and the answer under α."""

import html
from collections.abc import Hashable
from functools import partial
from typing import Any

import streamlit as st

from dashboards import progress, risk, state, widgets, work
from dashboards.state import View
from inspector.errors import InputError
from inspector.figures import token_label

EXAMPLE = "What is the capital of Mongolia?"
LONGEST = 500
POLICIES = {
    "no guard": None,
    "abstain": "abstain",
    "answer again with the candidates scaled to 0": "again",
    "take the least risky of five samples": "least",
}
"""What the guard may do, as the form says it."""


def candidates(view: View) -> tuple[tuple[int, int], ...]:
    """Layer and number of each candidate, at the thresholds in force."""
    table = view.frame("hneurons.candidates")
    chosen = table[table["verdict"] != ""]
    return tuple(zip(chosen["layer"].tolist(), chosen["neuron"].tolist(), strict=True))


def belongs_to(view: View) -> Hashable:
    """What an answer is an answer of: it is shown with this only."""
    return (view.identity, view.place, candidates(view))


def query_of(text: str, factor: float | None, view: View, policy: str | None = None) -> work.Query:
    """The first line as the question, the others as an answer to it.

    Raises:
        InputError: there is no question.
    """
    question, _, answer = text.strip().partition("\n")
    if not question.strip():
        raise InputError("There is no question. Type one.")
    given = " ".join(answer.split())[:LONGEST] or None
    return work.Query(question.strip()[:LONGEST], given, factor, candidates(view), None if given else policy)


def submit(view: View, query: work.Query) -> None:
    """Have it answered."""
    state.submit("ask", "Asking", partial(work.ask, study=view.report, where=view.place, query=query), belongs_to(view))


def page() -> None:
    """Draw the page of a question that was asked, without the rest of the study."""
    widgets.head("Why did it say this?", "The answer, how risky it is, and what the risk is made of.")
    view = widgets.open_view()
    if view is not None and view.has("hneurons.candidates"):
        st.button("← The whole study", on_click=state.choose, kwargs={"asked": None})
        ask(view)


def ask(view: View) -> None:
    """The form, and what was answered."""
    chosen = candidates(view)
    widgets.model_place(view)
    st.session_state.setdefault("question", st.query_params.get("question", EXAMPLE))
    st.session_state.setdefault("alpha", _alpha())
    with st.form("ask", border=True):
        st.html("<h2 class=figure>Ask it something</h2>")
        widgets.reading(
            "The model answers, and its risk of being incorrect is said. α scales the candidates while a second answer "
            "is written; the risk of both is measured on the unmodified model. To judge an answer that you have, put "
            "it on the line after the question."
        )
        st.text_area("Question", key="question", height=76, max_chars=2 * LONGEST)
        label = f"α, for the {len(chosen)} candidate neuron{'s' * (len(chosen) != 1)} (1 changes nothing)"
        if chosen:
            st.slider(label, 0.0, 3.0, step=0.1, key="alpha")
        st.selectbox("If the guard finds it too risky", list(POLICIES), key="policy")
        asked = ("ask", _submit, view, bool(chosen))
        st.form_submit_button("Ask (loads the model)", type="primary", on_click=progress.start, args=asked)
    job = progress.outcome("ask", belongs_to(view))
    if job is not None:
        answered(view, job.result)


def _submit(view: View, scaled: bool) -> None:
    typed: Any = st.session_state
    factor = float(typed.alpha) if scaled else None
    submit(view, query_of(typed.question, factor, view, POLICIES[typed.policy]))
    state.choose(question=typed.question, alpha=None if factor is None else f"{factor:.1f}")


def _alpha() -> float:
    """The factor that the address names, in tenths; else 2."""
    try:
        return min(3.0, max(0.0, round(float(st.query_params.get("alpha", "2")), 1)))
    except (ValueError, OverflowError):
        return 2.0


def answered(view: View, asked: work.Asked) -> None:
    """The answers to a question beside each other."""
    widgets.finding(f"Asked: {asked.question}", "hneurons")
    if asked.guarded is not None:
        said = asked.guarded
        given = "nothing" if said.answer is None else f"“{said.answer}”"
        widgets.note(f"The guard {said.did}: it gives {given} (risk by the probe {said.risk:.2f}).")
    names = ["Baseline"] if asked.factor is None else ["Baseline", f"Candidates × {asked.factor:g}"]
    for column, scored, name in zip(st.columns(len(names)), asked.answers, names, strict=True):
        with column, st.container(border=True):
            answer(view, scored, name)


def answer(view: View, scored: Any, name: str) -> None:
    """One answer: its risk first, then what stands beside it."""
    widgets.quote(scored.answer)
    means = scored.reliability or "that the answer is incorrect; 0.5 is undecided"
    widgets.tile(name, f"Risk {scored.risk:.2f}", means, "hneurons")
    widgets.reading(risk.base_rate(view))
    if scored.scores is not None:
        widgets.reading(f"{risk.pulls(scored.scores)} Each score among those of the study's answers:")
        widgets.plain_table(scored.beside())
    widgets.reading(f"{risk.guard(view, scored.probe)} {risk.causes(view)}")
    tokens(view, scored, name)


def tokens(view: View, scored: Any, name: str) -> None:
    """Each token's risk by the probe, and the neurons of the one that is chosen, or of the whole answer."""
    widgets.reading("Its tokens, with the probe's risk of each:")
    texts, risks = scored.tokens["token"].tolist(), scored.tokens["risk"].tolist()
    widgets.tokens(texts, risks, "hneurons")
    labels = [widgets.plain(f"{at}: {html.unescape(token_label(text))}") for at, text in enumerate(texts)]
    at = st.pills("Neurons of one token", range(len(texts)), format_func=labels.__getitem__, key=f"token {name}")
    terms = scored.neurons[["layer", "neuron", "term"]]
    if at is not None and scored.by_token is not None:
        terms = terms.assign(term=scored.by_token[at]).sort_values("term", ascending=False)
        widgets.reading(f"At token {at}, “{texts[at]}”, risk {risks[at]:.2f}:")
    risk.neurons(terms, f"neurons {name}")

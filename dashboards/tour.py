"""The first visit's walk-through: five stops on the built-in model, one line each."""

import streamlit as st

from dashboards import pages, state, widgets

STOPS = (
    ("overview", "Run the example below: it loads a small model and reads one paragraph, in about half a minute."),
    (
        "massive",
        "The map shows how large the model's inner numbers get, layer by layer. One column glows: the first token. "
        "Click its brightest cell to see which dim it is, and its direct contributors.",
    ),
    (
        "sinks",
        "Each square is an attention head. A dark one places its attention on one token. Click one to see where it "
        "looks. It is no sign that the token matters.",
    ),
    (
        "neurons",
        "A study of the model's own answers (choose demo-answers under Run) says how often an answer with such a risk "
        "was incorrect, and which neurons stand behind it. Click an answer of the table to open it.",
    ),
    (
        "interventions",
        "Seeing is not proof. Ablate the spike, beside a matched random control (another of its kind, as near in "
        "size as there is), and compare what the model then generates.",
    ),
)

RAN = (
    "Done: what was found is below the form, and every screen now shows this run. Next, see where the largest numbers "
    "sit."
)
"""The first stop's words once a text was inspected."""


def show(page: str) -> None:
    """The stop that the address names, above whatever page is open."""
    at = state.number("tour", range(1, len(STOPS) + 1))
    if at is None:
        return
    where, text = STOPS[at - 1]
    if at == 1 and state.is_live(st.query_params.get("run")):
        text = RAN
    with st.container(border=True):
        st.html(f"<p class=reading>Tour, {at} of {len(STOPS)}</p>")
        widgets.finding(text)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if page != where:
                widgets.link(where, f"Go to {pages.by_path()[where].title}")
            elif at < len(STOPS):
                following = STOPS[at][0]
                widgets.link(following, f"Next: {pages.by_path()[following].title}", tour=at + 1)
            st.button("End the tour", on_click=state.choose, kwargs={"tour": None}, type="tertiary")

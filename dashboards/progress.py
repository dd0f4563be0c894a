"""What a visitor sees of the work that they asked for."""

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from dashboards import state
from dashboards.jobs import Job
from dashboards.widgets import note, plain, reading, trouble
from inspector.errors import InspectorError

POLL = 1.0
"""Seconds between looks at a job. Each look runs a script, in the threads that the worker shares with them."""


def start(kind: str, work: Callable[..., object], *given: Any) -> None:
    """Do what a button is for, as its `on_click`; what is refused, `refusal` of this kind says.

    Streamlit calls it before it draws the page. A button that is asked only where it is drawn loses the click when
    something else makes the page run again before it gets there. The work reads the fields of a form by their keys:
    what the fields gave back when they were drawn is older than the click.
    """
    try:
        work(*given)
    except InspectorError as error:
        st.session_state[f"refused {kind}"] = str(error)


def refusal(kind: str) -> None:
    """Say, once, why the last work of this kind wasn't done."""
    refused = st.session_state.pop(f"refused {kind}", "")
    if refused:
        trouble(refused)


def outcome(kind: str, of: Hashable = None) -> Job | None:
    """The job of this kind (of this) once it is done; until then its progress, or what became of it."""
    refusal(kind)
    job = state.mine(kind, of)
    if job is None:
        return None
    if not job.over:
        _progress(kind, of)
        return None
    if job.state == "failed":
        trouble(job.error)
    if job.state == "cancelled":
        note(f"Cancelled. {job.error or 'Nothing was kept.'}")
    return job if job.state == "done" else None


def on_demand(
    kind: str, of: Hashable, measure: Callable[[Job], Any], doing: str, label: str, why: str | None = None
) -> Job | None:
    """What is measured only when it is asked for: a button, then the progress, then the job that is done.

    Args:
        kind: a visitor has one job of a kind.
        of: what is measured.
        measure: takes the job.
        doing: what it is, until it says so itself.
        label: on the button.
        why: it isn't there already, for those who point at the button.
    """
    job = state.mine(kind, of)
    if job is None or job.state in ("failed", "cancelled"):
        st.button(label, help=why, on_click=start, args=(kind, state.submit, kind, doing, measure, of))
    return outcome(kind, of)


@st.fragment(run_every=POLL)
def _progress(kind: str, of: Hashable) -> None:
    job = state.mine(kind, of)
    if job is None or job.over:
        st.rerun()
    ahead = state.jobs().place(job)
    if ahead:
        st.progress(0.0, text=plain(f"{job.label}: waiting, {ahead} before you"))
    else:
        share = min(1.0, job.done / job.total) if job.total else 0.0
        counted = f" {job.done:,} of {job.total:,}" if job.total else " …"
        st.progress(share, text=plain(f"{job.doing or job.label}{counted}"))
    st.button("Cancel", key=f"cancel {kind}", on_click=state.jobs().cancel, args=(job,))
    reading("The address of this page leads back here. Work that nobody looks at ends after a minute.")

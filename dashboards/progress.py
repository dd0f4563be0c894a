"""What a visitor sees of the work that they asked for."""

from collections.abc import Hashable

import streamlit as st

from dashboards import state
from dashboards.jobs import Job
from dashboards.widgets import note, plain, reading, trouble

POLL = 1.0
"""Seconds between looks at a job. Each look runs a script, in the threads that the worker shares with them."""


def outcome(kind: str, of: Hashable = None) -> Job | None:
    """The job of this kind (of this) once it is done; until then its progress, or what became of it."""
    refused = st.session_state.pop(f"refused {kind}", "")
    if refused:
        trouble(refused)
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

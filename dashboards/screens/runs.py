"""Runs: open, rename, delete, bring in, take away."""

from dataclasses import replace
from html import escape

import streamlit as st

from dashboards import charts, progress, state, widgets
from dashboards.shelf import Shelved
from inspector.errors import InputError
from inspector.show.html import render


def about(run: Shelved) -> str:
    """What is said of a run in the list, as HTML."""
    if run.fault:
        said = f"<br><span class=verdict>✕ damaged</span> {escape(run.fault)}"
    else:
        said = f"<p class=reading>{escape(widgets.run_facts(run))}</p>"
    return f'<div style="overflow-wrap:anywhere"><b>{escape(run.name)}</b>{said}</div>'


def row(run: Shelved) -> None:
    """One run, with what can be done to it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.html(about(run), width="stretch")
        if not run.fault:
            widgets.link("overview", "Open", **state.another_run(run.name))
        more = st.popover("More", key=f"more {run.name}", on_change="rerun")
    if more.open:
        with more, widgets.told():
            actions(run)


def actions(run: Shelved) -> None:
    """Take away, rename, delete."""
    if not run.fault:
        if st.button("Prepare files", key=f"prepare {run.name}"):
            page = render(state.view(run.name).report).encode()
            charts.download("One offline HTML page", page, f"{run.name}.html", "text/html")
            charts.download(
                "The run as a zip file", state.shelf().packed(run.name), f"{run.name}.zip", "application/zip"
            )
        with st.form(f"rename {run.name}", border=False):
            st.text_input("New name", run.name, key=f"new name {run.name}")
            st.form_submit_button("Rename", on_click=progress.start, args=("rename", _rename, run.name))
        progress.refusal("rename")
    sure = st.checkbox(widgets.plain(f"Yes, delete “{run.name}” for good"), key=f"sure {run.name}")
    if st.button("Delete", key=f"delete {run.name}", disabled=not sure):
        _confirm(run.name)


def _rename(name: str) -> None:
    new = st.session_state[f"new name {name}"].strip()
    state.shelf().rename(name, new)
    if st.query_params.get("run") == name:
        state.choose(run=new)


@st.dialog("Delete this run?")
def _confirm(name: str) -> None:
    st.text(f"'{name}' will be gone, and nothing brings it back.")
    if st.button("Delete it", type="primary"):
        state.shelf().delete(name)
        if st.query_params.get("run") == name:
            state.choose(run=None)
        st.rerun()
    if st.button("Keep it"):
        st.rerun()


def bring_in() -> None:
    """Unpack a run that was taken away elsewhere, and say what it is."""
    if said := st.session_state.pop("came in", ""):
        widgets.note(said)
    with st.form("bring in", border=True):
        st.html("<h2 class=figure>Bring in a run</h2>")
        zips = "A zip file: of “The run as a zip file”, or of a run's folder"
        st.file_uploader(zips, ["zip"], key="zip")
        st.text_input("Name", placeholder="the file's own", key="zip name")
        st.form_submit_button("Bring in", on_click=progress.start, args=("bring in", _bring_in))
    progress.refusal("bring in")


def _bring_in() -> None:
    file, name = st.session_state["zip"], st.session_state["zip name"].strip()
    if file is None:
        raise InputError("No file was chosen. Choose a zip file.")
    run = state.shelf().bring_in(name or file.name.removesuffix(".zip"), file.getvalue())
    st.session_state["came in"] = f"Came in as '{run.name}': {widgets.run_facts(run)}."


def kept() -> None:
    """What finished jobs left on the disk, and a way to be rid of it."""
    found = state.jobs().kept
    count, size = found.size() if found is not None else (0, 0)
    if count:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            what = f"{count:,} result{'s' * (count > 1)} of jobs, {size / 1e6:,.1f} MB"
            st.html(
                f"<b>{what}</b><p class=reading>Live runs and answers, each under its address.</p>", width="stretch"
            )
            st.button("Clear them", on_click=state.jobs().clear)


@st.fragment(run_every=0.5)
def check(found: list[Shelved]) -> None:
    """Open those runs that nobody has opened yet, one at each look; one that doesn't validate is named in its row."""
    unknown = next((run for run in found if not run.fault and state.fault_of(run) is None), None)
    if unknown is None or state.check(unknown):
        st.rerun()


def page() -> None:
    """Draw the page."""
    widgets.head("Runs", f"What is kept in {state.shelf().root}.")
    found = state.shelf().all()
    if not found:
        widgets.note("No runs yet. Inspect a text on the overview and save it, or: inspector examine --out RUNS/first")
    for run in found:
        row(replace(run, fault=run.fault or state.fault_of(run) or ""))
    bring_in()
    kept()
    if any(not run.fault and state.fault_of(run) is None for run in found):
        check(found)


page()

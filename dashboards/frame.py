"""What surrounds every page: navigation, the choice of a run, and what is said when something fails."""

import sys
import traceback

import streamlit as st

from dashboards import doors, pages, state, tour, widgets
from dashboards.theme import style
from inspector.detectors.base import load_judges
from inspector.errors import InspectorError


def show() -> None:
    """Draw the frame and the page of this address."""
    style()
    every = pages.by_path()
    page = st.navigation([one.page for one in every.values()], position="hidden")
    here = page.url_path or next(iter(every))
    st.set_page_config(page_title=f"{_title(every[here])} · inspector")
    with st.sidebar:
        st.html("<p class=brand>inspector<small>What goes on inside a language model</small></p>")
        start = here == "overview" and doors.is_wanted()
        with st.container(key="not-here" if here == "overview" and not start else "start"):
            widgets.link("overview", "Start", run=None, tour=None, form=None)
        for path, one in every.items():
            with st.container(key="not-here" if start and path == here else f"to {path}"):
                widgets.link(path, one.title, **_named(path))
        _choose_run()
        for fault in load_judges()[1]:
            widgets.trouble(fault)
    tour.show(here)
    st.session_state["page"] = here
    try:
        page.run()
    except InspectorError as error:
        widgets.trouble(str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)  # for whoever runs the server; the visitor gets a sentence
        widgets.trouble(
            f"This page failed ({type(error).__name__}). The server's output says more; other pages still work."
        )


def _title(page: pages.Page) -> str:
    """What a browser's tab says."""
    return "Start" if page.path == "overview" and doors.is_wanted() else page.title


def _named(path: str) -> dict[str, str]:
    """What the overview's address names where no run is chosen: without that it would be the start page's."""
    if path != "overview" or "run" in st.query_params:
        return {}
    run = next((run.name for run in state.shelf().all() if not run.fault), None)
    return {"form": "1"} if run is None else {"run": run}


def _choose_run() -> None:
    """The run that all pages show: saved ones, and this visitor's live one."""
    saved = [run.name for run in state.shelf().all()]
    live = st.query_params["run"] if state.is_live(st.query_params.get("run")) else None
    job = state.mine("scan")
    if job is not None and job.state == "done":
        live = state.LIVE + job.id
    options = [*([live] if live else []), *saved]
    if not options:
        return
    now = st.query_params.get("run")
    key = "choice run"
    st.session_state[key] = now if now in options else options[0] if now is None else None
    st.selectbox(
        "Run",
        options,
        key=key,
        format_func=lambda name: "live run, not saved" if name == live else name,
        placeholder="Choose a run",
        on_change=lambda: state.choose(**state.another_run(st.session_state[key])),
    )

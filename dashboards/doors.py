"""The start page: a question for each phenomenon, with one field and one button, and below them the runs."""

from collections.abc import Hashable
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from dashboards import asking, pages, progress, state, widgets, work
from dashboards.jobs import Job
from dashboards.shelf import Shelved
from dashboards.state import View
from inspector.detectors.base import Judge, load_detectors, load_judges
from inspector.detectors.shown import Door
from inspector.errors import InputError, RunError
from inspector.models.catalogue import BUILT_IN

LONGEST = 2000
"""Characters of a door's field; longer texts have the form on the overview."""
MOST_RUNS = 12


def is_wanted() -> bool:
    """Whether the address names nothing that another page would show."""
    return not {"run", "tour", "form"} & set(st.query_params)


def page() -> None:
    """Draw the page."""
    widgets.head(
        "What goes on inside a language model?",
        f"Three questions, answered on {BUILT_IN}, which runs on this machine. Type something, press the button.",
    )
    doors = [(one, door) for one in load_judges()[0] if (door := pages.screen_of(one).door) is not None]
    doors.sort(key=lambda pair: pair[1].order)
    for column, (judge, door) in zip(st.columns(max(1, len(doors))), doors, strict=True):
        with column, st.container(border=True, height="stretch"):
            _door(judge, door)
    with st.container(horizontal=True):
        st.button("New here? Take the tour", on_click=state.choose, kwargs={"tour": 1})
        st.button("A file, several texts, or another model", on_click=state.choose, kwargs={"form": 1})
    _runs()


def _door(judge: Judge, door: Door) -> None:
    """One question: its field, its button, and beside that the progress of what the button started."""
    st.html(f"<h2 class=figure style='--tile: {widgets.accent(judge.name)}'>{escape(door.asks)}</h2>")
    view = _study(judge) if door.of_run else None
    if door.of_run and view is None:
        widgets.note("This needs a study of the built-in model's answers, and no run here is one. Make it: make demo")
        return
    kind, of = ("ask", asking.belongs_to(view)) if view is not None else (f"door {judge.name}", None)
    with st.form(f"door {judge.name}", border=False):
        field = f"field {judge.name}"
        st.text_area(door.label, door.example, height=96, key=field, max_chars=LONGEST)
        submit = (kind, _submit, kind, of, field, view)
        st.form_submit_button(door.button, type="primary", on_click=progress.start, args=submit)
    job, led_to = progress.outcome(kind, of), state.led_to()
    if job is not None and job.id not in led_to:
        where, asked = pages.by_path()[pages.path_of(judge)].page, _found(job, view)
        led_to.add(job.id)
        st.switch_page(where, query_params=asked)


def _submit(kind: str, of: Hashable, field: str, view: View | None) -> None:
    text = st.session_state[field]
    if not text.strip():
        raise InputError("The field is empty. Type a sentence.")
    if view is not None:
        asking.submit(view, asking.query_of(text, None, view))
        return
    detectors = [one.name for one in load_detectors()]
    scan = partial(work.scan, name=BUILT_IN, texts=[text.strip()], detectors=detectors, bos=None, dtype="auto")
    state.submit(kind, "Reading the text", scan, of)


def _found(job: Job, view: View | None) -> dict[str, Any]:
    """The address, on the phenomenon's own page, of what was found."""
    return {"run": state.LIVE + job.id} if view is None else {"run": view.name, "asked": 1, "job": job.id}


def _study(judge: Judge) -> View | None:
    """The latest run of the built-in model that has what a door needs, opened."""
    for run in state.shelf().all():
        if not run.fault and _fits(run, judge.name):
            try:
                return state.view(run.name)
            except RunError:
                continue
    return None


def _fits(run: Shelved, detector: str) -> bool:
    return run.about["model"]["name"] == BUILT_IN and detector in run.about["settings"]["detectors"]


def _runs() -> None:
    """Links to what is kept."""
    found = [run for run in state.shelf().all() if not run.fault]
    st.html("<h2 class=figure>Runs</h2>")
    if not found:
        widgets.note("None yet: what you look at can be saved on its page. On the command line: inspector examine")
    for run in found[:MOST_RUNS]:
        with st.container(horizontal=True, vertical_alignment="center"):
            widgets.link("overview", widgets.plain(run.name), run=run.name)
            widgets.reading(widgets.run_facts(run))
    if len(found) > MOST_RUNS:
        widgets.link("runs", f"All {len(found)} runs")

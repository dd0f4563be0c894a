"""A measurement that is asked for on the page of measurements: its form, its job, and what is shown of the result."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import progress, state, widgets
from dashboards.jobs import Job
from dashboards.long_work import Saved
from dashboards.state import View
from inspector.errors import InputError
from inspector.models.catalogue import BUILT_IN

Work = Callable[[Job], Any]


@dataclass(frozen=True)
class Measure:
    """One kind of measurement.

    Args:
        name: in the address.
        title: on the page.
        says: what it does, how long it takes, and what it leaves.
        fields: draws the form's fields; gives back a function that makes the work of what is in them, which it reads
            by their keys, once the button is pressed.
        show: draws a result that is no saved run.
        of_run: whether it is of the run that the address names.
        leads: the page that shows a saved result best, and what a link to it says.
    """

    name: str
    title: str
    says: str
    fields: Callable[[View | None], Callable[[], Work]]
    show: Callable[[Any], None] = lambda result: None
    of_run: bool = False
    leads: tuple[str, str] = ("overview", "Open it")


def draw(one: Measure) -> None:
    """The form, the progress of what was asked for, and the result."""
    widgets.reading(one.says)
    view = widgets.open_view() if one.of_run else None
    if one.of_run and view is None:
        return
    if view is not None:
        widgets.model_place(view)
    kind, of = f"measure {one.name}", None if view is None else (view.identity, view.place)
    with st.form(kind, border=True):
        work = one.fields(view)
        widgets.reading(f"A job on this server may take {state.jobs().limits.minutes:g} minutes.")
        submit = (kind, lambda: state.submit(kind, one.title, work(), of))
        st.form_submit_button("Measure (loads the model)", type="primary", on_click=progress.start, args=submit)
    job = progress.outcome(kind, of)
    if job is not None:
        saved(job.result, *one.leads) if isinstance(job.result, Saved) else one.show(job.result)


def saved(result: Saved, page: str, label: str) -> None:
    """What was kept, and a link to the page that shows it."""
    widgets.note(f"Kept in run '{result.run}'.")
    for said in result.said:
        widgets.finding(said)
    widgets.link(page, label, **state.another_run(result.run))


def new_name(view: View | None, ending: str) -> Callable[[], Path]:
    """A field for the name of the run that is made; gives back a function that says where it goes."""
    default = f"{view.name}-{ending}" if view is not None and view.saved else ending
    key = f"as {ending}"
    st.text_input("Keep it as run", default, key=key)
    return lambda: state.shelf().place(st.session_state[key].strip())


def model_name() -> Callable[[], str]:
    """A field for a model's name, folder or file; gives back a function that says what is in it."""
    help = "The built-in one, a folder, a .gguf, or a hub id."
    st.text_input("Model", BUILT_IN, key="measured model", help=help)
    return lambda: st.session_state["measured model"].strip()


def refuse_live(view: View | None) -> View:
    """The run, which is saved.

    Raises:
        InputError: it is a live one.
    """
    if view is None or not view.saved:
        raise InputError("This run is not saved. Save it on the overview first.")
    return view

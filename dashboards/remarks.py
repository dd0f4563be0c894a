"""Notes that visitors write on a run and on what they see in it, kept in the run's settings under `remarks`."""

from dataclasses import replace

import streamlit as st

from dashboards import progress, state, widgets
from dashboards.state import View
from inspector.errors import InputError
from inspector.run import disk
from inspector.run.report import open_run

LONGEST = 2000
RUN = "run"
"""What a note on the whole run is about."""


def of(view: View) -> dict[str, str]:
    """The run's notes, by what they are about; what isn't text is left out."""
    found = view.report.settings.get("remarks", {})
    items = found.items() if isinstance(found, dict) else ()
    return {str(about): said for about, said in items if isinstance(said, str)}


def field(view: View, about: str, label: str) -> None:
    """A field for a note on one thing, and what is written there already."""
    if not view.saved:
        return
    now = of(view).get(about, "")
    with st.expander(f"Note on {label}" + (" ✎" if now else "")), st.form(f"note {about}", border=False):
        key = f"note {view.key} {about}"
        st.text_area(f"Note on {label}", now, max_chars=LONGEST, key=key, label_visibility="collapsed")
        keep = ("note", lambda: write(view, about, st.session_state[key].strip()))
        st.form_submit_button("Keep the note", on_click=progress.start, args=keep)
    progress.refusal("note")


def listed(view: View) -> None:
    """All notes of a run."""
    for about, said in of(view).items():
        widgets.note(f"{about}: {said}" if about != RUN else said)


def write(view: View, about: str, text: str) -> None:
    """Keep a note in the run, or take it away where the text is empty.

    Raises:
        InputError: the run is not saved.
    """
    if not view.saved:
        raise InputError("This run is not saved. Save it on the overview first.")
    folder = state.shelf().find(view.name).folder
    report = open_run(folder)
    remarks = {**of(replace(view, report=report)), about: text}
    kept = {name: said for name, said in remarks.items() if said}
    others = {name: value for name, value in report.settings.items() if name != "remarks"}
    settings = others | ({"remarks": kept} if kept else {})
    disk.save(replace(report, settings=settings), folder, overwrite=True)

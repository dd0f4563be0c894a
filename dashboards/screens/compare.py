"""Compare: two runs with the same colour limits, their differences, and models of other shapes by depth."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from dashboards import charts, state, widgets
from dashboards.state import View
from inspector.detectors.base import attempt
from inspector.detectors.measured import Measured
from inspector.errors import DetectorError, RunError
from inspector.figures.drawing import Drawing
from inspector.run.differences import headlines, unlike


def figures(first: View, second: View) -> None:
    """What each detector that measured both compares them by: both in one picture, then one beside the other."""
    views = {"first": first, "second": second}
    found = {name: one for part in first.report.parts for name, one in _of(part, second.report.part(part.name)).items()}
    single = {name: one for name, one in found.items() if len(one.sources) == 1}
    for name, drawing in found.items():
        if name not in single:
            charts.draw_two(views, f"compare-{name}", drawing)
    for column, (name, drawing) in zip(st.columns(max(1, len(single))), single.items(), strict=False):
        with column:
            charts.draw_two(views, name, drawing)


def _of(part: Measured, other: Measured | None) -> Mapping[str, Drawing]:
    """A detector's figures of two runs, if both have it."""
    compare = getattr(part.detector, "comparison", None)
    if other is None or compare is None:
        return {}
    try:
        found: Mapping[str, Drawing] = attempt(part.detector, "comparison", partial(compare, part, other))
        return found
    except DetectorError as error:
        widgets.trouble(str(error))
        return {}


def other(view: View) -> View | None:
    """The run to compare with: the one that is pinned, else the latest other one with the same detectors."""
    mine = set(view.report.settings["detectors"])
    others = [run for run in state.shelf().all() if run.name != view.name and not run.fault and not state.fault_of(run)]
    if not others:
        widgets.note("There is only one run here. Make another, then compare.")
        return None
    names, pinned = [run.name for run in others], st.query_params.get("pin")
    alike = (run.name for run in others if set(run.about["settings"]["detectors"]) == mine and state.is_whole(run))
    name = next(alike, names[0]) if pinned is None else pinned
    st.session_state["choice pin"] = name if name in names else None
    st.selectbox(
        "Compare with",
        names,
        key="choice pin",
        placeholder="Choose a run",
        on_change=lambda: state.choose(pin=st.session_state["choice pin"]),
    )
    if name not in names:
        widgets.trouble(f"The run that was pinned, '{name[:64]}', is not here or is damaged. Choose another.")
        return None
    try:
        return state.view(name)
    except RunError as error:
        widgets.trouble(str(error))
        return None


def page() -> None:
    """Draw the page."""
    widgets.head("Compare", "Two runs side by side: other texts, another model, or before and after a change.")
    view = widgets.open_view()
    if view is None:
        return
    second = other(view)
    if second is None:
        return
    with st.container(border=True):
        st.html("<h2 class=figure>Numbers that both have</h2>")
        table = headlines(view.report, second.report)
        if not len(table):
            widgets.note("These runs measured different things, so there is nothing to set side by side.")
            return
        if others := unlike(view.report, second.report):
            widgets.note(f"What else differs. {' '.join(others)}")
        widgets.plain_table(table.rename(columns={"first": view.name, "second": second.name}))
    figures(view, second)


page()

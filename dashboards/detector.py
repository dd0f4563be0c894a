"""A detector's screen: its thresholds, sentences, figures and tables; and what the detector adds to them."""

import traceback
from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboards import charts, pages, state, widgets
from dashboards.state import View
from inspector.detectors.base import Judge, attempt, resolve
from inspector.detectors.measured import Measured
from inspector.errors import DetectorError, InputError
from inspector.show.figures import drawings_of
from inspector.show.sentences import of_part
from inspector.show.terminal import text_tables

Show = Callable[[View], None]


def page(show: Show | None = None) -> None:
    """Draw the screen of the detector that the address names; `show` is what comes after its sentences."""
    judge = pages.by_path()[st.session_state["page"]].detector
    assert judge is not None
    screen = pages.screen_of(judge)
    widgets.head(pages.title_of(judge), screen.lede)
    view = widgets.open_view()
    if view is None:
        return
    part = view.report.part(judge.name)
    if part is None:
        _absent(judge)
        return
    widgets.sliders(view, judge.name)
    for one in of_part(part):
        if not one.tested:
            widgets.sentence(one)
    own = show or (None if screen.show is None else resolved(judge))
    if own is None:
        everything(view, part)
        return
    with widgets.told():
        attempt(judge, "its screen", lambda: own(view))


def resolved(judge: Judge) -> Show:
    """The function that draws a detector's own screen.

    Raises:
        DetectorError: it can't be imported.
    """
    show: Show = attempt(judge, "its screen", lambda: resolve(pages.screen_of(judge).show))
    return show


def _absent(judge: Judge) -> None:
    """What to do where the run didn't measure this."""
    title, screen = pages.title_of(judge).lower(), pages.screen_of(judge)
    widgets.note(
        screen.absent or f"This run did not look for {title}. Choose one that did, or inspect a text on the overview."
    )
    if screen.measured:
        widgets.link("measure", "Measure it here →", measure=screen.measured)
    for run in state.shelf().all() if screen.absent else ():
        if judge.name in run.about.get("settings", {}).get("detectors", []):
            widgets.link(pages.path_of(judge), f"Open {run.name}, which has it", run=run.name, layer=None, head=None)


def everything(view: View, part: Measured) -> None:
    """A detector's figures and tables, those that fail named."""
    try:
        for name, drawing in drawings_of(part).items():
            figure(view, part, name, drawing)
    except DetectorError as error:
        widgets.trouble(str(error))
    tables(part)


def figure(view: View, part: Measured, name: str, drawing: Any, **more: Any) -> None:
    """One of a detector's figures; or that it fails."""
    try:
        attempt(part.detector, f"figure '{name}'", lambda: charts.draw(view, name, drawing, **more))
    except (DetectorError, InputError) as error:
        traceback.print_exc()
        widgets.trouble(str(error))


def tables(part: Measured) -> None:
    """A detector's tables as the terminal shows them."""
    try:
        for one in text_tables(part):
            with st.container(border=True):
                widgets.text_table(one)
    except DetectorError as error:
        widgets.trouble(str(error))

"""Interventions: change one thing beside a matched random control; and what verification said of the run's findings."""

import html
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboards import charts, detector, trying, widgets
from dashboards.state import View
from inspector.detectors.measured import Measured
from inspector.errors import DetectorError
from inspector.figures import effect_intervals
from inspector.figures.drawing import Drawing, Source
from inspector.figures.effects import METRICS
from inspector.records import operation_words
from inspector.show.figures import drawings_of
from inspector.show.sentences import of_part

VERDICTS = (
    "Refuted: shown to be too small to count, or no more than matched random controls do. Undecided: not shown either "
    "way."
)
ROWS = 14


def tested(view: View) -> None:
    """The run's effects, each beside its controls, with verdicts."""
    if not view.has("effects"):
        if not view.saved:
            widgets.note("This run's findings are not verified yet. To do it, save the run on the overview first.")
            return
        how = f"inspector verify {view.key[0]} --in-place"
        widgets.note(f"This run's findings are not verified yet. To do it on the command line: {how}")
        widgets.link("measure", "Verify it here →", measure="verify")
        return
    for part in view.report.parts:
        for one in of_part(part):
            if one.tested:
                widgets.sentence(one)
    tested = {part.title: part for part in view.report.parts if part.effects}
    if tested:
        _effects(view, tested)
    for part in view.report.parts:
        _more(view, part)


def _effects(view: View, tested: Mapping[str, Measured]) -> None:
    """The effects of one detector's trials on one metric, with verdicts."""
    left, right = st.columns(2)
    with left:
        part = tested[widgets.choice("tested", "Tested", list(tested), st.query_params.get("tested"))]
    effects = part.effects_frame()
    with right:
        known = list(dict.fromkeys(effects["metric"]))
        said = lambda name: METRICS.get(name, (name,))[0]  # noqa: E731
        metric = widgets.choice("metric", "Effect on", known, st.query_params.get("metric"), said)
    mine = effects[effects["metric"] == metric]
    drawing = Drawing(
        effect_intervals,
        (Source("effects", f"detector == {part.name!r}"),),
        {"metric": metric, "most": ROWS, "accents": {part.name: part.accent}},
        "The dot is the change with its 95 % interval; the grey band is what the same does to matched random controls. "
        "A full dot matters as claimed, an open one is harmless as claimed, a cross is neither. "
        f"Of {len(mine)}, the largest {min(ROWS, len(mine))} are drawn.",
        ("matched random control", "loss", "KL"),
    )
    charts.draw(view, "effects", drawing)
    _verdicts(mine.loc[mine["change"].abs().nlargest(ROWS).index])


def _more(view: View, part: Measured) -> None:
    """What else the verification measured of a detector: figures of the record's tables."""
    tables = getattr(part.detector, "tables", ())
    try:
        drawings = drawings_of(part)
    except DetectorError as error:
        widgets.trouble(str(error))
        return
    for drawing in drawings.values():
        if drawing.sources[0].frame in tables:
            detector.figure(view, part, drawing.sources[0].frame, drawing)


def _verdicts(effects: pd.DataFrame) -> None:
    rows = [
        f"<tr><td>{html.escape(operation_words(row.op))}: {html.escape(row.target)}</td>"
        f"<td>{widgets.verdict(row.verdict, row.claim)}</td><td>{html.escape(row.reason)}</td></tr>"
        for row in effects.itertuples()
    ]
    header = "<tr><th>claim</th><th>verdict</th><th>why</th></tr>"
    with st.container(border=True):
        st.html("<h2 class=figure>Verdicts</h2>")
        widgets.reading(VERDICTS)
        st.html(
            f"<div class=scroll><table class=plain><thead>{header}</thead><tbody>{''.join(rows)}</tbody></table></div>"
        )


def page() -> None:
    """Draw the page."""
    widgets.head("Interventions", "Seeing is not proof: change one thing inside the model, and see what it then does.")
    view = widgets.open_view()
    if view is None:
        return
    trying.form(view)
    tested(view)


page()

"""The figures that a report has, by name."""

from collections.abc import Iterator

import pandas as pd
import plotly.graph_objects as go

from inspector.detectors.base import attempt, failure
from inspector.detectors.measured import Measured
from inspector.errors import DetectorError, InputError
from inspector.figures.drawing import Drawing, Source
from inspector.figures.effects import effect_intervals
from inspector.printable import kind_of
from inspector.run.report import Report


def drawings(report: Report) -> dict[str, Drawing]:
    """Every figure whose frames this report has; those of a detector whose figures fail are left out."""
    found: dict[str, Drawing] = {}
    for part in report.parts:
        try:
            found |= drawings_of(part)
        except DetectorError:
            continue
    return found | effects(report)


def drawings_of(part: Measured) -> dict[str, Drawing]:
    """A detector's figures whose frames the report has, the first of them with rows.

    Raises:
        DetectorError: the detector's figures fail, or are drawn from a frame that isn't there in any run.
    """
    every = part.ask("figures", {})
    for name, one in every.items():
        for source in one.sources:
            if not _is_known(part, source.frame):
                raise failure(part.detector, f"figure '{name}'", f"there is no frame '{source.frame}'")
    return {name: one for name, one in every.items() if _can_be_drawn(part, one)}


def effects(report: Report) -> dict[str, Drawing]:
    """The figure of what was tested, of all detectors."""
    if not report.effects:
        return {}
    accents = {part.name: part.accent for part in report.parts}
    means = (
        "The dot is the change with its 95 % interval; the grey band is what the same does to matched random controls."
    )
    return {"effects.loss": Drawing(effect_intervals, ("effects",), {"accents": accents}, means)}


def _is_known(part: Measured, frame: str) -> bool:
    """Whether some record can have this frame or table of the detector's."""
    declared = [getattr(part.detector, attribute, ()) for attribute in ("frames", "tables", "sources")]
    return any(frame.removeprefix(f"{part.name}.") in names for names in (*declared, part.record.tables))


def _can_be_drawn(part: Measured, drawing: Drawing) -> bool:
    """Whether the report has all frames of a figure, and the first one has rows."""
    names = [source.frame.removeprefix(f"{part.name}.") for source in drawing.sources]
    return all(name in part.frames or name in part.record.tables for name in names) and part.has(names[0])


def figure(report: Report, name: str, drawing: Drawing) -> go.Figure:
    """One of the report's figures.

    Raises:
        DetectorError: drawing it failed.
    """
    owner = owner_of(report, drawing)

    def draw() -> go.Figure:
        drawn = drawing.figure(lambda source: frame(report, source))
        if not isinstance(drawn, go.Figure):
            raise TypeError(f"it gave {kind_of(drawn)}, not a plotly figure")
        return drawn

    return draw() if owner is None else attempt(owner.detector, f"figure '{name}'", draw)


def owner_of(report: Report, drawing: Drawing) -> Measured | None:
    """The part whose frame a figure is drawn from."""
    head = drawing.sources[0].frame.partition(".")[0]
    return _part(report, head) or next(
        (part for part in report.parts if head in getattr(part.detector, "tables", ())), None
    )


def _part(report: Report, head: str) -> Measured | None:
    """The part of this name; None where a frame's name begins with none."""
    return next((part for part in report.parts if part.name == head), None)


def frame(report: Report, source: Source) -> pd.DataFrame:
    """A source's frame; made once where a detector makes it."""
    head, _, name = source.frame.partition(".")
    part = _part(report, head)
    return report.frame(source.frame) if part is None or name not in part.frames else part.frame(name)


def figures(report: Report) -> dict[str, go.Figure]:
    """Every figure of the report, drawn; those that fail are left out."""
    return dict(_drawn(report))


def _drawn(report: Report) -> Iterator[tuple[str, go.Figure]]:
    for name, drawing in drawings(report).items():
        try:
            yield name, figure(report, name, drawing)
        except (DetectorError, InputError):
            continue

"""A report in a notebook: its sentences, one picture, the strongest findings, what was not measured, its frames."""

import html
from collections.abc import Iterator

from inspector.errors import DetectorError, InputError
from inspector.figures.drawing import title_of
from inspector.figures.sketch import sketch
from inspector.pages import group, paragraph, table, whole
from inspector.run.report import Report
from inspector.show.figures import drawings, figure
from inspector.show.sentences import sentences

STRONGEST, EFFECTS = 12, 24
"""Findings and effects shown."""


def page(report: Report) -> str:
    """The report as a part of a page, of at most some 50 kB, that reads in light and dark."""
    said = sentences(report)
    aside = [one for one in said if one.section in ("input", "note")]
    told = [one for one in said if one.section not in ("input", "note")]
    parts = [
        group("What was found", [paragraph(str(one)) for one in told] + [picture(report)], opened=True),
        group(f"Findings ({len(report.findings):,})", [_findings(report)]),
        group(f"Tested ({len(report.effects):,})", [_effects(report)]),
        group("Texts, and what to know", [paragraph(str(one)) for one in aside]),
        group(f"Frames ({len(report.frames())})", [_names(report)]),
    ]
    return whole(parts)


def picture(report: Report) -> str:
    """The first of the report's figures that has lines, as a sketch."""
    for name, drawing in drawings(report).items():
        try:
            drawn = figure(report, name, drawing)
        except (DetectorError, InputError):
            continue
        if lines := sketch(drawn, title_of(drawn)):
            said = f"{html.escape(title_of(drawn))}: <code>{html.escape(f'report.figure({name!r})')}</code>"
            return f'<p>{lines}<br><span class="aside">{said}</span></p>'
    return ""


def _findings(report: Report) -> str:
    """The strongest of each kind, and how to have all."""
    if not report.findings:
        return ""
    rows = report.frame("findings").sort_values("score", ascending=False, kind="stable")
    strongest = rows.groupby("kind", sort=False).head(max(2, STRONGEST // rows["kind"].nunique())).head(STRONGEST)
    columns = ["kind", "layer", "unit", "position", "token", "score", "verdict"]
    return f'{table(strongest[columns])}<p class="aside">All: <code>report.findings.frame()</code></p>'


def _effects(report: Report) -> str:
    if not report.effects:
        return ""
    columns = ["target", "op", "metric", "change", "low", "high", "twin_change", "n", "verdict"]
    return table(report.frame("effects")[columns].head(EFFECTS))


def _names(report: Report) -> str:
    def several() -> Iterator[str]:
        for name in report.frames():
            if not name.startswith("evidence."):
                yield f"<code>{html.escape(name)}</code>"

    return f'<p>{", ".join(several())}</p><p class="aside">Each by <code>report.frame("…")</code></p>'

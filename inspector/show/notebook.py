"""A report in a notebook: its sentences, one picture, the strongest findings, what was not measured, its frames."""

import html
from collections.abc import Iterator, Sequence

import pandas as pd

from inspector.errors import DetectorError, InputError
from inspector.figures.drawing import title_of
from inspector.figures.sketch import sketch
from inspector.records import Sentence
from inspector.run.report import Report
from inspector.show.figures import drawings, figure
from inspector.show.sentences import sentences

STRONGEST, EFFECTS, LONGEST = 12, 24, 600
"""Findings and effects shown; characters of a sentence."""

STYLE = (
    "<style>.inspector{max-width:60rem;line-height:1.45;color:inherit}.inspector p{margin:.3em 0}"
    ".inspector summary{cursor:pointer;font-weight:600;margin:.4em 0}.inspector table{font-size:.9em}"
    ".inspector .aside{opacity:.75}.inspector code{font-size:.9em}</style>"
)


def page(report: Report) -> str:
    """The report as a part of a page, of at most some 50 kB, that reads in light and dark."""
    said = sentences(report)
    aside = [one for one in said if one.section in ("input", "note")]
    told = [one for one in said if one.section not in ("input", "note")]
    parts = [
        _group("What was found", [_paragraph(one) for one in told] + [picture(report)], opened=True),
        _group(f"Findings ({len(report.findings):,})", [_findings(report)]),
        _group(f"Tested ({len(report.effects):,})", [_effects(report)]),
        _group("Texts, and what to know", [_paragraph(one) for one in aside]),
        _group(f"Frames ({len(report.frames())})", [_names(report)]),
    ]
    return f'<div class="inspector">{STYLE}{"".join(parts)}</div>'


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


def _group(title: str, parts: Sequence[str], *, opened: bool = False) -> str:
    body = "".join(parts)
    state = " open" if opened else ""
    return f"<details{state}><summary>{html.escape(title)}</summary>{body}</details>" if body else ""


def _paragraph(sentence: Sentence) -> str:
    text = str(sentence)
    return f"<p>{html.escape(text if len(text) <= LONGEST else f'{text[: LONGEST - 1]}…')}</p>"


def _findings(report: Report) -> str:
    """The strongest of each kind, and how to have all."""
    if not report.findings:
        return ""
    table = report.frame("findings").sort_values("score", ascending=False, kind="stable")
    strongest = table.groupby("kind", sort=False).head(max(2, STRONGEST // table["kind"].nunique())).head(STRONGEST)
    columns = ["kind", "layer", "unit", "position", "token", "score", "verdict"]
    return f'{_table(strongest[columns])}<p class="aside">All: <code>report.findings.frame()</code></p>'


def _effects(report: Report) -> str:
    if not report.effects:
        return ""
    columns = ["target", "op", "metric", "change", "low", "high", "twin_change", "n", "verdict"]
    return _table(report.frame("effects")[columns].head(EFFECTS))


def _table(table: pd.DataFrame) -> str:
    short = table.map(lambda value: f"{value[:59]}…" if isinstance(value, str) and len(value) > 60 else value)
    short = short.astype(object).where(short.notna(), None)
    return str(short.to_html(index=False, border=0, na_rep="", float_format=lambda x: f"{x:,.4g}"))


def _names(report: Report) -> str:
    def several() -> Iterator[str]:
        for name in report.frames():
            if not name.startswith("evidence."):
                yield f"<code>{html.escape(name)}</code>"

    return f'<p>{", ".join(several())}</p><p class="aside">Each by <code>report.frame("…")</code></p>'

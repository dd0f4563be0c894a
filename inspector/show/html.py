"""One offline HTML page of a run: each detector's findings in words, figures and tables; nothing fetched."""

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from inspector.detectors.measured import Measured
from inspector.errors import DetectorError, InputError
from inspector.figures.drawing import Drawing, title_of
from inspector.places import write_whole
from inspector.records import Sentence
from inspector.run.report import Report
from inspector.show.figures import drawings_of, effects, figure
from inspector.show.sentences import header, of_part

ROWS = 200
"""Rows of a table shown on the page; the run has all."""

STYLE = """
:root { color-scheme: light dark; --ink: #212529; --paper: #fff; --line: #dee2e6; --soft: #f8f9fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ecef; --paper: #16181b; --line: #343a40; --soft: #212529; } }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; }
figure { margin: 1.5rem 0; background: #fff; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
figcaption { color: #212529; font-weight: 600; padding: .75rem 1rem 0; }
figure > p { color: #495057; margin: .25rem 1rem 0; font-size: .92rem; }
.scroll { overflow-x: auto; max-height: 28rem; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: pre; }
th { position: sticky; top: 0; background: var(--soft); } details { margin: 1rem 0; } code { font-size: .9em; }
"""


def write(report: Report, path: str | Path) -> Path:
    """Write the page; the file opens without a network.

    Raises:
        InputError: the place can't be written.
    """
    target, page = Path(path).expanduser(), render(report)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, page)
    except OSError as error:
        raise InputError(f"'{path}' can't be written: {error.strerror}. Choose another place.") from error
    return target


def render(report: Report) -> str:
    """The page as one string of HTML."""
    title = html.escape(f"{report.card['name']}: what the inspector found")
    notes = [Sentence("note", note) for note in report.notes]
    page = _Page(report)
    parts = [f"<h1>{title}</h1>", *map(_paragraph, [*header(report), *notes]), page.table("findings")]
    for part in report.parts:
        parts += [f"<section><h2>{html.escape(part.title)}</h2>", *page.section(part), "</section>"]
    if report.effects:
        parts += ["<section><h2>Tested</h2>", *page.figures(effects(report)), page.table("effects"), "</section>"]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{page.policy()}<title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


class _Page:
    """A page in the making; its first figure brings plotly."""

    def __init__(self, report: Report) -> None:
        self.report, self.drawn = report, 0
        self.scripts: list[str] = []

    def policy(self) -> str:
        """What a browser may do with the page: run the figures' own scripts, and fetch nothing from anywhere."""
        allowed = " ".join(f"'sha256-{one}'" for one in self.scripts) or "'none'"
        rules = (
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
        return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'

    def section(self, part: Measured) -> Iterator[str]:
        """A detector's sentences, figures and tables; or what of it failed."""
        yield from map(_paragraph, of_part(part))
        try:
            yield from self.figures(drawings_of(part))
            for name in _page_of(part):
                if part.has(name.removeprefix(f"{part.name}.")):
                    yield self.table(name)
        except DetectorError as error:
            yield _paragraph(Sentence("fault", str(error)))

    def figures(self, drawings: dict[str, Drawing]) -> Iterator[str]:
        """Figures, each under its title; one that fails is named."""
        for name, drawing in drawings.items():
            try:
                yield self._figure(figure(self.report, name, drawing), drawing)
            except (DetectorError, InputError) as error:
                yield _paragraph(Sentence("fault", str(error)))

    def _figure(self, drawn: go.Figure, drawing: Drawing) -> str:
        """A figure under its title, which is text of the page so that it wraps."""
        title, said = title_of(drawn), html.escape(drawing.alt(drawn), quote=True)
        drawn.update_layout(title=None, margin_t=36)
        self.drawn += 1
        body = drawn.to_html(
            full_html=False,
            include_plotlyjs="inline" if self.drawn == 1 else False,
            config={"displaylogo": False, "responsive": True},
        )
        scripts = re.findall(r"<script[^>]*>(.*?)</script>", body, re.DOTALL)  # plotly's own: data holds no "<"
        self.scripts += [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
        means = f"<p>{html.escape(drawing.means)}</p>" if drawing.means else ""
        caption = f"<figcaption>{html.escape(title)}</figcaption>"
        return f'<figure role="img" aria-label="{said}">{caption}{means}{body}</figure>'

    def table(self, name: str) -> str:
        """A table that opens; its first rows."""
        table = self.report.frame(name)
        shown: pd.DataFrame = table.head(ROWS)
        more = f" (the first {ROWS} of {len(table)})" if len(table) > ROWS else ""
        body = shown.to_html(index=False, border=0, na_rep="", float_format=lambda x: f"{x:,.4g}")
        return f'<details><summary>{html.escape(name)}{more}</summary><div class="scroll">{body}</div></details>'


def _page_of(part: Measured) -> tuple[str, ...]:
    """Full names of the frames that a detector wants on the page; all of its frames where it doesn't say."""
    chosen: tuple[str, ...] | None = getattr(part.detector, "page", None)
    return tuple(f"{part.name}.{name}" for name in part.frames) if chosen is None else chosen


def _paragraph(sentence: Sentence) -> str:
    return f"<p>{html.escape(str(sentence))}</p>"

"""One offline HTML page of a run: findings in words, figures, tables; nothing fetched."""

import html
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from inspector.errors import InputError
from inspector.records import Record
from inspector.run.tables import frame, names
from inspector.show.figures import figures
from inspector.show.sentences import paragraphs

ROWS = 200
"""Rows of a table shown on the page; the run has all."""

SHOWN = (
    "findings",
    "massive.plateaus",
    "massive.writers",
    "massive.layers",
    "sinks.heads",
    "sinks.controls",
    "hneurons.scores",
    "hneurons.candidates",
    "hneurons.transfers",
    "hneurons.counts",
    "hneurons.answers",
)

STYLE = """
:root { color-scheme: light dark; --ink: #212529; --paper: #fff; --line: #dee2e6; --soft: #f8f9fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ecef; --paper: #16181b; --line: #343a40; --soft: #212529; } }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; }
figure { margin: 1.5rem 0; background: #fff; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
figcaption { color: #212529; font-weight: 600; padding: .75rem 1rem 0; }
.scroll { overflow-x: auto; max-height: 28rem; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: pre; }
th { position: sticky; top: 0; background: var(--soft); } details { margin: 1rem 0; } code { font-size: .9em; }
"""


def write(record: Record, path: str | Path) -> Path:
    """Write the page; the file opens without a network.

    Raises:
        InputError: the place can't be written.
    """
    target = Path(path).expanduser()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(record), encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{path}' can't be written: {error.strerror}. Choose another place.") from error
    return target


def render(record: Record) -> str:
    """The page as one string of HTML."""
    title = html.escape(f"{record.card['name']}: what the inspector found")
    parts = [f"<h1>{title}</h1>", *(f"<p>{html.escape(line)}</p>" for line in paragraphs(record))]
    for index, figure in enumerate(figures(record).values()):
        parts.append(_figure(figure, first=index == 0))
    parts += [_table(record, name) for name in SHOWN if name in names(record)]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


def _figure(figure: go.Figure, *, first: bool) -> str:
    """A figure under its title, which is text of the page so that it wraps; the first brings plotly."""
    title = str(figure.layout.title.text).replace("<br>", " ")
    figure.update_layout(title=None, margin_t=36)
    drawn = figure.to_html(
        full_html=False,
        include_plotlyjs="inline" if first else False,
        config={"displaylogo": False, "responsive": True},
    )
    return f'<figure role="img" aria-label="{title}"><figcaption>{title}</figcaption>{drawn}</figure>'


def _table(record: Record, name: str) -> str:
    table = frame(record, name)
    shown: pd.DataFrame = table.head(ROWS)
    more = f" (the first {ROWS} of {len(table)})" if len(table) > ROWS else ""
    body = shown.to_html(index=False, border=0, na_rep="", float_format=lambda x: f"{x:,.4g}")
    return f'<details><summary>{html.escape(name)}{more}</summary><div class="scroll">{body}</div></details>'

"""An object's small page in a notebook: a line that unfolds, paragraphs, tables; all of it escaped."""

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever has a table has pandas
    import pandas as pd

LARGEST, PARAGRAPHS, LONGEST = 48_000, 16, 600
"""Bytes of a page, its paragraphs, and characters of one."""
CELLS = (320, 160, 80, 40, 0)
"""Cells of a table that are shown, the most with which a page isn't too large."""

STYLE = (
    "<style>.inspector{max-width:60rem;line-height:1.45;color:inherit}.inspector p{margin:.3em 0}"
    ".inspector summary{cursor:pointer;font-weight:600;margin:.4em 0}.inspector table{font-size:.9em}"
    ".inspector .aside{opacity:.75}.inspector code{font-size:.9em}</style>"
)


def page(line: str, said: Iterable[str] = (), tables: "Mapping[str, pd.DataFrame] | None" = None) -> str:
    """An object's line, what it says in words, and its tables by title; of at most some 50 kB, in light and dark.

    The first table is open, the others unfold.
    """
    told = [paragraph(one) for one in list(said)[:PARAGRAPHS]]
    made = ""
    for cells in CELLS:
        made = whole([group(line, [*told, *_tables(tables or {}, cells)], opened=True) or paragraph(line)])
        if len(made.encode()) <= LARGEST:
            break
    return made


def _tables(tables: "Mapping[str, pd.DataFrame]", cells: int) -> Iterator[str]:
    for number, (title, rows) in enumerate(tables.items()):
        most = max(1, cells // max(1, len(rows.columns)))
        rest = f'<p class="aside">The first {most:,} of {len(rows):,} rows.</p>' if len(rows) > most else ""
        yield group(f"{title} ({len(rows):,})", [table(rows.head(most)), rest], opened=number == 0)


def whole(parts: Iterable[str]) -> str:
    """Parts of a page as one, with the style that they share."""
    return f'<div class="inspector">{STYLE}{"".join(parts)}</div>'


def group(title: str, parts: Iterable[str], *, opened: bool = False) -> str:
    """Parts under a title that unfolds them; nothing where there are none."""
    body, state = "".join(parts), " open" if opened else ""
    return f"<details{state}><summary>{html.escape(title)}</summary>{body}</details>" if body else ""


def paragraph(text: str) -> str:
    """A paragraph, cut where it is long."""
    return f"<p>{html.escape(text if len(text) <= LONGEST else f'{text[: LONGEST - 1]}…')}</p>"


def table(rows: "pd.DataFrame") -> str:
    """A table, long texts in it cut."""
    short = rows.map(lambda value: f"{value[:59]}…" if isinstance(value, str) and len(value) > 60 else value)
    short = short.astype(object).where(short.notna(), None)
    return str(short.to_html(index=False, border=0, na_rep="", float_format=lambda x: f"{x:,.4g}"))

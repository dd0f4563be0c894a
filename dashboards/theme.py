"""Colours and type, for light and dark: server options, the page's style sheet, and figures that follow."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from inspector.detectors.base import load_judges
from inspector.figures.palette import (
    BLUE,
    BLUE_TEXT,
    NEUTRAL,
    NEUTRAL_TEXT,
    ORANGE,
    ORANGE_TEXT,
    VIOLET,
    VIOLET_TEXT,
)

TEXT_OF = {ORANGE: ORANGE_TEXT, BLUE: BLUE_TEXT, VIOLET: VIOLET_TEXT, NEUTRAL: NEUTRAL_TEXT}
"""The accents that have a variant of their own for words."""

MONO = "ui-monospace, 'SFMono-Regular', Menlo, Consolas, monospace"

IN_THE_DARK = {
    "#E8590C": "#FF8A47",
    "#B8430A": "#FF9E66",
    "#1971C2": "#4DABF7",
    "#1864AB": "#74C0FC",
    "#6741D9": "#A58BFF",
    "#5F3DC4": "#B8A4FF",
    "#868E96": "#98A1AB",
    "#5C636A": "#AEB6BF",
    "#1B1F24": "#FFFFFF",
    "#F1F3F5": "#20262E",
    "#A5D8FF": "#1C4E7A",
    "#0B4A86": "#A5D8FF",
    "#7F3B08": "#FDB863",
    "#E08214": "#B35806",
    "#F7F7F7": "#20262E",
    "#8073AC": "#5E4FA2",
    "#2D004B": "#C2B5F0",
}
"""What the figures' colours become on a dark page: light enough for words, scales that rise from the page's own."""

SHEET = """
:root { %(accents)s --muted: %(muted)s; --line: %(line)s; --warning: %(warning)s; --on-primary: %(on_primary)s; }
[data-testid^=stBaseButton-primary], [data-testid^=stBaseButton-primary] p, [data-tag],
[data-tag] * { color: var(--on-primary) !important; }
[data-testid=stMainBlockContainer] { max-width: 1640px; padding: 2.2rem 2rem 4rem; }
[data-testid=stSidebarHeader] { height: 2.5rem; min-height: 0; }
[data-testid=stMain] { font-variant-numeric: tabular-nums; }
h1 { font-size: 1.65rem !important; font-weight: 650 !important; letter-spacing: -.01em; padding: 0 !important; }
.lede { color: var(--muted); margin: .1rem 0 0; max-width: 75ch; line-height: 1.5; }
.brand { font-weight: 650; font-size: 1.15rem; letter-spacing: -.01em; margin: 0; }
.brand small { display: block; font-weight: 400; font-size: .8rem; color: var(--muted); letter-spacing: 0; }
.banner { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; align-items: baseline; font-size: .86rem;
  color: var(--muted); border-bottom: 1px solid var(--line); padding: 0 0 .65rem; }
.banner b { color: inherit; font-weight: 600; overflow-wrap: anywhere; }
.chip { border: 1px solid; border-radius: 99px; padding: .05rem .6rem; font-weight: 600; font-size: .8rem; }
.tile { min-height: 6.2rem; border-top: 3px solid var(--tile, var(--muted)); padding-top: .6rem; }
.tile .what { color: var(--muted); font-size: .86rem; line-height: 1.3; }
.tile .number { font-size: 1.85rem; font-weight: 650; line-height: 1.25; letter-spacing: -.02em; }
.tile .more { font-size: .86rem; line-height: 1.4; }
h2.figure { font-size: 1.02rem; font-weight: 620; line-height: 1.4; margin: 0; padding: 0; overflow-wrap: anywhere; }
p.reading { margin: .25rem 0 0; color: var(--muted); font-size: .92rem; line-height: 1.5; max-width: 85ch; }
p.finding { margin: 0; line-height: 1.55; max-width: 95ch; padding-left: .8rem; border-left: 3px solid var(--accent); }
.tokens { display: flex; flex-wrap: wrap; gap: 3px; font: .84rem/1.5 %(mono)s; }
.tokens span { border: 1px solid var(--line); border-radius: 4px; padding: 0 .3rem; white-space: pre; }
.verdict { display: inline-block; font-weight: 600; font-size: .86rem; white-space: nowrap; }
dl.card { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem 1.5rem;
  margin: .6rem 0 0 !important; padding: 0 !important; }
dl.card dt { color: var(--muted); font-size: .8rem; margin: 0 !important; }
dl.card dd { margin: 0 !important; padding: 0 !important; overflow-wrap: anywhere; }
.note { border-left: 3px solid var(--muted); background: color-mix(in srgb, currentColor 5%%, transparent);
  padding: .7rem .9rem; border-radius: 0 6px 6px 0; line-height: 1.5; overflow-wrap: anywhere; }
.trouble { border-left-color: var(--warning); }
[data-testid=stPageLink] p { white-space: normal; overflow-wrap: anywhere; }
.st-key-not-here a { background: transparent !important; }
.st-key-not-here a p { font-weight: 400 !important; }
.stPlotlyChart { container-type: inline-size; }
@container (max-width: 860px) { .xtick:nth-child(even) > text[transform*="rotate(-60"] { display: none; } }
@container (max-width: 480px) { .xtick:not(:nth-child(4n+1)) > text[transform*="rotate(-60"] { display: none; } }
.scroll { overflow-x: auto; }
.answer { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
table.plain { border-collapse: collapse; width: 100%%; font-size: .9rem; }
table.plain th { text-align: left; font-weight: 600; color: var(--muted); }
table.plain th, table.plain td { padding: .3rem .8rem .3rem 0; border: 0; border-bottom: 1px solid var(--line); }
table.plain .n { text-align: right; }
@media (max-width: 640px) {
  [data-testid=stMainBlockContainer] { padding: 3.4rem 1rem 3rem; }
  h1 { font-size: 1.4rem !important; }
  .tile { min-height: 0; }
}
"""

COLOURS = {"muted": "#5C636A", "line": "#DDE1E6", "warning": ORANGE_TEXT}
READABLE = 4.5
"""Contrast that words need on the page."""


def accents() -> dict[str, str]:
    """The colour that words about each installed detector's phenomenon have, by its CSS name."""
    page = "#14171B" if is_dark() else "#FFFFFF"
    found = {}
    for judge in load_judges()[0]:
        accent = str(getattr(judge, "accent", NEUTRAL))
        known = TEXT_OF.get(accent, accent)
        found[css_name(judge.name)] = readable(IN_THE_DARK.get(known, known) if is_dark() else known, page)
    return found


def css_name(detector: str) -> str:
    """A detector's name as a part of a style sheet."""
    return "d-" + re.sub("[^a-zA-Z0-9]", "-", detector)


def readable(colour: str, page: str) -> str:
    """The colour, moved towards black or white until words in it can be read on a page of this colour."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        colour = NEUTRAL
    target = 0 if _luminance(page) > 0.5 else 255
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(21):
        mixed = [round(part + (target - part) * step / 20) for part in parts]
        found = "#{:02X}{:02X}{:02X}".format(*mixed)
        light, dark = sorted((_luminance(found), _luminance(page)), reverse=True)
        if (light + 0.05) / (dark + 0.05) >= READABLE:
            return found
    return found


def _luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def is_dark() -> bool:
    """Whether this visitor's page is dark."""
    return st.context.theme.type == "dark"


def style() -> None:
    """Send the style sheet."""
    colours = {**COLOURS, "on_primary": "#FFFFFF"}
    if is_dark():
        colours = {name: IN_THE_DARK.get(colour, "#353B44") for name, colour in COLOURS.items()}
        colours["on_primary"] = "#14171B"
    own = " ".join(f"--{name}: {colour};" for name, colour in accents().items())
    st.html(f"<style>{SHEET % {**colours, 'mono': MONO, 'accents': own}}</style>")


def themed(figure: go.Figure) -> go.Figure:
    """The figure without its title, which the page writes itself, in the page's colours; a light one is changed."""
    figure.layout.template = None  # first: of what is copied, it is the most
    drawn = go.Figure(_recoloured(figure.to_plotly_json())) if is_dark() else figure
    clear, words = "rgba(0,0,0,0)", IN_THE_DARK["#5C636A"] if is_dark() else "#5C636A"
    above = any(note.yref == "paper" for note in drawn.layout.annotations) or (drawn.layout.legend.y or 0) > 1
    margins = {"l": 60, "r": 12, "t": 36 if above else 12, "b": 48}
    drawn.update_layout(title=None, paper_bgcolor=clear, plot_bgcolor=clear, margin=margins)
    drawn.update_layout(font_color=words, legend_font_color=words)  # Streamlit's own grey is too faint
    for axes in (drawn.update_xaxes, drawn.update_yaxes):
        axes(tickfont_color=words, title_font_color=words)
    for bar in _colour_bars(drawn):
        bar.update(tickfont_color=words, title_font_color=words)
    for note in drawn.layout.annotations:
        note.font.color = note.font.color or words
    return drawn


def _colour_bars(figure: go.Figure) -> Iterator[Any]:
    """The colour bars of traces, of their points, and of colours that traces share."""
    for part in figure.data:
        if "colorbar" in part:
            yield part.colorbar
        # Points have one only if they are told to; one that is made here would be drawn.
        marker = part.marker if "marker" in part else None
        if marker is not None and "colorbar" in marker and marker.showscale:
            yield marker.colorbar
    for axis in figure.select_coloraxes():
        yield axis.colorbar


def _recoloured(value: Any) -> Any:
    if isinstance(value, str):
        return IN_THE_DARK.get(value, value)
    if isinstance(value, Mapping):
        return {key: _recoloured(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and len(value) < 500:
        return [_recoloured(item) for item in value]
    return value

"""A figure's lines as a small SVG picture, for places where plotly would be too large."""

import html
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

WIDTH, HEIGHT, LEFT, TOP, FOOT = 420, 150, 58, 8, 34
"""Pixels: of the picture, and of what its frame leaves at the left, above and below."""
POINTS = 200
"""Of a line; more can't be seen."""


def sketch(figure: go.Figure, title: str = "") -> str:
    """The figure's lines between its axes' ends, in the colour of the text around; empty where it has no lines."""
    lines = [line for line in map(_numbers, figure.data) if line is not None]
    if not lines:
        return ""
    across = _Axis.of(figure.layout.xaxis, [x for x, _ in lines])
    up = _Axis.of(figure.layout.yaxis, [y for _, y in lines])
    drawn = "".join(_line(x, y, across, up, number) for number, (x, y) in enumerate(lines))
    named = [trace.name for trace in figure.data if _numbers(trace) is not None]
    drawn += "".join(_name(name, x, y, across, up) for name, (x, y) in zip(named, lines, strict=True) if name)
    frame = (
        f'<path d="M{LEFT} {TOP}V{HEIGHT - FOOT}H{WIDTH - 8}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
    )
    words = "".join(_words(across, up))
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" style="max-width:100%" font-size="11" '
        f'fill="currentColor"><title>{html.escape(title)}</title>{frame}{drawn}{words}</svg>'
    )


class _Axis:
    """Where an axis begins and ends, and whether it counts in powers of ten."""

    def __init__(self, low: float, high: float, log: bool, title: str) -> None:
        self.low, self.high, self.log, self.title = low, high, log, title

    @classmethod
    def of(cls, layout: Any, values: list[np.ndarray]) -> "_Axis":
        """The axis that all values are on."""
        log, every = layout.type == "log", np.concatenate(values)
        every = every[np.isfinite(every) & ((every > 0) | (not log))]
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
        return cls(low, high, log, layout.title.text or "")

    def at(self, values: np.ndarray) -> np.ndarray:
        """Where values lie, from 0 to 1; NaN where they don't."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log(np.where(values > 0, values, np.nan)), np.log(low), np.log(high)
        return (values - low) / ((high - low) or 1.0)


def _numbers(trace: Any) -> tuple[np.ndarray, np.ndarray] | None:
    if trace.type != "scatter" or "lines" not in (trace.mode or "") or trace.fill not in (None, "none"):
        return None
    try:
        x, y = (np.asarray(one, dtype=np.float64) for one in (trace.x, trace.y))
    except (TypeError, ValueError):  # names
        return None
    thin = slice(None, None, max(1, len(x) // POINTS))
    return x[thin], y[thin]


def _line(x: np.ndarray, y: np.ndarray, across: _Axis, up: _Axis, number: int) -> str:
    at_x = LEFT + across.at(x) * (WIDTH - 8 - LEFT)
    at_y = HEIGHT - FOOT - up.at(y) * (HEIGHT - FOOT - TOP)
    seen = np.isfinite(at_x) & np.isfinite(at_y)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(at_x[seen], at_y[seen], strict=True))
    dashes = ' stroke-dasharray="4 3"' if number else ""
    return f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"{dashes}/>'


def _name(name: str, x: np.ndarray, y: np.ndarray, across: _Axis, up: _Axis) -> str:
    """A line's name at its end."""
    at_x, at_y = (float(one[np.isfinite(one)][-1]) for one in (across.at(x), up.at(y)))
    place = f'x="{LEFT + at_x * (WIDTH - 8 - LEFT):.1f}" y="{HEIGHT - FOOT - at_y * (HEIGHT - FOOT - TOP) + 12:.1f}"'
    return f'<text {place} text-anchor="end">{html.escape(name)}</text>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _words(across: _Axis, up: _Axis) -> Iterator[str]:
    foot = HEIGHT - FOOT
    for value, y in ((up.high, TOP + 10), (up.low, foot)):
        yield f'<text x="{LEFT - 5}" y="{y}" text-anchor="end">{_short(value)}</text>'
    for value, x, anchor in ((across.low, LEFT, "start"), (across.high, WIDTH - 8, "end")):
        yield f'<text x="{x}" y="{foot + 14}" text-anchor="{anchor}">{_short(value)}</text>'
    named = " · ".join(html.escape(axis.title) for axis in (up, across) if axis.title)
    yield f'<text x="{(LEFT + WIDTH) // 2}" y="{HEIGHT - 4}" text-anchor="middle">{named}</text>'

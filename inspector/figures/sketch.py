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
    lines = [(trace.name, line) for trace in figure.data if (line := _numbers(trace)) is not None]
    if not lines:
        return ""
    across = _Axis.of(figure.layout.xaxis, [x for _, (x, _) in lines])
    up = _Axis.of(figure.layout.yaxis, [y for _, (_, y) in lines])
    drawn = "".join(_line(name, *line, across, up, dashed=bool(n)) for n, (name, line) in enumerate(lines))
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


def _line(name: str | None, x: np.ndarray, y: np.ndarray, across: _Axis, up: _Axis, *, dashed: bool) -> str:
    """A line, and its name at its end."""
    at_x = LEFT + across.at(x) * (WIDTH - 8 - LEFT)
    at_y = HEIGHT - FOOT - up.at(y) * (HEIGHT - FOOT - TOP)
    seen = np.isfinite(at_x) & np.isfinite(at_y)
    points = [f"{a:.1f},{b:.1f}" for a, b in zip(at_x[seen], at_y[seen], strict=True)]
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    line = f'<polyline points="{" ".join(points)}" fill="none" stroke="currentColor" stroke-width="1.5"{dashes}/>'
    if not name or not points:
        return line
    place = f'x="{at_x[seen][-1]:.1f}" y="{at_y[seen][-1] + 12:.1f}"'
    return f'{line}<text {place} text-anchor="end">{html.escape(name)}</text>'


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

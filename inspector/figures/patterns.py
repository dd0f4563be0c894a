"""Attention on one text, query × key: one head's, and many heads' beside each other."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from inspector.figures.palette import BLUES, NEUTRAL_TEXT
from inspector.figures.style import finish, position_axis, token_label

SIDE = 400
"""Longer patterns are max-pooled: 512² float32 numbers are more than a megabyte once they are sent as text."""
PANELS = 5
"""Panels in a row of a grid, at most."""
NAME = 0.24
"""Room for a panel's name above it, as a share of its side."""
LOG_BAR = {"tickvals": [-4, -3, -2, -1, 0], "ticktext": ["≤ 0.01%", "0.1%", "1%", "10%", "100%"]}


def attention_pattern(
    pattern: np.ndarray,
    tokens: Sequence[str],
    name: str,
    *,
    start: int = 0,
    log: bool = False,
    hide_sink: bool = False,
) -> go.Figure:
    """One head's attention; above 400 tokens the maximum over squares, so that a sink of one column survives.

    Args:
        pattern: `[query, key]`, each row a distribution.
        tokens: of the text, one per position.
        name: of the head, for the title.
        start: draw queries and keys from this position on, as many as `tokens` has.
        log: colours by log10.
        hide_sink: key 0 taken out and the rest scaled up to 1; the first query has nothing left.
    """
    stop = start + len(tokens)
    whole = without_key(pattern, 0) if hide_sink else pattern
    shown = whole[start:stop, start:stop]
    factor = -(-len(shown) // SIDE)
    z = square_pool(shown, factor)
    z = np.log10(np.maximum(z, 1e-4)) if log else z.copy()
    z[np.triu_indices(len(z), 1)] = np.nan
    positions = start + np.arange(len(z)) * factor
    figure = go.Figure(
        go.Heatmap(
            z=z.astype(np.float32),
            x=positions,
            y=positions,
            zmin=-4 if log else 0,
            zmax=0 if log else 1,
            colorscale=BLUES,
            colorbar={"title": "attention", **(LOG_BAR if log else {"tickformat": ".0%"})},
            hovertemplate="query %{y} to key %{x}: " + ("10^%{z:.2f}" if log else "%{z:.1%}") + "<extra></extra>",
        )
    )
    position_axis(figure, tokens, factor, start=start, ticks=24)
    note = f", max over {factor}×{factor}" if factor > 1 else ""
    figure.update_xaxes(title=f"key{note}", constrain="domain")
    figure.update_yaxes(title=f"query{note}", autorange="reversed", scaleanchor="x", constrain="domain")
    first = float(pattern[1:, 0].mean()) if len(pattern) > 1 else float("nan")
    less = "; here without it, the rest rescaled" if hide_sink else ""
    finish(figure, f"{name}: queries after the first give key 0 {first:.0%} of their attention{less}")
    return figure.update_layout(height=520)


def pattern_grid(
    patterns: np.ndarray, names: Sequence[str], tokens: Sequence[str], title: str, *, log: bool = False
) -> go.Figure:
    """Many heads' attention on one text, small and beside each other: one picture, whose panels share their axes.

    Args:
        patterns: `[head, query, key]`, of a text of more tokens the maxima over squares of equal side.
        names: of the heads, written above the panels.
        tokens: of the text, one per position.
        title: of the whole.
        log: colours by log10.
    """
    side, length = patterns.shape[1], len(tokens)
    factor, grid = -(-length // side), _Grid.of(len(patterns), side)
    z, said = grid.canvas(patterns, names, [f"{at} {token_label(tokens[at])}" for at in range(0, length, factor)], log)
    colours = {"title": "attention", "thickness": 12, **(LOG_BAR if log else {"tickformat": ".0%"})}
    share = "10^%{z:.2f}" if log else "%{z:.1%}"
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=np.arange(z.shape[1]),
            y=np.arange(z.shape[0]),
            zmin=-4 if log else 0,
            zmax=0 if log else 1,
            colorscale=BLUES,
            colorbar=colours,
            hoverongaps=False,
            hovertext=said,
            hovertemplate=f"%{{hovertext}}, {share}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=[x + side / 2 for _, x in grid.corners],
        y=[y - side * NAME / 2 for y, _ in grid.corners],
        text=[html.escape(name) for name in names],
        mode="markers+text",
        marker={"opacity": 0, "size": 20},
        textfont_color=NEUTRAL_TEXT,
        hoverinfo="none",
        showlegend=False,
    )
    last, more = str((side - 1) * factor), f", max over {factor}×{factor}" if factor > 1 else ""
    for update, places, what in ((figure.update_xaxes, grid.left, "key"), (figure.update_yaxes, grid.top, "query")):
        ticks = {"tickvals": [at + side - 1 for at in places], "ticktext": [last] * len(places), "tickangle": 0}
        update(title=f"{what}{more}", showgrid=False, zeroline=False, **ticks)
    figure.update_xaxes(range=[-1, z.shape[1]])
    figure.update_yaxes(range=[z.shape[0], -side * (NAME + 0.2)])
    finish(figure, title)
    return figure.update_layout(height=120 + 170 * len(grid.top))


@dataclass(frozen=True)
class _Grid:
    """Where the panels of a grid are, in cells of its one picture.

    Args:
        side: of a panel.
        left, top: where its columns and rows begin.
        corners: y and x of each panel.
    """

    side: int
    left: list[int]
    top: list[int]
    corners: list[tuple[int, int]]

    @staticmethod
    def of(panels: int, side: int) -> "_Grid":
        """A grid a little wider than high, with room for a name above each panel."""
        across = min(PANELS, max(1, round(1.3 * panels**0.5)), panels)
        gap = max(2, round(side * 0.08))
        left = [at * (side + gap) for at in range(across)]
        top = [at * (side + max(gap, round(side * NAME))) for at in range(-(-panels // across))]
        return _Grid(side, left, top, [(top[at // across], left[at % across]) for at in range(panels)])

    def canvas(
        self, patterns: np.ndarray, names: Sequence[str], words: Sequence[str], log: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The colours of the picture and what is said of each cell; NaN and nothing between and above the diagonals."""
        side = self.side
        z = np.full((self.top[-1] + side, self.left[-1] + side), np.nan, dtype=np.float32)
        said = np.full(z.shape, "", dtype=object)
        earlier = np.tri(side, dtype=bool)
        hover = np.array([[f"query {query} to key {key}" for key in words] for query in words], dtype=object)
        for (y, x), pattern, name in zip(self.corners, patterns, names, strict=True):
            shown = np.log10(np.maximum(pattern, 1e-4)) if log else pattern
            z[y : y + side, x : x + side] = np.where(earlier, shown, np.nan)
            said[y : y + side, x : x + side] = np.where(earlier, f"{html.escape(name)}: " + hover, "")
        return z, said


def without_key(pattern: np.ndarray, key: int) -> np.ndarray:
    """Each query's attention with one key taken out and the rest scaled up to 1; NaN where nothing is left."""
    rest = pattern.astype(np.float64)
    rest[:, key] = 0.0
    total = rest.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, rest / total, np.nan).astype(np.float32)


def square_pool(pattern: np.ndarray, factor: int) -> np.ndarray:
    """Maximum over factor × factor squares, NaN left out."""
    lack = -len(pattern) % factor
    padded = np.pad(pattern, ((0, lack), (0, lack)), constant_values=np.nan)
    side = len(padded) // factor
    return np.fmax.reduce(np.fmax.reduce(padded.reshape(side, factor, side, factor), axis=3), axis=1)

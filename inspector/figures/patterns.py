"""One head's attention on one text, query × key."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from inspector.figures.palette import BLUES
from inspector.figures.style import finish, position_axis

SIDE = 400
"""Longer patterns are max-pooled: 512² float32 numbers are more than a megabyte once they are sent as text."""
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

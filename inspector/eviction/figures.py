"""Heads under windows, as figures."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from inspector.eviction.limits import Window
from inspector.figures.palette import BLUE, NEUTRAL, ORANGE, VIOLET
from inspector.figures.style import finish


def mass_figure(heads: pd.DataFrame, window: Window, most: float) -> go.Figure:
    """Each head's attention to first keys, last keys and elsewhere, the heads in order of the last."""
    rows = heads.sort_values("elsewhere", kind="stable", ignore_index=True)
    figure = go.Figure()
    parts = [
        ("first", f"the first {window.first}", ORANGE),
        ("last", f"the last {window.last}", BLUE),
        ("elsewhere", "elsewhere", NEUTRAL),
    ]
    for name, words, colour in parts:
        figure.add_bar(
            x=rows.index + 1,
            y=rows[name],
            name=words,
            marker={"color": colour, "line": {"width": 0}},
            customdata=rows[["layer", "head"]],
            hovertemplate="layer %{customdata[0]}, head %{customdata[1]}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    served = int(rows["served"].sum())
    if served:
        figure.add_vline(x=served + 0.5, line={"color": VIOLET, "dash": "dot"})
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(title="share of attention", tickformat=".0%", range=[0, 1])
    figure.update_xaxes(title=f"heads, least elsewhere first (dotted: at most {most:.0%} elsewhere)")
    return finish(figure, f"{served} of {len(rows)} heads look almost only at the first and the last keys")


def test_figure(tests: pd.DataFrame, every: int, window: Window) -> go.Figure:
    """The KL over the share of heads that are under the window."""
    figure = go.Figure()
    chosen = tests[tests["heads"].isin(["chosen", "least elsewhere"])].sort_values("share")
    random = tests[tests["heads"].isin(["random", "random share"])].sort_values("share")
    for rows, name, colour, mode in (
        (random, "random heads", NEUTRAL, "markers"),
        (chosen, "least elsewhere first", VIOLET, "lines+markers"),
    ):
        error: dict[str, Any] = {
            "type": "data",
            "symmetric": False,
            "array": rows["kl_high"] - rows["kl"],
            "arrayminus": rows["kl"] - rows["kl_low"],
        }
        figure.add_scatter(
            x=rows["share"],
            y=rows["kl"],
            mode=mode,
            name=name,
            marker={"color": colour},
            line={"color": colour},
            error_y=error if rows is chosen else None,
            customdata=rows[["count", "loss"]],
            hovertemplate="%{customdata[0]} heads: KL %{y:.4g}, loss %{customdata[1]:+.4f}<extra></extra>",
        )
    figure.update_xaxes(title=f"share of the {every} heads under the window", tickformat=".0%")
    figure.update_yaxes(title="KL from the unmodified model, nats a token", rangemode="tozero")
    return finish(figure, f"What a window of the first {window.first} and the last {window.last} keys costs")


def caches_figure(caches: pd.DataFrame) -> go.Figure:
    """The change of loss with every head under one rule."""
    error = {
        "type": "data",
        "symmetric": False,
        "array": caches["loss_high"] - caches["loss"],
        "arrayminus": caches["loss"] - caches["loss_low"],
    }
    figure = go.Figure(
        go.Bar(
            y=caches["rule"],
            x=caches["loss"],
            orientation="h",
            marker={"color": VIOLET},
            error_x=error,
            customdata=caches["kl"],
            hovertemplate="%{y}: loss %{x:+.3f}, KL %{customdata:.3g}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title="change of loss, nats a token")
    size = int(caches["size"].iloc[0])
    return finish(figure, f"All heads with {size} keys in the cache, by which keys are kept")

"""Figures of the attention sinks of two runs."""

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.figures.palette import BLUES, DIFFERENCES, NEUTRAL_TEXT
from inspector.figures.style import finish, layer_ticks


def head_difference(first: pd.DataFrame, second: pd.DataFrame) -> go.Figure:
    """Received attention of each head in the second run less that in the first (frame `sinks.heads`)."""
    grids = [table.pivot(index="layer", columns="head", values="received") for table in (first, second)]
    change = grids[1] - grids[0]
    known = change.notna().to_numpy().any()
    far = float(np.nanmax(np.abs(change.to_numpy()))) if known else float("nan")
    limit = max(0.1, far) if known else 1.0
    figure = go.Figure(
        go.Heatmap(
            z=change.to_numpy(dtype=np.float32),
            x=change.columns,
            y=change.index,
            zmin=-limit,
            zmax=limit,
            colorscale=DIFFERENCES,
            colorbar={"title": "second<br>less first"},
            xgap=1,
            ygap=1,
            hovertemplate="layer %{y}, head %{x}: %{z:+.1%}<extra></extra>",
        )
    )
    figure.update_xaxes(title="head", dtick=1 if change.shape[1] <= 16 else 4)
    figure.update_yaxes(title="layer", **layer_ticks(len(change)))
    return finish(figure, f"Heads differ in received attention by at most {far:.0%}")


def heads_by_depth(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> go.Figure:
    """Received attention of the heads of two models of other shapes: each layer's heads sorted, side by side."""
    figure = go.Figure()
    for at, (table, name) in enumerate(zip((first, second), names, strict=True)):
        ranked = table.sort_values("received", ascending=False).assign(rank=lambda t: t.groupby("layer").cumcount())
        grid = ranked.pivot(index="layer", columns="rank", values="received")
        figure.add_heatmap(
            z=grid.to_numpy(dtype=np.float32),
            y=np.linspace(0, 1, len(grid)),
            x=at * 1.1 + np.linspace(0, 1, grid.shape[1]),
            zmin=0,
            zmax=1,
            colorscale=BLUES,
            showscale=at == 1,
            hovertemplate="relative depth %{y:.2f}: %{z:.1%}<extra></extra>",
        )
        figure.add_annotation(
            x=at * 1.1 + 0.5,
            y=1.04,
            yref="paper",
            yanchor="bottom",
            text=html.escape(name),
            showarrow=False,
            font_color=NEUTRAL_TEXT,
        )
    figure.update_xaxes(title="heads of a layer, the strongest sink first", showticklabels=False)
    figure.update_yaxes(title="relative depth")
    rates = [float(table["received"].mean()) for table in (first, second)]
    return finish(
        figure, f"Heads give their strongest key {rates[0]:.0%} on average in the first, {rates[1]:.0%} in the second"
    )

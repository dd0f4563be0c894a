"""Two runs in one picture, with the same limits; models of other depths are aligned by relative depth."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.figures.common import NEURON, NEUTRAL, NEUTRAL_TEXT, SINK_SCALE, finish, layer_ticks, rounded

DIFFERENCES = [[0.0, "#7F3B08"], [0.25, "#E08214"], [0.5, "#F7F7F7"], [0.75, "#8073AC"], [1.0, "#2D004B"]]
"""PuOr: orange is less, violet more."""


def two_over_depth(
    first: pd.DataFrame, second: pd.DataFrame, column: str, names: tuple[str, str], accent: str, axis: str
) -> go.Figure:
    """A column of two frames with a row a layer (`massive.layers`, `sinks.layers`), over layers or relative depth."""
    same = len(first) == len(second)
    figure = go.Figure()
    for table, name, colour, dash in ((first, names[0], accent, "solid"), (second, names[1], NEUTRAL, "dash")):
        depth = table["layer"] if same else table["layer"] / max(1, int(table["layer"].max()))
        figure.add_scatter(
            x=depth,
            y=table[column],
            mode="lines+markers",
            name=name,
            line={"color": colour, "dash": dash},
            customdata=table["layer"],
            hovertemplate="layer %{customdata}: %{y:,.3g}<extra>%{fullData.name}</extra>",
        )
    few = layer_ticks(len(first)) if same else {}
    figure.update_xaxes(title="layer" if same else "relative depth (0: first layer, 1: last)", **few)
    log = column in ("max", "ratio")
    figure.update_yaxes(title=f"{axis} (log)" if log else axis, type="log" if log else "linear")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    peaks = [float(table[column].max()) for table in (first, second)]
    return finish(
        figure,
        f"{axis[0].upper()}{axis[1:]}: at most {rounded(peaks[0])} in the first, {rounded(peaks[1])} in the second",
    )


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
            colorscale=SINK_SCALE,
            showscale=at == 1,
            hovertemplate="relative depth %{y:.2f}: %{z:.1%}<extra></extra>",
        )
        figure.add_annotation(
            x=at * 1.1 + 0.5,
            y=1.04,
            yref="paper",
            yanchor="bottom",
            text=name,
            showarrow=False,
            font_color=NEUTRAL_TEXT,
        )
    figure.update_xaxes(title="heads of a layer, the strongest sink first", showticklabels=False)
    figure.update_yaxes(title="relative depth")
    rates = [float(table["received"].mean()) for table in (first, second)]
    return finish(
        figure, f"Heads give their strongest key {rates[0]:.0%} on average in the first, {rates[1]:.0%} in the second"
    )


def two_predictors(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> go.Figure:
    """AUROC of every predictor of two studies with its interval, side by side (frame `hneurons.scores`)."""
    known = [*dict.fromkeys([*first["name"], *second["name"]])]
    figure = go.Figure()
    for table, name, colour, shift in ((first, names[0], NEURON, -0.15), (second, names[1], NEUTRAL, 0.15)):
        figure.add_scatter(
            x=table["auroc"],
            y=[known.index(predictor) + shift for predictor in table["name"]],
            mode="markers",
            name=name,
            marker={"color": colour, "size": 10, "symbol": "circle" if shift < 0 else "square"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": table["high"] - table["auroc"],
                "arrayminus": table["auroc"] - table["low"],
            },
            customdata=table["name"],
            hovertemplate="%{customdata}: AUROC %{x:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="AUROC on answers not fitted on (line: chance)")
    figure.update_yaxes(tickvals=list(range(len(known))), ticktext=known, autorange="reversed", automargin=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    probes = [float(table.set_index("name")["auroc"]["probe"]) for table in (first, second)]
    return finish(figure, f"The probe's AUROC: {probes[0]:.2f} in the first, {probes[1]:.2f} in the second")

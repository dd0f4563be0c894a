"""Figures of massive activations.

Magnitudes from 1 to 20,000 are shown as log10(max(|x|, 1)), with the true value on hover.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.errors import InputError
from inspector.figures.common import (
    MASSIVE,
    MASSIVE_TEXT,
    MAX_SIDE,
    NEUTRAL,
    NEUTRAL_TEXT,
    finish,
    log_ticks,
    max_pool,
    position_axis,
    token_label,
)


def magnitude_map(cells: pd.DataFrame, text: int | None = None) -> go.Figure:
    """Layer × token map of the largest |x| (frame `massive.map`), for one text, or for the part of it that is given.

    Raises:
        InputError: no such text in the frame.
    """
    chosen = int(cells["text"].min()) if text is None and len(cells) else text
    cells = cells[cells["text"] == chosen]
    if not len(cells):
        raise InputError(f"Text {chosen} is not in the map. Only the first texts of a scan are mapped.")
    start = int(cells["position"].min())
    positions = range(start, int(cells["position"].max()) + 1)  # a token without a finite value leaves a gap
    table = cells.pivot(index="layer", columns="position", values="max").reindex(columns=positions)
    grid = table.to_numpy(dtype=np.float32)
    tokens = cells.drop_duplicates("position").set_index("position")["token"].reindex(positions).tolist()
    factor = -(-grid.shape[1] // MAX_SIDE)
    pooled, where = max_pool(grid, factor)
    peak = cells.loc[cells["max"].idxmax()]
    shown = np.array([token_label(token) for token in tokens], dtype=object)
    figure = go.Figure(
        go.Heatmap(
            z=np.log10(np.maximum(pooled, 1.0)).astype(np.float32),
            customdata=np.dstack([pooled.astype(object), (start + where).astype(object), shown[where]]),
            colorscale="Cividis",
            colorbar={"title": "|x|", **log_ticks(float(np.nanmax(pooled)))},
            hovertemplate="layer %{y}, position %{customdata[1]}<br>%{customdata[2]}<br>"
            "|x| = %{customdata[0]:,.1f}<extra></extra>",
            x=start + np.arange(pooled.shape[1]) * factor,
            y=np.sort(cells["layer"].unique()),
        )
    )
    position_axis(figure, tokens, factor, start=start)
    figure.update_yaxes(title="layer")
    title = f"Text {chosen}: the largest |x| is {peak['max']:,.0f}, at token {int(peak['position'])}"
    return finish(figure, f"{title} ({token_label(peak['token'])}), layer {int(peak['layer'])}")


def life_cycle(layers: pd.DataFrame, plateaus: pd.DataFrame) -> go.Figure:
    """Largest and median |x| of each layer, with the plateaus marked (frames `massive.layers`, `.plateaus`)."""
    figure = go.Figure()
    for name, colour in (("max", MASSIVE), ("median", NEUTRAL)):
        figure.add_scatter(
            x=layers["layer"],
            y=layers[name],
            mode="lines+markers",
            line={"color": colour},
            showlegend=False,
            hovertemplate=f"layer %{{x}}: {name} |x| = %{{y:,.2f}}<extra></extra>",
        )
        at = layers.loc[layers[name].idxmax()] if layers[name].notna().any() else layers.iloc[-1]
        if not at[name] > 0:
            continue
        above = name == "max"
        figure.add_annotation(
            x=at["layer"],
            y=np.log10(at[name]),
            text="largest |x| of all texts" if above else "median |x|",
            showarrow=False,
            xanchor="left" if above and at["layer"] < layers["layer"].max() / 2 else "right",
            yshift=14 if above else -32,
            font={"color": MASSIVE_TEXT if above else NEUTRAL_TEXT},
        )
    main = plateaus[plateaus["main"]]
    for plateau in main.itertuples():
        figure.add_vrect(x0=plateau.first - 0.4, x1=plateau.last + 0.4, fillcolor=MASSIVE, opacity=0.08, line_width=0)
        figure.add_annotation(
            x=(plateau.first + plateau.last) / 2,
            y=1.02,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            text=f"dim {plateau.dim}",
            font={"color": MASSIVE_TEXT, "size": 12},
        )
    figure.update_xaxes(title="layer", range=[-0.5, float(layers["layer"].max()) + 0.5])
    figure.update_yaxes(title="|x| (log)", type="log", dtick=1)
    return finish(figure, _life_cycle_title(layers, main))


def _life_cycle_title(layers: pd.DataFrame, main: pd.DataFrame) -> str:
    if not layers["ratio"].notna().any():
        return "Insufficient data: no layer had a finite activation"
    if not len(main):
        top = layers.loc[layers["ratio"].idxmax()]
        return f"No plateau: the largest entry is {top['ratio']:,.0f} medians, at layer {int(top['layer'])}"
    first = main.iloc[0]
    where = "" if pd.isna(first["position"]) else f" at token {int(first['position'])}"
    return (
        f"Dim {int(first['dim'])} carries {abs(first['value']):,.0f} (mean over texts){where} "
        f"from layer {int(first['first'])} to {int(first['last'])}"
    )

"""Figures of massive activations.

Magnitudes are shown as log10, nothing below 1 told apart unless all are small; the true value is on hover.
"""

from typing import Any

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
    layer_ticks,
    log_ticks,
    max_pool,
    position_axis,
    round_sizes,
    rounded,
    token_label,
)

SMALL = 10.0
"""Where all sizes are below this, those below 1 are told apart too."""


def colour_limits(*maps: pd.DataFrame) -> tuple[float, float]:
    """The smallest and largest |x| that colours tell apart in all of these maps (frames `massive.map`)."""
    sizes = np.concatenate([cells["max"].to_numpy(dtype=float) for cells in maps])
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(known) or known.max() >= SMALL:
        return 1.0, float(known.max(initial=SMALL))
    return float(known.min()), float(known.max())


def magnitude_map(
    cells: pd.DataFrame, text: int | None = None, *, limits: tuple[float, float] | None = None
) -> go.Figure:
    """Layer × token map of the largest |x| (frame `massive.map`), for one text, or for the part of it that is given.

    Args:
        cells: the frame.
        text: its first where None.
        limits: the |x| at both ends of the colours, as `colour_limits` gives for maps that are to be compared.

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
    low, high = limits or colour_limits(cells)
    ends = {} if limits is None else {"zmin": float(np.log10(low)), "zmax": float(np.log10(high))}
    figure = go.Figure(
        go.Heatmap(
            z=np.log10(np.maximum(pooled, low)).astype(np.float32),
            **ends,
            customdata=np.dstack([pooled.astype(object), (start + where).astype(object), shown[where]]),
            colorscale="Cividis",
            colorbar={"title": "|x|", **log_ticks(high, low)},
            hovertemplate="layer %{y}, position %{customdata[1]}<br>%{customdata[2]}<br>"
            "|x| = %{customdata[0]:,.6~r}<extra></extra>",
            x=start + np.arange(pooled.shape[1]) * factor,
            y=np.sort(cells["layer"].unique()),
        )
    )
    position_axis(figure, tokens, factor, start=start)
    figure.update_yaxes(title="layer", **layer_ticks(len(table)))
    title = f"Text {chosen}: the largest |x| is {rounded(peak['max'])}, at token {int(peak['position'])}"
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
            hovertemplate=f"layer %{{x}}: {name} |x| = %{{y:,.6~r}}<extra></extra>",
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
    figure.update_xaxes(title="layer", range=[-0.5, float(layers["layer"].max()) + 0.5], **layer_ticks(len(layers)))
    figure.update_yaxes(title="|x| (log)", type="log", **_decades(layers[["max", "median"]].to_numpy(dtype=float)))
    return finish(figure, _life_cycle_title(layers, main))


def _decades(sizes: np.ndarray) -> dict[str, Any]:
    """Ticks of a log axis: powers of ten, and more where few of them would be seen."""
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(known) or known.max() >= 100 * known.min():
        return {"dtick": 1}
    shown = round_sizes(float(known.min()), float(known.max()))
    return {"tickvals": shown, "ticktext": [rounded(size) for size in shown]}


def _life_cycle_title(layers: pd.DataFrame, main: pd.DataFrame) -> str:
    if not layers["ratio"].notna().any():
        return "Insufficient data: no layer had a finite activation"
    if not len(main):
        top = layers.loc[layers["ratio"].idxmax()]
        return f"No plateau: the largest entry is {rounded(top['ratio'])} medians, at layer {int(top['layer'])}"
    first = main.iloc[0]
    where = "" if pd.isna(first["position"]) else f" at token {int(first['position'])}"
    return (
        f"Dim {int(first['dim'])} carries {rounded(abs(first['value']))} (mean over texts){where} "
        f"from layer {int(first['first'])} to {int(first['last'])}"
    )

"""Figures of massive activations, and which of them a record has.

Magnitudes are shown as log10, nothing below 1 told apart unless all are small; the true value is on hover.
"""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.detectors.massive.figures_cell import carried_by, dim_over_layers, size_spread, top_dims, writing
from inspector.detectors.massive.figures_ways import spike_by_sink
from inspector.detectors.measured import Measured
from inspector.errors import InputError
from inspector.figures.comparison import two_over_depth
from inspector.figures.drawing import Drawing, Source
from inspector.figures.palette import NEUTRAL, NEUTRAL_TEXT, ORANGE, ORANGE_TEXT
from inspector.figures.style import (
    MAX_SIDE,
    finish,
    layer_ticks,
    log_ticks,
    max_pool,
    position_axis,
    round_sizes,
    token_label,
)
from inspector.figures.words import rounded

__all__ = [
    "carried_by",
    "colour_limits",
    "dim_over_layers",
    "life_cycle",
    "magnitude_map",
    "size_spread",
    "spike_by_sink",
    "top_dims",
    "writing",
]
"""What `inspector.figures` offers."""

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
    for name, colour in (("max", ORANGE), ("median", NEUTRAL)):
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
            font={"color": ORANGE_TEXT if above else NEUTRAL_TEXT},
        )
    main = plateaus[plateaus["main"]]
    for plateau in main.itertuples():
        figure.add_vrect(x0=plateau.first - 0.4, x1=plateau.last + 0.4, fillcolor=ORANGE, opacity=0.08, line_width=0)
        figure.add_annotation(
            x=(plateau.first + plateau.last) / 2,
            y=1.02,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            text=f"dim {plateau.dim}",
            font={"color": ORANGE_TEXT, "size": 12},
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
        f"Dim {int(first['dim'])} averages {rounded(abs(first['value']))} over texts{where} "
        f"from layer {int(first['first'])} to {int(first['last'])}"
    )


def drawings(m: Measured) -> dict[str, Drawing]:
    """The figures of one record."""
    return {
        "massive.life_cycle": Drawing(
            life_cycle,
            ("massive.layers", "massive.plateaus"),
            means="Largest and median |x| of each layer. Shaded: a plateau of one dim. Its left edge is the block "
            "that writes it (step-up), its right edge the block before the one that cancels it (step-down).",
            terms=("life cycle", "massive activation"),
        ),
        "massive.map": Drawing(
            magnitude_map,
            ("massive.map",),
            means="The largest number of each token's stream after each layer, on a log scale. A bright column is a "
            "token with a spike.",
            terms=("residual stream", "massive activation"),
        ),
        "effects.spike_sink": Drawing(
            spike_by_sink,
            ("spike_sink",),
            means="Spikes and sinks come together, but they are two things. The largest |x| is that of any token and "
            "layer: a spike can come up elsewhere.",
            terms=("massive activation", "attention sink"),
        ),
    }


def comparison(first: Measured, second: Measured) -> dict[str, Drawing]:
    """The figures of two runs: sources are of the reports `first` and `second`."""
    names = ("first", "second")
    found = {
        "largest": Drawing(
            two_over_depth,
            tuple(Source("massive.layers", report=name) for name in names),
            {"column": "max", "names": names, "accent": ORANGE, "axis": "largest |x|"},
            "Where the spikes are written and cancelled.",
            ("massive activation",),
        )
    }
    if not (first.has("map") and second.has("map")):
        return found
    texts = [int(m.frame("map")["text"].min()) for m in (first, second)]
    maps = [m.frame("map").query(f"text == {text}") for m, text in zip((first, second), texts, strict=True)]
    limits = colour_limits(*maps)
    for name, text in zip(names, texts, strict=True):
        source = Source("massive.map", f"text == {text}", name)
        found[f"map-{name}"] = Drawing(magnitude_map, (source,), {"limits": limits}, f"The {name} run; same colours.")
    return found

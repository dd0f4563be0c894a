"""Two runs in one picture, with the same limits; models of other depths are aligned by relative depth."""

import html

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.palette import NEUTRAL
from inspector.figures.style import finish, layer_ticks
from inspector.figures.words import rounded


def two_over_depth(
    first: pd.DataFrame, second: pd.DataFrame, column: str, names: tuple[str, str], accent: str, axis: str
) -> go.Figure:
    """A column of two frames with one row per layer (`massive.layers`, `sinks.layers`), over layers or depth."""
    same = len(first) == len(second)
    figure = go.Figure()
    for table, name, colour, dash in ((first, names[0], accent, "solid"), (second, names[1], NEUTRAL, "dash")):
        depth = table["layer"] if same else table["layer"] / max(1, int(table["layer"].max()))
        figure.add_scatter(
            x=depth,
            y=table[column],
            mode="lines+markers",
            name=html.escape(name),
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

"""Pictures of two models' differences (frame `layers` of `compare_models`)."""

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.palette import NEUTRAL, ORANGE
from inspector.figures.style import finish


def error_over_depth(layers: pd.DataFrame) -> go.Figure:
    """How far a token's stream is off after each layer, with its interval over texts, and the dim that carries most."""
    known = layers[layers["relative_error"].notna()]
    figure = go.Figure()
    figure.add_scatter(
        x=known["layer"],
        y=known["relative_error"],
        mode="lines+markers",
        name="relative error of a token's stream",
        line={"color": ORANGE},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": known["high"] - known["relative_error"],
            "arrayminus": known["relative_error"] - known["low"],
        },
        hovertemplate="after layer %{x}: off by %{y:.2%}<extra></extra>",
    )
    figure.add_scatter(
        x=known["layer"],
        y=known["dim_share"],
        mode="lines",
        name="share of the squared error in one dim",
        line={"color": NEUTRAL, "dash": "dot"},
        customdata=known["dim"],
        hovertemplate="after layer %{x}: %{y:.0%} in dim %{customdata}<extra></extra>",
    )
    figure.update_xaxes(title="layer")
    figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    if not len(known) or not known["relative_error"].any():
        return finish(figure, "No layer's stream differs")
    most = known.loc[known["relative_error"].idxmax()]
    return finish(
        figure, f"A token's stream is off by up to {most['relative_error']:.1%}, after layer {most['layer']:.0f}"
    )

"""Pictures of two models' differences (frame `layers` of `compare_models`)."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from inspector.figures.palette import NEUTRAL, ORANGE
from inspector.figures.style import finish


def error_over_depth(layers: pd.DataFrame) -> go.Figure:
    """How far a token's stream is off after each layer, with its interval over texts, and the dim that carries most."""
    known = layers[layers["relative_error"].notna()]
    figure = make_subplots(
        rows=2, shared_xaxes=True, vertical_spacing=0.14, subplot_titles=("a token's stream is off by", "in one dim")
    )
    error = go.Scatter(
        x=known["layer"],
        y=known["relative_error"],
        mode="lines+markers",
        line={"color": ORANGE},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": known["high"] - known["relative_error"],
            "arrayminus": known["relative_error"] - known["low"],
        },
        hovertemplate="after layer %{x}: off by %{y:.2%}<extra></extra>",
        showlegend=False,
    )
    share = go.Bar(
        x=known["layer"],
        y=known["dim_share"],
        marker_color=NEUTRAL,
        customdata=known["dim"],
        hovertemplate="after layer %{x}: %{y:.0%} of the squared error in dim %{customdata}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(error, row=1, col=1)
    figure.add_trace(share, row=2, col=1)
    figure.update_xaxes(title="layer", row=2)
    figure.update_yaxes(title="of its size", tickformat=".2~%", rangemode="tozero", row=1)
    figure.update_yaxes(title="of the squared error", tickformat=".0%", range=[0, 1.02], row=2)
    if not len(known) or not known["relative_error"].any():
        return finish(figure, "No layer's stream differs")
    most = known.loc[known["relative_error"].idxmax()]
    figure = finish(
        figure, f"A token's stream is off by up to {most['relative_error']:.1%}, after layer {most['layer']:.0f}"
    )
    return figure.update_layout(height=520)

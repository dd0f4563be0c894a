"""Pictures of a logit lens (frames `lens` and `depth` of `logit_lens`)."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.errors import InputError
from inspector.figures.palette import NEUTRAL
from inspector.figures.style import finish, token_label

MOST = 256
"""Tokens of one map; of a longer text a part is shown."""


def lens_map(lens: pd.DataFrame, text: int = 0, start: int = 0) -> go.Figure:
    """Layer × token map of how far each layer's prediction is from the last one's, with its top token on hover.

    Dots show where each token settles. Of a text with more than 256 tokens those from `start` on are shown.

    Raises:
        InputError: no such tokens in the frame.
    """
    cells = lens[(lens["text"] == text) & lens["position"].between(start, start + MOST - 1)]
    if not len(cells):
        raise InputError(f"Text {text} has no tokens from position {start} on in this reading.")
    places = np.sort(cells["position"].unique())
    layers = int(cells["layer"].max()) + 1

    def grid(column: str) -> np.ndarray:
        return cells.pivot(index="layer", columns="position", values=column).to_numpy()

    tokens = cells.drop_duplicates("position").sort_values("position")
    labels = [token_label(token) for token in tokens["token"]]
    shown = [[token_label(token, 24) for token in row] for row in grid("top")]
    before = np.broadcast_to(np.array(labels, dtype=object), (layers, len(places)))
    figure = go.Figure(
        go.Heatmap(
            z=grid("jsd").astype(np.float32),
            x=places,
            y=np.arange(layers),
            customdata=np.dstack([before, np.array(shown, dtype=object), grid("top_probability"), grid("answer_rank")]),
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            reversescale=True,
            colorbar={"title": "bits"},
            hovertemplate="after %{customdata[0]} (position %{x}), layer %{y} says<br>%{customdata[1]} "
            "(%{customdata[2]:.1%})<br>the answer's rank here: %{customdata[3]}<br>"
            "%{z:.2f} bits from the end<extra></extra>",
        )
    )
    settled = grid("settled").argmax(axis=0)
    size = float(np.clip(300 / len(places), 3, 8))
    figure.add_scatter(
        x=places,
        y=settled,
        mode="markers",
        marker={"size": size, "color": "white", "line": {"color": "#212529", "width": 1}},
        showlegend=False,
        hovertemplate="settles in layer %{y}<extra></extra>",
    )
    few = np.arange(0, len(places), max(1, len(places) // 40))
    figure.update_xaxes(title="token", tickvals=places[few], ticktext=[labels[i] for i in few], tickangle=-60)
    figure.update_yaxes(title="layer", range=[-0.5, layers - 0.5])
    part = f", tokens {places[0]}–{places[-1]}" if len(lens[lens["text"] == text]) > len(cells) else ""
    return finish(figure, f"Text {text}{part}: predictions settle in layer {np.mean(settled):.0f} in the mean (dots)")


def settling(depth: pd.DataFrame, deep_from: int, layers: int) -> go.Figure:
    """Share of tokens that have settled by each layer, the deep ones' layers shaded (frame `depth`)."""
    counts = np.bincount(depth["settled"], minlength=layers)
    figure = go.Figure(
        go.Scatter(
            x=np.arange(layers),
            y=np.cumsum(counts) / len(depth),
            mode="lines+markers",
            line={"color": NEUTRAL},
            showlegend=False,
            hovertemplate="%{y:.1%} have settled by layer %{x}<extra></extra>",
        )
    )
    figure.add_vrect(x0=deep_from - 0.5, x1=layers - 0.5, fillcolor=NEUTRAL, opacity=0.15, line_width=0)
    figure.update_xaxes(title="layer (shaded: deep)", range=[-0.5, layers - 0.5])
    figure.update_yaxes(title="tokens that have settled", tickformat=".0%", range=[0, 1.02])
    title = f"{depth['deep'].mean():.0%} of {len(depth):,} tokens are deep: they settle in layer {deep_from} or later"
    return finish(figure, title)

"""What it costs to take something out, as figures."""

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.palette import BLUE, NEUTRAL, ORANGE, VIOLET
from inspector.figures.style import finish

WHAT = {"layer": VIOLET, "attention": BLUE, "mlp": ORANGE, "head": NEUTRAL}
BY = {"random": NEUTRAL}
LEAST = 1e-9
"""What a KL of 0 is drawn as, on a logarithmic axis."""


def parts_figure(parts: pd.DataFrame) -> go.Figure:
    """The KL without each part alone, over the layers."""
    figure = go.Figure()
    for what, rows in parts.groupby("what", sort=False):
        figure.add_scatter(
            x=rows["layer"],
            y=rows["kl"].clip(lower=LEAST),
            mode="markers" if what == "head" else "lines+markers",
            name=str(what),
            marker={"color": WHAT[str(what)], "opacity": 0.6 if what == "head" else 1},
            customdata=rows[["name", "loss"]],
            hovertemplate="%{customdata[0]}: KL %{y:.4g}, loss %{customdata[1]:+.4f}<extra></extra>",
        )
    worst = parts.loc[parts["kl"].idxmax(), "name"] if parts["kl"].notna().any() else "nothing that can be told"
    figure.update_yaxes(type="log", title="KL without it, nats a token (log)")
    figure.update_xaxes(title="layer")
    return finish(figure, f"What each part is worth: {worst} most")


def shares_figure(sets: pd.DataFrame, axis: str) -> go.Figure:
    """The KL over the share that is taken out, by how it was chosen; random sets one by one."""
    figure = go.Figure()
    for by, rows in sets.groupby("by", sort=False):
        figure.add_scatter(
            x=rows["share"],
            y=rows["kl"].clip(lower=LEAST),
            mode="markers" if by == "random" else "lines+markers",
            name=str(by),
            marker={"color": NEUTRAL} if by == "random" else {},
            customdata=rows["loss"],
            hovertemplate="without %{x:.0%}: KL %{y:.4g}, loss %{customdata:+.3f}<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(type="log", title="KL, nats a token (log)")
    figure.update_xaxes(title=axis, tickformat=".0%")
    return finish(figure, f"What it costs to take out a {axis}")

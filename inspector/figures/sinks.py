"""Figures of attention sinks."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.figures.common import NEUTRAL, NEUTRAL_TEXT, SINK, SINK_SCALE, finish, layer_ticks


def sink_map(heads: pd.DataFrame, epsilon: float = 0.3) -> go.Figure:
    """Layer × head map of the attention that each head's strongest key receives (frame `sinks.heads`)."""
    grid = heads.pivot(index="layer", columns="head", values="received")
    keys = heads["key"].astype(object).where(heads["key"].notna(), "moves")
    where = heads.assign(key=keys).pivot(index="layer", columns="head", values="key")
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(dtype=np.float32),
            x=grid.columns,
            y=grid.index,
            customdata=where.to_numpy(),
            zmin=0,
            zmax=1,
            colorscale=SINK_SCALE,
            colorbar={"title": "received"},
            hovertemplate="layer %{y}, head %{x}<br>key %{customdata} receives %{z:.1%}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(title="head", dtick=1 if len(grid.columns) <= 16 else 4)
    figure.update_yaxes(title="layer", **layer_ticks(len(grid)))
    count = int((heads["received"] > epsilon).sum())
    title = f"{count} of {len(heads)} heads park more than {epsilon:.0%} of their attention on one key"
    return finish(figure, title)


MEASURES = {
    "received": "attention that the strongest key receives",
    "sink_rate": "share of texts in which it is a sink",
    "received_full": "attention that the early key receives, over whole texts",
    "spread": "standard deviation of that attention over texts",
    "entropy": "entropy of the attention, in nats",
    "entropy_rest": "entropy with key 0 taken out, in nats",
    "self_share": "attention of a token to itself",
    "value_norm_ratio": "size of the key's value vector, relative to the others'",
}
"""Columns of `sinks.heads` that `head_map` can draw, in words."""


def head_map(heads: pd.DataFrame, measure: str = "received") -> go.Figure:
    """Layer × head map of one measure (a key of `MEASURES`; frame `sinks.heads`)."""
    grid = heads.pivot(index="layer", columns="head", values=measure)
    share = measure not in ("entropy", "entropy_rest", "value_norm_ratio")
    what = "%{z:.1%}" if share else "%{z:.2f}"
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(dtype=np.float32),
            x=grid.columns,
            y=grid.index,
            zmin=0,
            zmax=1 if share and measure != "spread" else None,
            colorscale=SINK_SCALE,
            colorbar={"title": measure.replace("_", " ")},
            hovertemplate=f"layer %{{y}}, head %{{x}}<br>{measure.replace('_', ' ')} {what}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(title="head", dtick=1 if len(grid.columns) <= 16 else 4)
    figure.update_yaxes(title="layer", **layer_ticks(len(grid)))
    if not heads[measure].notna().any():
        return finish(figure, f"Insufficient data for {MEASURES[measure]}")
    top = heads.loc[heads[measure].idxmax()]
    said = f"{top[measure]:.0%}" if share else f"{top[measure]:.2f}"
    named = MEASURES[measure][0].upper() + MEASURES[measure][1:]
    return finish(figure, f"{named}: most in head {int(top['head'])} of layer {int(top['layer'])}, {said}")


def head_keys(received: pd.DataFrame, layer: int, head: int, epsilon: float = 0.3) -> go.Figure:
    """Received attention of every key position of one head (frame `sinks.received`)."""
    rows = received[(received["layer"] == layer) & (received["head"] == head)]
    figure = go.Figure(
        go.Bar(
            x=rows["key"],
            y=rows["received"],
            marker_color=SINK,
            hovertemplate="key %{x} receives %{y:.1%}<extra></extra>",
        )
    )
    figure.add_hline(y=epsilon, line_dash="dot", line_color=NEUTRAL)
    figure.add_annotation(
        x=1, xref="paper", y=epsilon, yshift=9, text=f"ε = {epsilon:g}", showarrow=False, font_color=NEUTRAL_TEXT
    )
    figure.update_xaxes(title="key position")
    figure.update_yaxes(title="share of attention", range=[0, 1], tickformat=".0%")
    if not len(rows):
        return finish(figure, f"Insufficient data: head {head} of layer {layer} was not measured")
    top = rows.loc[rows["received"].idxmax()]
    return finish(figure, f"In head {head} of layer {layer} key {int(top['key'])} receives {top['received']:.0%}")


def sink_curve(curve: pd.DataFrame, epsilon: float = 0.3) -> go.Figure:
    """The sink rate at key 0 over ε, and the threshold in force (frame `sinks.curve`)."""
    figure = go.Figure(
        go.Scatter(
            x=curve["epsilon"],
            y=curve["sink_rate"],
            mode="lines+markers",
            line_color=SINK,
            hovertemplate="ε = %{x:g}: sink rate %{y:.1%}<extra></extra>",
        )
    )
    figure.add_vline(x=epsilon, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="ε, the share above which a key is a sink", range=[0, 1])
    figure.update_yaxes(title="sink rate at key 0", range=[0, 1], tickformat=".0%")
    ends = curve.set_index("epsilon")["sink_rate"]
    if not ends.notna().any():
        return finish(figure, "Insufficient data: no text is long enough")
    return finish(figure, f"The sink rate falls from {ends.iloc[0]:.0%} at ε = 0.05 to {ends.iloc[-1]:.0%} at ε = 0.95")


def sink_controls(controls: pd.DataFrame) -> go.Figure:
    """The sink rate on the texts and on two inputs without meaning (frame `sinks.controls`)."""
    labels = {"texts": "your texts", "random": "random tokens", "repeated": "one token repeated"}
    figure = go.Figure(
        go.Bar(
            x=[f"{labels.get(row.input, row.input)}<br>{row.sink_rate:.1%}" for row in controls.itertuples()],
            y=controls["sink_rate"],
            marker_color=[SINK if name == "texts" else NEUTRAL for name in controls["input"]],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": controls["high"] - controls["sink_rate"],
                "arrayminus": controls["sink_rate"] - controls["low"],
                "color": NEUTRAL_TEXT,
            },
            hovertemplate="%{x}<extra></extra>",
        )
    )
    figure.update_yaxes(title="sink rate at key 0", range=[0, 1], tickformat=".0%")
    rate = controls.set_index("input")["sink_rate"]
    if pd.isna(rate["texts"]):
        return finish(figure, "Insufficient data: no text is long enough for a sink rate")
    said = ", ".join(f"{rate[name]:.0%} on {labels[name]}" for name in ("random", "repeated") if name in rate)
    return finish(figure, f"Sink rate {rate['texts']:.0%} on your texts" + (f"; {said}" if said else ""))


def received_by_position(keys: pd.DataFrame, epsilon: float = 0.3) -> go.Figure:
    """Received attention and sink rate of every key position (frame `sinks.keys`)."""
    figure = go.Figure()
    figure.add_bar(
        x=keys["key"],
        y=keys["received"],
        marker_color=SINK,
        name="received attention",
        hovertemplate="key %{x} receives %{y:.1%}<extra></extra>",
    )
    figure.add_scatter(
        x=keys["key"],
        y=keys["sink_rate"],
        mode="markers",
        name=f"sink rate (ε = {epsilon:g})",
        marker={"color": NEUTRAL, "symbol": "line-ew-open", "size": 8, "line": {"width": 2}},
        hovertemplate="key %{x}: sink rate %{y:.1%}<extra></extra>",
    )
    figure.update_xaxes(title="key position")
    figure.update_yaxes(title="share", range=[0, 1], tickformat=".0%")
    figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "top"})
    if not keys["received"].notna().any():
        return finish(figure, "Insufficient data: no text is long enough")
    top = keys.loc[keys["received"].idxmax()]
    return finish(
        figure,
        f"Key {int(top['key'])} receives {top['received']:.0%} of all attention (mean over texts, layers, heads)",
    )

"""Figures of attention sinks, and which of them a record has."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.detectors.measured import Measured
from inspector.detectors.sinks.figures_two import head_difference, heads_by_depth
from inspector.figures.comparison import two_over_depth
from inspector.figures.drawing import Drawing, Source
from inspector.figures.palette import BLUE, BLUES, NEUTRAL, NEUTRAL_TEXT
from inspector.figures.style import finish, layer_ticks

__all__ = [
    "head_difference",
    "head_keys",
    "head_map",
    "heads_by_depth",
    "received_by_position",
    "sink_controls",
    "sink_curve",
    "sink_map",
    "window_losses",
]
"""What `inspector.figures` offers."""


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
            colorscale=BLUES,
            colorbar={"title": "received"},
            hovertemplate="layer %{y}, head %{x}<br>key %{customdata} receives %{z:.1%}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(title="head", dtick=1 if len(grid.columns) <= 16 else 4)
    figure.update_yaxes(title="layer", **layer_ticks(len(grid)))
    count = int((heads["received"] > epsilon).sum())
    title = f"{count} of {len(heads)} heads place more than {epsilon:.0%} of their attention on one key"
    return finish(figure, title)


MEASURES = {
    "received": "attention that the strongest key receives",
    "sink_rate": "share of texts in which it is a sink",
    "active": "share of texts in which any key is a sink",
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
            colorscale=BLUES,
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
            marker_color=BLUE,
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
            line_color=BLUE,
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
            marker_color=[BLUE if name == "texts" else NEUTRAL for name in controls["input"]],
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
    figure.update_xaxes(title="input")
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
        marker_color=BLUE,
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


def window_losses(windows: pd.DataFrame) -> go.Figure:
    """The loss's change with a window that slides over the cache, by what is kept beside it (frame `windows`)."""
    rows = windows[windows["kept"] != "everything"]
    figure = go.Figure(
        go.Bar(
            x=rows["kept"],
            y=rows["change"],
            marker_color=[NEUTRAL if kept in ("nothing", "4 others") else BLUE for kept in rows["kept"]],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows["change_high"] - rows["change"],
                "arrayminus": rows["change"] - rows["change_low"],
                "color": NEUTRAL_TEXT,
            },
            hovertemplate="%{x} kept: %{y:+.3f} nats<extra></extra>",
        )
    )
    figure.update_xaxes(title="first tokens kept beside the window")
    figure.update_yaxes(title="change of the loss (nats per token)")
    change = rows.set_index("kept")["change"]
    return finish(
        figure,
        f"With a sliding window the loss changes by {change['nothing']:+.2f}; with the first token kept by "
        f"{change['the first']:+.2f}",
    )


def drawings(m: Measured) -> dict[str, Drawing]:
    """The figures of one record."""
    epsilon = {"epsilon": m.thresholds.epsilon}
    return {
        "sinks.map": Drawing(
            sink_map,
            ("sinks.heads",),
            epsilon,
            "One square for each head. Many attend to the first token when they have nothing to look for.",
            ("attention sink", "received attention"),
        ),
        "sinks.received": Drawing(
            received_by_position,
            ("sinks.keys",),
            epsilon,
            "Averaged over all texts, layers and heads. A sink is a spike at one position, mostly the first.",
            ("received attention", "sink rate"),
        ),
        "sinks.controls": Drawing(
            sink_controls,
            ("sinks.controls",),
            {},
            "If the rate stays on random tokens, the sink has nothing to do with what the texts say.",
            ("sink rate",),
        ),
        "sinks.curve": Drawing(
            sink_curve,
            ("sinks.curve",),
            epsilon,
            "The rate depends on where the line is drawn. The dotted one is in force.",
            ("sink rate",),
        ),
        "effects.windows": Drawing(
            window_losses,
            ("windows",),
            {},
            "Only a few recent tokens are kept. If keeping the first one repairs the loss and others don't, it is the "
            "sink.",
            ("attention sink", "loss"),
        ),
    }


def comparison(first: Measured, second: Measured) -> dict[str, Drawing]:
    """The figures of two runs: sources are of the reports `first` and `second`."""
    names = ("first", "second")
    one, two = (m.frame("heads") for m in (first, second))
    heads = tuple(Source("sinks.heads", report=name) for name in names)
    same = one[["layer", "head"]].equals(two[["layer", "head"]])
    by_head = Drawing(
        head_difference,
        heads,
        {},
        "Orange: more attention on the strongest key in the first run; violet: in the second.",
        ("received attention",),
    )
    by_depth = Drawing(
        heads_by_depth,
        heads,
        {"names": names},
        "The models differ in shape, so layers are aligned by relative depth.",
        ("received attention",),
    )
    rate = Drawing(
        two_over_depth,
        tuple(Source("sinks.layers", report=name) for name in names),
        {"column": "sink_rate", "names": names, "accent": BLUE, "axis": "sink rate at key 0"},
        "Where heads begin to attend to the first token.",
        ("sink rate",),
    )
    return {"sink_rate": rate, "heads": by_head if same else by_depth}

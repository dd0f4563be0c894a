"""Figures of a cell of the map: its dims, a dim over the layers, its layer's spread, direct contributors, tokens."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.errors import InputError
from inspector.figures.palette import INK, NEUTRAL, ORANGE, ORANGE_TEXT
from inspector.figures.style import finish, layer_ticks, log_ticks, token_label
from inspector.figures.words import rounded


def top_dims(kept: pd.DataFrame, text: int, layer: int, position: int) -> go.Figure:
    """The largest dims of one token after one layer (frame `massive.kept`).

    Raises:
        InputError: none of that token's entries was kept: others of its text are larger.
    """
    rows = _cell(kept, text, layer, position).head(8)
    shares = rows["value"].abs()
    floor = 1.0 if shares.max() >= 10 or not shares.any() else float(shares[shares > 0].min()) / 3
    shares = np.maximum(shares, floor)
    colours = [ORANGE if i == 0 else NEUTRAL for i in range(len(rows))]
    figure = go.Figure(
        go.Bar(
            y=[f"dim {dim}" for dim in rows["dim"]],
            x=np.log10(shares / floor).to_numpy(),
            base=float(np.log10(floor)),
            orientation="h",
            marker_color=colours,
            text=[rounded(value) for value in rows["value"]],
            textposition="auto",
            insidetextfont_color=INK,
            customdata=rows["dim"],
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title="|x| (log; the bars say x with its sign)", **log_ticks(float(shares.max()), floor))
    figure.update_yaxes(autorange="reversed")
    first = rows.iloc[0]
    return finish(
        figure,
        f"Dim {int(first['dim'])} holds {rounded(first['value'])}, {rounded(first['ratio'])} × the layer's median",
    )


def dim_over_layers(kept: pd.DataFrame, text: int, position: int, dim: int) -> go.Figure:
    """One dim at one token over the layers, where it was among the sixteen largest (frame `massive.kept`).

    Raises:
        InputError: it never was.
    """
    rows = kept[(kept["text"] == text) & (kept["position"] == position) & (kept["dim"] == dim)].sort_values("layer")
    if not len(rows):
        raise InputError(f"Dim {dim} is never among the largest of token {position} of text {text}. Choose another.")
    every = np.arange(int(kept["layer"].max()) + 1)
    values = rows.set_index("layer")["value"].reindex(every)
    figure = go.Figure(
        go.Scatter(
            x=every,
            y=values,
            mode="lines+markers",
            line={"color": ORANGE},
            hovertemplate="layer %{x}: x = %{y:,.6~r}<extra></extra>",
        )
    )
    figure.update_xaxes(title="layer", range=[-0.5, len(every) - 0.5], **layer_ticks(len(every)))
    figure.update_yaxes(title=f"x in dim {dim}")
    at = rows.loc[rows["value"].abs().idxmax()]
    where = f"token {position} ({token_label(at['token'])})"
    return finish(figure, f"Dim {dim} at {where} is largest at layer {int(at['layer'])}: {rounded(at['value'])}")


def size_spread(sizes: pd.DataFrame, layer: int, size: float | None = None) -> go.Figure:
    """How |x| is spread in a layer, and where one entry stands (frame `massive.sizes`)."""
    rows = sizes[(sizes["layer"] == layer) & (sizes["size"] >= 2**-10)]
    figure = go.Figure(
        go.Scatter(
            x=rows["size"] + _widths(rows["size"]) / 2,
            y=rows["entries"],
            mode="lines",
            line={"color": NEUTRAL, "shape": "hvh"},
            fill="tozeroy",
            hovertemplate="|x| near %{x:.3g}: %{y:,} entries<extra></extra>",
        )
    )
    figure.update_xaxes(title="|x| (log)", type="log", dtick=1)
    figure.update_yaxes(title="entries (log)", type="log", dtick=2)
    total = int(rows["entries"].sum())
    if size is None:
        return finish(figure, f"{total:,} entries of layer {layer}")
    figure.add_vline(x=size, line_color=ORANGE, line_width=2)
    figure.add_annotation(
        x=np.log10(size),
        y=1,
        yref="paper",
        yanchor="bottom",
        text="this entry",
        showarrow=False,
        font_color=ORANGE_TEXT,
    )
    return finish(figure, f"Of {total:,} entries of layer {layer}, {_larger(rows, size)} larger than this one")


def _widths(sizes: pd.Series) -> np.ndarray:
    """Widths of the bins of `massive.sizes` that begin at these sizes: an octave has four of the same width."""
    return np.asarray(np.ldexp(0.125, np.frexp(sizes.to_numpy(dtype=float))[1]))


def _larger(rows: pd.DataFrame, size: float) -> str:
    """How many entries are larger than one of this size, as far as the bins tell: where in its own is not known."""
    least = int(rows.loc[rows["size"] > size, "entries"].sum())
    most = int(rows.loc[rows["size"] + _widths(rows["size"]) > size, "entries"].sum())
    most = max(least, most - 1)  # the entry itself is in its bin
    if least == most:
        return "1 is" if most == 1 else f"{most:,} are"
    return f"between {least:,} and {most:,} are" if least else f"at most {most:,} {'is' if most == 1 else 'are'}"


def writing(writers: pd.DataFrame, dim: int, layer: int) -> go.Figure:
    """What adds to a dim in the block where it steps up (frame `massive.writers`).

    Raises:
        InputError: no plateau of that dim begins there.
    """
    rows = writers[(writers["dim"] == dim) & (writers["layer"] == layer)]
    if not len(rows):
        raise InputError(f"No plateau of dim {dim} begins at layer {layer}. Choose one of `massive.plateaus`.")
    parts = rows[rows["writer"] != "neuron"].set_index("writer")["value"]
    neurons = rows[rows["writer"] == "neuron"].head(6)
    labels = ["there before", "attention adds", "the MLP adds", *(f"· neuron {n}" for n in neurons["neuron"])]
    values = [*(float(parts.get(name, np.nan)) for name in ("before", "attention", "mlp")), *neurons["value"]]
    figure = go.Figure(
        go.Bar(
            y=labels,
            x=values,
            orientation="h",
            marker_color=[NEUTRAL, NEUTRAL, ORANGE, *[ORANGE] * len(neurons)],
            marker_opacity=[1, 1, 1, *[0.55] * len(neurons)],
            text=[rounded(value) for value in values],
            textposition=["auto"] * 3 + ["outside"] * len(neurons),  # a pale bar holds no words
            insidetextfont_color=INK,
            hovertemplate="%{y}: %{x:,.6~r}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title=f"direct contribution to dim {dim}, mean over texts")
    named = ", ".join(f"{row.neuron} ({row.share:.0%})" for row in neurons.head(2).itertuples())
    by = f", mostly its neurons {named}" if named else ""
    return finish(figure, f"In layer {layer} the MLP adds {rounded(values[2])} to dim {dim}{by}")


def carried_by(carriers: pd.DataFrame, layer: int, dim: int) -> go.Figure:
    """Tokens and positions at which a massive dim occurs after a layer, the commonest ten (frame `massive.carriers`).

    Raises:
        InputError: none does, by the thresholds in force.
    """
    rows = carriers[(carriers["layer"] == layer) & (carriers["dim"] == dim)]
    if not len(rows):
        raise InputError(f"No entry of dim {dim} passes the thresholds after layer {layer}. Lower them.")
    top = rows.nlargest(10, "share")
    figure = go.Figure(
        go.Bar(
            y=list(range(len(top))),
            x=top["share"],
            orientation="h",
            marker_color=ORANGE,
            customdata=[rounded(value) for value in top["value"]],
            hovertemplate="%{x:.0%} of texts, %{customdata} on average<extra></extra>",
        )
    )
    names = [f"{token_label(row.token)} at {row.position}" for row in top.itertuples()]
    figure.update_yaxes(autorange="reversed", tickvals=list(range(len(top))), ticktext=names)
    figure.update_xaxes(title="share of texts", tickformat=".0%")
    positions = rows.groupby("position")["share"].sum().sort_values(ascending=False)
    return finish(
        figure,
        f"Dim {dim} after layer {layer} occurs at {len(rows)} pairs of token and position; "
        f"position {int(positions.index[0])} has it in {min(1.0, positions.iloc[0]):.0%} of texts",
    )


def _cell(kept: pd.DataFrame, text: int, layer: int, position: int) -> pd.DataFrame:
    here = (kept["text"] == text) & (kept["layer"] == layer) & (kept["position"] == position)
    if not here.any():
        raise InputError(
            f"None of the sixteen largest entries of text {text} after layer {layer} is at token {position}, so its "
            "dims were not kept. Choose a brighter cell."
        )
    return kept[here].sort_values("value", key=np.abs, ascending=False)

"""Figures of tested changes: each beside its random twins."""

import html

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.common import LOG_TICKS, MASSIVE, NEURON, NEUTRAL, NEUTRAL_TEXT, SINK, finish, token_label

METRICS = {
    "loss": "change of the loss (nats a token)",
    "kl": "divergence from the untouched model (nats a token)",
    "sink_rate": "change of the sink rate",
}
WAYS = ("circle", "square", "diamond", "cross", "triangle-up")
SYMBOLS = {"confirmed": "circle", "undecided": "diamond-open", "refuted": "x"}


def effect_intervals(effects: pd.DataFrame, metric: str = "loss", most: int = 14) -> go.Figure:
    """The largest changes with their intervals, above the bands that hold 95 % of their twins' (frame `effects`)."""
    tested = effects[effects["metric"] == metric]
    rows = tested.loc[tested["change"].abs().nlargest(most).index.sort_values()].reset_index(drop=True)
    figure = go.Figure()
    for at, row in enumerate(rows.itertuples()):
        band = {"x0": row.twin_low, "x1": row.twin_high, "y0": at - 0.32, "y1": at + 0.32}
        figure.add_shape(type="rect", fillcolor=NEUTRAL, opacity=0.25, line_width=0, **band)
        figure.add_scatter(
            x=[row.change],
            y=[at],
            mode="markers",
            marker={"size": 12, "color": MASSIVE, "symbol": SYMBOLS.get(row.verdict, "circle-open")},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.change],
                "arrayminus": [row.change - row.low],
            },
            showlegend=False,
            hovertemplate=f"%{{x:+.3g}} [{row.low:+.3g}, {row.high:+.3g}]<br>twins {row.twin_low:+.3g} to "
            f"{row.twin_high:+.3g}<br>{row.verdict}<extra></extra>",
        )
    names = [f"{token_label(row.op)}: {_short(html.escape(row.target))}" for row in rows.itertuples()]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, autorange="reversed", automargin=True)
    figure.update_xaxes(title=f"{METRICS.get(metric, metric)}; grey: 95 % of random twins", zeroline=True)
    figure.add_vline(x=0, line_dash="dot", line_color=NEUTRAL)
    if not len(rows):
        return finish(figure, f"No effect on {metric} was measured")
    finish(figure, _title(tested, metric)).update_layout(height=max(260, 90 + 64 * len(rows)))
    return figure


def window_losses(windows: pd.DataFrame) -> go.Figure:
    """The loss's change with a window that slides over the cache, by what is kept beside it (frame `windows`)."""
    rows = windows[windows["kept"] != "everything"]
    figure = go.Figure(
        go.Bar(
            x=rows["kept"],
            y=rows["change"],
            marker_color=[NEUTRAL if kept in ("nothing", "4 others") else SINK for kept in rows["kept"]],
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
    figure.update_xaxes(title="tokens of the beginning that are kept beside the window")
    figure.update_yaxes(title="change of the loss (nats a token)")
    change = rows.set_index("kept")["change"]
    return finish(
        figure,
        f"With a sliding window the loss changes by {change['nothing']:+.2f}; with the first token kept by "
        f"{change['the first']:+.2f}",
    )


def over_alpha(alpha: pd.DataFrame, metric: str = "made_up") -> go.Figure:
    """A metric over the factor that the candidate neurons are scaled by, above the twins' band (frame `alpha`)."""
    rows = alpha[alpha["metric"] == metric].sort_values("alpha")
    figure = go.Figure()
    for ends, fill in (("twin_low", None), ("twin_high", "tonexty")):
        figure.add_scatter(
            x=rows["alpha"],
            y=rows[ends],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor="rgba(134,142,150,0.25)",
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=rows["alpha"],
        y=rows["value"],
        mode="lines+markers",
        line={"color": NEURON},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rows["high"] - rows["value"],
            "arrayminus": rows["value"] - rows["low"],
        },
        showlegend=False,
        hovertemplate="α = %{x:g}: %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="α, the factor on the candidates (grey: 95 % of random twins)")
    figure.update_yaxes(title=METRICS.get(metric, metric.replace("_", " ")))
    ends = rows.iloc[[0, -1]]
    said = f"from {ends['value'].iloc[0]:.3g} at α = {ends['alpha'].iloc[0]:g} to {ends['value'].iloc[1]:.3g}"
    return finish(figure, f"{metric.replace('_', ' ').capitalize()} goes {said} at α = {ends['alpha'].iloc[1]:g}")


def spike_by_sink(table: pd.DataFrame) -> go.Figure:
    """Largest |x| and sink rate with spike, sinks or both taken away (frame `spike_sink`)."""
    figure = go.Figure()
    for at, row in enumerate(table.itertuples()):
        figure.add_scatter(
            x=[row.largest],
            y=[row.sink_rate],
            mode="markers",
            name=f"{row.done}: loss {row.loss:.2f}",
            marker={"size": 14, "color": MASSIVE if at == 0 else NEUTRAL, "symbol": WAYS[at % len(WAYS)]},
            hovertemplate="%{fullData.name}<br>largest |x| %{x:,.0f}, sink rate %{y:.1%}<extra></extra>",
        )
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    figure.update_xaxes(
        title="largest |x| left (log)", type="log", tickvals=LOG_TICKS, ticktext=[f"{t:,}" for t in LOG_TICKS]
    )
    figure.update_yaxes(title="sink rate left", tickformat=".0%", range=[-0.05, 1])
    known = table.set_index("done")
    return finish(
        figure, f"Untouched: largest |x| {known['largest'].iloc[0]:,.0f}, sink rate {known['sink_rate'].iloc[0]:.0%}"
    )


def _title(rows: pd.DataFrame, metric: str) -> str:
    held = rows[rows["verdict"] == "confirmed"]
    top = rows.loc[rows["change"].abs().idxmax()]
    return (
        f"{len(held)} of {len(rows)} claims about {metric.replace('_', ' ')} are confirmed; the largest change is "
        f"{top['change']:+.3g} ({top['op']})"
    )


def _short(target: str, width: int = 34) -> str:
    words, lines = target.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)

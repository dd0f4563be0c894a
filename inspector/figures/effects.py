"""Figures of tested changes: each beside its random twins."""

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.common import MASSIVE, NEUTRAL, NEUTRAL_TEXT, finish, token_label

METRICS = {
    "loss": "change of the loss (nats a token)",
    "kl": "divergence from the untouched model (nats a token)",
    "sink_rate": "change of the sink rate",
}
SYMBOLS = {"confirmed": "circle", "undecided": "diamond-open", "refuted": "x"}


def effect_intervals(effects: pd.DataFrame, metric: str = "loss") -> go.Figure:
    """Each change with its interval, above the band that holds 95 % of its twins' (frame `effects`)."""
    rows = effects[effects["metric"] == metric].reset_index(drop=True)
    figure = go.Figure()
    for at, row in enumerate(rows.itertuples()):
        figure.add_shape(
            type="rect", x0=row.twin_low, x1=row.twin_high, y0=at - 0.32, y1=at + 0.32, fillcolor=NEUTRAL, opacity=0.25,
            line_width=0,
        )  # fmt: skip
        figure.add_scatter(
            x=[row.change],
            y=[at],
            mode="markers",
            marker={"size": 12, "color": MASSIVE, "symbol": SYMBOLS.get(row.verdict, "circle-open")},
            error_x={
                "type": "data", "symmetric": False, "array": [row.high - row.change],
                "arrayminus": [row.change - row.low],
            },
            showlegend=False,
            hovertemplate=f"%{{x:+.3g}} [{row.low:+.3g}, {row.high:+.3g}]<br>twins {row.twin_low:+.3g} to "
            f"{row.twin_high:+.3g}<br>{row.verdict}<extra></extra>",
        )  # fmt: skip
    names = [f"{token_label(row.op)}: {_short(row.target)}" for row in rows.itertuples()]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, autorange="reversed", automargin=True)
    figure.update_xaxes(title=f"{METRICS.get(metric, metric)}; grey: 95 % of random twins", zeroline=True)
    figure.add_vline(x=0, line_dash="dot", line_color=NEUTRAL)
    if not len(rows):
        return finish(figure, f"No effect on {metric} was measured")
    finish(figure, _title(rows, metric)).update_layout(height=max(260, 90 + 64 * len(rows)))
    return figure


def spike_by_sink(table: pd.DataFrame) -> go.Figure:
    """Largest |x| and sink rate with spike, sinks or both taken away (frame `spike_sink`)."""
    figure = go.Figure(
        go.Scatter(
            x=table["largest"],
            y=table["sink_rate"],
            mode="markers+text",
            text=[f"{row.done}<br>loss {row.loss:.2f}" for row in table.itertuples()],
            textposition=[
                "middle left" if at > table["largest"].median() else "middle right" for at in table["largest"]
            ],
            textfont={"color": NEUTRAL_TEXT, "size": 12},
            marker={"size": 14, "color": [MASSIVE if done == "untouched" else NEUTRAL for done in table["done"]]},
            hovertemplate="%{text}<br>largest |x| %{x:,.0f}, sink rate %{y:.1%}<extra></extra>",
        )
    )
    figure.update_xaxes(title="largest |x| left (log)", type="log")
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

"""Figures of tested changes: each beside its random twins."""

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from inspector.figures.common import MASSIVE, NEURON, NEUTRAL, NEUTRAL_TEXT, SINK, finish, rounded, token_label
from inspector.records import verdict_word

METRICS = {
    "loss": ("loss", "change of the loss (nats)"),
    "kl": ("divergence", "divergence from the untouched (nats)"),
    "sink_rate": ("sink rate", "change of the sink rate"),
    "made_up": ("made-up answers", "change of the share of made-up answers"),
    "accuracy": ("right answers", "change of the share of right answers"),
    "compliance": ("answers to false premises", "change of the share of false premises that are answered"),
}
"""A metric in a title, and its change on an axis."""
COLOURS = {"hide": SINK, "hide all": SINK, "scale": NEURON, "scale alone": NEURON}
"""An op's phenomenon; spikes where it is none of these."""
SYMBOLS = {
    "confirmed": "circle",
    "harmless": "circle-open",
    "undecided": "diamond-open",
    "not harmless": "x-open",
    "refuted": "x",
}


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
            marker={
                "size": 12,
                "color": COLOURS.get(row.op, MASSIVE),
                "symbol": SYMBOLS.get(verdict_word(row.verdict, row.claim), "circle-open"),
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.change],
                "arrayminus": [row.change - row.low],
            },
            showlegend=False,
            hovertemplate=f"%{{x:+.3g}} [{row.low:+.3g}, {row.high:+.3g}]<br>twins {row.twin_low:+.3g} to "
            f"{row.twin_high:+.3g}<br>{verdict_word(row.verdict, row.claim)}<extra></extra>",
        )
    names = [f"{token_label(row.op)}: {_short(html.escape(row.target))}" for row in rows.itertuples()]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, autorange="reversed", automargin=True)
    said = METRICS.get(metric, (metric, metric))[1]
    dose = " per unit of α" if rows["op"].str.startswith("scale").any() else ""
    figure.update_xaxes(title=f"{said}{dose}<br>grey: 95 % of the twins", zeroline=True)
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
    figure.update_xaxes(title="first tokens kept beside the window")
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
        showlegend=False,
        hovertemplate="α = %{x:g}: %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="α, the factor on the candidates<br>grey: 95 % of the twins")
    name = METRICS.get(metric, (metric, metric))[0]
    figure.update_yaxes(title=f"{name} (nats a token)" if metric == "loss" else f"share of {name}")
    first, last = rows.iloc[0], rows.iloc[-1]
    outside = int(((rows["value"] < rows["twin_low"]) | (rows["value"] > rows["twin_high"])).sum())
    where = f"outside its twins' band at {outside} of {len(rows)}" if outside else "never outside its twins' band"
    return finish(
        figure,
        f"{name.capitalize()}: {first['value']:.3g} at α = {first['alpha']:g}, {last['value']:.3g} at "
        f"α = {last['alpha']:g}, {where}",
    )


WAYS = {
    "here": ("largest |x| at the spike's token", rounded),
    "largest": ("largest |x| at any token", rounded),
    "sink_rate": ("heads with a sink at key 0", "{:.1%}".format),
    "any_sink": ("heads with a sink at any key", "{:.1%}".format),
    "loss": ("loss (nats)", "{:.2f}".format),
}
"""A column of `spike_sink`, its words, and how its numbers are written."""
PANELS = {"here": MASSIVE, "largest": MASSIVE, "sink_rate": SINK, "any_sink": SINK}


def spike_by_sink(table: pd.DataFrame) -> go.Figure:
    """What is left with spike, sinks or both taken away: sizes, sinks and loss (frame `spike_sink`)."""
    ways = {name: way for name, way in WAYS.items() if name in table and table[name].notna().any()}
    figure = make_subplots(rows=len(ways), vertical_spacing=0.06, subplot_titles=[title for title, _ in ways.values()])
    places = list(range(len(table)))
    for panel, (name, (_, said)) in enumerate(ways.items(), start=1):
        bars = go.Bar(
            x=table[name],
            y=places,
            orientation="h",
            marker_color=[PANELS.get(name, NEUTRAL)] * len(table),
            text=[said(value) for value in table[name]],
            textposition="outside",
            cliponaxis=False,
            customdata=[html.escape(done) for done in table["done"]],
            hovertemplate="%{customdata}: %{text}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(bars, row=panel, col=1)
        room = 1.5 * float(np.nanmax([*table[name], 0.0])) or 1.0  # for the numbers beside the bars
        figure.update_xaxes(range=[0, room], showticklabels=False, showgrid=False, row=panel)
    names = [_short(html.escape(done), 18) for done in table["done"]]
    figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=names, automargin=True)
    figure = finish(figure, _ways_title(table.set_index("done")))
    return figure.update_layout(height=110 + 180 * len(ways), margin={"t": 110})


def _ways_title(ways: pd.DataFrame) -> str:
    what = "sink_rate" if ways["sink_rate"].notna().all() else "largest"
    name, said = WAYS[what]
    least = ways[what].iloc[1:].idxmin()
    return f"{name.capitalize()} {said(ways[what].iloc[0])} untouched; {said(ways[what][least])} with {least}"


def risk_coverage(curve: pd.DataFrame, guard: pd.DataFrame) -> go.Figure:
    """Errors among the answers given, from the surest on, by policy (frames `guard_curve` and `guard`)."""
    figure = go.Figure()
    for (policy, by), dash in DASHES.items():
        rows = curve[(curve["policy"] == policy) & (curve["by"] == by)]
        colour = NEURON if by == "probe" else NEUTRAL
        figure.add_scatter(
            x=rows["coverage"],
            y=rows["error"],
            mode="lines",
            name=policy if policy == "greedy" else f"{policy}, by {by}",
            line={"color": colour, "dash": dash},
            hovertemplate="%{fullData.name}: %{y:.0%} wrong of %{x:.0%} answered<extra></extra>",
        )
    figure.update_xaxes(title="questions answered, the surest first", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="wrong among them", tickformat=".0%", range=[0, 1])
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
    known = guard.set_index(["policy", "by"])
    said = [
        f"by {by} it answers {known.loc[('abstain', by), 'coverage']:.0%} and "
        f"{known.loc[('abstain', by), 'wrong']:.0%} of all are wrong"
        for by in ("probe", "entropy")
    ]
    return finish(figure, f"Saying nothing when risky: {'; '.join(said)}").update_layout(margin={"t": 130})


DASHES = {
    ("greedy", "nothing"): "dash",
    ("abstain", "entropy"): "solid",
    ("abstain", "logprob"): "longdash",
    ("least", "logprob"): "dot",
    ("abstain", "probe"): "solid",
    ("least", "probe"): "dot",
}
"""Policies drawn, and how; asking again ranks answers nearly as abstaining does."""


def _title(rows: pd.DataFrame, metric: str) -> str:
    """How many of the things tested matter to a metric, or leave it as it is, as claimed."""
    harmless = rows["claim"] == "none"
    said = []
    for claimed, word in ((~harmless, "changed"), (harmless, "left alone")):
        held = int((rows.loc[claimed, "verdict"] == "confirmed").sum())
        said += [f"{word} by {held} of {int(claimed.sum())}"] if claimed.any() else []
    name, top = METRICS.get(metric, (metric,))[0], rows.loc[rows["change"].abs().idxmax()]
    return (
        f"{name.capitalize()}: {', '.join(said)} as claimed; the largest change is {top['change']:+.3g} ({top['op']})"
    )


def _short(target: str, width: int = 24) -> str:
    words, lines = target.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)

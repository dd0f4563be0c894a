"""Figures of tested changes: each beside its matched random controls."""

import html
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.palette import NEUTRAL
from inspector.figures.style import finish, on_lines
from inspector.records import operation_words, verdict_word

METRICS = {
    "loss": ("loss", "change of the loss (nats)"),
    "kl": ("divergence", "divergence from the baseline (nats)"),
    "sink_rate": ("sink rate", "change of the sink rate"),
    "made_up": ("incorrect answers", "change of the share of incorrect answers"),
    "accuracy": ("correct answers", "change of the share of correct answers"),
    "unparsed": ("answers that can't be parsed", "change of the share of answers without a word, or without an end"),
    "compliance": ("answers to false premises", "change of the share of false premises that are answered"),
}
"""A metric in a title, and its change on an axis."""
SYMBOLS = {
    "confirmed": "circle",
    "harmless": "circle-open",
    "not specific": "circle-cross-open",
    "negligible": "triangle-down-open",
    "undecided": "diamond-open",
    "not harmless": "x-open",
    "refuted": "x",
}


def effect_intervals(
    effects: pd.DataFrame, metric: str = "loss", most: int = 14, accents: Mapping[str, str] | None = None
) -> go.Figure:
    """The largest changes with their intervals, above the bands that hold 95 % of their controls' (frame `effects`).

    Args:
        effects: the frame.
        metric: what was measured.
        most: changes that are drawn.
        accents: a colour for each detector whose findings were tested.
    """
    colours = accents or {}
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
                "color": colours.get(row.detector, NEUTRAL),
                "symbol": SYMBOLS.get(verdict_word(row.verdict, row.claim), "circle-open"),
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.change],
                "arrayminus": [row.change - row.low],
            },
            showlegend=False,
            hovertemplate=f"%{{x:+.3g}} [{row.low:+.3g}, {row.high:+.3g}]<br>controls {row.twin_low:+.3g} to "
            f"{row.twin_high:+.3g}<br>{html.escape(verdict_word(row.verdict, row.claim))}<extra></extra>",
        )
    names = [
        f"{on_lines(html.escape(operation_words(row.op)), 34)}:<br>{on_lines(html.escape(row.target))}"
        for row in rows.itertuples()
    ]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, autorange="reversed", automargin=True)
    said = METRICS.get(metric, (metric, html.escape(metric)))[1]
    dose = " per unit of α" if rows["op"].str.startswith("scale").any() else ""
    figure.update_xaxes(title=f"{said}{dose}<br>grey: 95 % of the matched random controls", zeroline=True)
    figure.add_vline(x=0, line_dash="dot", line_color=NEUTRAL)
    if not len(rows):
        return finish(figure, f"No effect on {metric} was measured")
    finish(figure, _title(tested, metric)).update_layout(height=max(260, 90 + 64 * len(rows)))
    return figure


def _title(rows: pd.DataFrame, metric: str) -> str:
    """How many of the things tested matter to a metric, or leave it as it is, as claimed."""
    harmless = rows["claim"] == "none"
    said = []
    for claimed, word in ((~harmless, "changed"), (harmless, "left unchanged")):
        held = int((rows.loc[claimed, "verdict"] == "confirmed").sum())
        said += [f"{word} by {held} of {int(claimed.sum())}"] if claimed.any() else []
    name, top = METRICS.get(metric, (html.escape(metric),))[0], rows.loc[rows["change"].abs().idxmax()]
    largest = f"{top['change']:+.3g} ({html.escape(operation_words(top['op']))})"
    return f"{name.capitalize()}: {', '.join(said)} as claimed; the largest change is {largest}"

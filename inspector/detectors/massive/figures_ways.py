"""A picture of spikes and sinks, each kept or ablated (frame `spike_sink`)."""

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from inspector.detectors.massive.sentences import way_words
from inspector.figures.palette import BLUE, NEUTRAL, ORANGE
from inspector.figures.style import finish, on_lines
from inspector.figures.words import rounded

WAYS = {
    "here": ("largest |x| at the spike's token", rounded),
    "largest": ("largest |x| at any token", rounded),
    "sink_rate": ("heads with a sink at key 0", "{:.1%}".format),
    "any_sink": ("heads with a sink at any key", "{:.1%}".format),
    "loss": ("loss (nats)", "{:.2f}".format),
}
"""A column of `spike_sink`, its words, and how its numbers are written."""


PANELS = {"here": ORANGE, "largest": ORANGE, "sink_rate": BLUE, "any_sink": BLUE}


def spike_by_sink(table: pd.DataFrame) -> go.Figure:
    """What is left with spike, sinks or both ablated: sizes, sinks and loss (frame `spike_sink`)."""
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
            customdata=[html.escape(way_words(done)) for done in table["done"]],
            hovertemplate="%{customdata}: %{text}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(bars, row=panel, col=1)
        room = 1.5 * float(np.nanmax([*table[name], 0.0])) or 1.0  # for the numbers beside the bars
        figure.update_xaxes(range=[0, room], showticklabels=False, showgrid=False, row=panel)
    names = [on_lines(html.escape(way_words(done)), 18) for done in table["done"]]
    figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=names, automargin=True)
    figure = finish(figure, _ways_title(table.set_index("done")))
    return figure.update_layout(height=110 + 180 * len(ways), margin={"t": 110})


def _ways_title(ways: pd.DataFrame) -> str:
    what = "sink_rate" if ways["sink_rate"].notna().all() else "largest"
    name, said = WAYS[what]
    if len(ways) < 2:
        return f"{name.capitalize()} {said(ways[what].iloc[0])} unmodified"
    least = ways[what].iloc[1:].idxmin()
    return (
        f"{name.capitalize()} {said(ways[what].iloc[0])} unmodified; {said(ways[what][least])} with "
        f"{html.escape(way_words(least))}"
    )

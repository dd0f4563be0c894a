"""Pictures of a neuron's state (frames `states` and `tokens` of `describe_neurons`, or of a study)."""

import html
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from inspector.errors import InputError
from inspector.figures.palette import NEUTRAL, VIOLET
from inspector.figures.style import finish, token_label


def neuron_state(states: pd.DataFrame, tokens: pd.DataFrame, layer: int, neuron: int) -> go.Figure:
    """A neuron's top tokens, and the tokens that its output promotes and suppresses.

    Raises:
        InputError: the frames don't have this neuron.
    """
    mine = states[(states["layer"] == layer) & (states["neuron"] == neuron)]
    if not len(mine):
        raise InputError(f"No state of neuron {neuron} in layer {layer}. Describe it first.")
    rows = tokens[(tokens["layer"] == layer) & (tokens["neuron"] == neuron)]
    figure = make_subplots(rows=2, vertical_spacing=0.2, subplot_titles=("top token of a text", "its output"))
    top = rows[rows["kind"] == "activates"]
    colours = [VIOLET if value > 0 else NEUTRAL for value in top["value"]]
    _bars(figure, 1, top, colours, [_around(row) for row in top.itertuples()])
    promoted = rows[rows["kind"] == "promotes"]
    suppressed = rows[rows["kind"] == "suppresses"].iloc[::-1]
    both = pd.concat([promoted, suppressed])
    colours = [VIOLET] * len(promoted) + [NEUTRAL] * len(suppressed)
    _bars(figure, 2, both, colours, ["promoted"] * len(promoted) + ["suppressed"] * len(suppressed))
    figure.update_xaxes(title="z", row=1)
    figure.update_xaxes(title="logits (z > 0, stream of rms 1)", row=2)
    figure = finish(figure, _title(next(mine.itertuples()), top))
    return figure.update_layout(height=760, margin={"t": 110})


def _bars(figure: go.Figure, place: int, rows: pd.DataFrame, colours: list[str], hover: list[str]) -> None:
    """Horizontal bars, the first on top; an axis counts them, because tokens can be the same twice."""
    places = list(range(len(rows)))
    bars = go.Bar(
        x=rows["value"],
        y=places,
        orientation="h",
        marker_color=colours,
        customdata=[[token_label(token), said] for token, said in zip(rows["token"], hover, strict=True)],
        hovertemplate="%{customdata[0]}: %{x:,.2f}<br>%{customdata[1]}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=place, col=1)
    labels = [token_label(token) for token in rows["token"]]
    figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=labels, automargin=True, row=place)


def _around(row: Any) -> str:
    """Where a token stands, and its context."""
    before, token, after = (_shown(text) for text in (row.before, row.token, row.after))
    return f"text {row.text}, position {row.position}<br>…{before}<b>{token}</b>{after}…"


def _shown(text: str) -> str:
    return html.escape("".join(c if c.isprintable() else "⏎" if c == "\n" else " " for c in text))


def _title(state: Any, top: pd.DataFrame) -> str:
    said = f"Neuron {state.neuron} of layer {state.layer} fires on {state.fires:.1%} of tokens"
    if len(top):
        strongest = next(top.itertuples())
        said += f", most on {token_label(strongest.token)} (z = {strongest.value:,.1f})"
    if pd.notna(state.spike_share):
        said += f"; it writes {state.spike_share:.0%} of the spike in dim {state.dim}"
    return said

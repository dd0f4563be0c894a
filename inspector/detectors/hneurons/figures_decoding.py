"""A picture of the decoding family (frame `decoding`)."""

import html

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from inspector.figures.palette import NEUTRAL, VIOLET
from inspector.figures.style import finish

PANELS = {"accuracy": "correct answers", "mixed": "inconsistent questions", "risk": "mean risk"}


def decoding_family(family: pd.DataFrame) -> go.Figure:
    """Accuracy, inconsistent share and risk of each member with their intervals, the members in the table's order."""
    figure = make_subplots(cols=3, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=list(PANELS.values()))
    places = list(range(len(family)))
    for column, measure in enumerate(PANELS, start=1):
        value = family[measure]
        dots = go.Scatter(
            x=value,
            y=places,
            mode="markers",
            marker={"size": 9, "color": VIOLET if measure == "risk" else NEUTRAL},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": family[f"{measure}_high"] - value,
                "arrayminus": value - family[f"{measure}_low"],
            },
            customdata=family["member"].map(html.escape),
            hovertemplate="%{customdata}: %{x:.1%}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(dots, row=1, col=column)
        figure.add_vline(x=value.iloc[0], line_dash="dot", line_color=NEUTRAL, row=1, col=column)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=family["member"].map(html.escape).tolist())
    figure = finish(figure, _title(family))
    return figure.update_layout(height=440, margin={"l": 170, "t": 110})


def _title(family: pd.DataFrame) -> str:
    best, greedy = family.loc[family["accuracy"].idxmax()], family.iloc[0]
    said = f"On {greedy['n']} questions greedy decoding answers {greedy['accuracy']:.0%} correctly"
    if best["member"] == greedy["member"]:
        return f"{said}, no other way of decoding more (dotted: greedy)"
    sure = best["accuracy_change_low"] > 0
    return (
        f"{said}; {html.escape(best['member'])} answers most correctly, {best['accuracy']:.0%}, "
        f"{'significantly more' if sure else 'not significantly more'} (dotted: greedy)"
    )

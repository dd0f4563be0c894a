"""How every figure looks: one colour for each phenomenon, the font, titles, tokens on an axis."""

import html
import textwrap

import plotly.graph_objects as go

MASSIVE, SINK, NEURON, NEUTRAL = "#E8590C", "#1971C2", "#6741D9", "#868E96"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def token_label(token: object, longest: int = 14) -> str:
    """A token's text fit for an axis: blanks shown, control characters replaced, cut, escaped."""
    text = token if isinstance(token, str) else ""
    text = text.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥")
    text = "".join(c if c.isprintable() else "�" for c in text)
    return html.escape(text if len(text) <= longest else text[: longest - 1] + "…")


def _wrapped(title: str, width: int = 74) -> str:
    """A long title on two lines, so that a narrow page doesn't cut it."""
    return "<br>".join(textwrap.wrap(title, width))


def finish(figure: go.Figure, title: str) -> go.Figure:
    """The figure with its title, and the font and margins that all have."""
    figure.update_layout(
        title={"text": _wrapped(title), "font": {"size": 16}, "x": 0.01, "y": 0.97, "yanchor": "top"},
        font={"family": FONT, "size": 13},
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 84, "b": 60},
        height=420,
    )
    return figure

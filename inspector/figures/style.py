"""What all figures share: colours, fonts, token labels, log ticks, pooling."""

import html
import textwrap
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio

from inspector.figures.words import rounded
from inspector.printable import blanks_shown

LOG_TICKS = [float(f"{step}e{power}") for power in range(-9, 9) for step in (1, 3)]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
PARTS = (
    "annotationdefaults",
    "autotypenumbers",
    "coloraxis",
    "colorway",
    "font",
    "hoverlabel",
    "hovermode",
    "paper_bgcolor",
    "plot_bgcolor",
    "shapedefaults",
    "title",
    "xaxis",
    "yaxis",
)
TICKS = 40
"""Most tokens named on an axis."""
MAX_SIDE = 512
"""Maps with more positions are max-pooled, so that a column of one token survives."""


def _template() -> go.layout.Template:
    """What of plotly_white concerns our figures: plotly checks all of a template each time that a figure gets one.

    The whole, with globes, polar axes and some twenty kinds of traces, takes four times as long, most of a figure's.
    """
    white = pio.templates["plotly_white"].to_plotly_json()
    bars = {"heatmap": [{"colorbar": white["layout"]["coloraxis"]["colorbar"]}], "bar": white["data"]["bar"]}
    return go.layout.Template(layout={name: white["layout"][name] for name in PARTS}, data=bars)


TEMPLATE = _template()


def token_label(token: object, longest: int = 14) -> str:
    """A token's text fit for an axis: blanks shown, control characters written out, cut, escaped."""
    text = blanks_shown(token if isinstance(token, str) else "")
    return html.escape(text if len(text) <= longest else text[: longest - 1] + "…")


def position_axis(
    figure: go.Figure, tokens: Sequence[object], factor: int = 1, *, start: int = 0, ticks: int = TICKS
) -> None:
    """Label the x axis, whose values are positions, by the tokens' texts; the text is never the category."""
    step = factor * max(1, -(-len(tokens) // (factor * ticks)))
    few = range(0, len(tokens), step)
    pooled = f", max over {factor} tokens" if factor > 1 else ""
    figure.update_xaxes(
        title=f"token{pooled}",
        tickvals=[start + i for i in few],
        ticktext=[token_label(tokens[i]) for i in few],
        tickangle=-60,
    )


def max_pool(grid: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Max over groups of `factor` columns, NaN left out, and the column each maximum is in."""
    lack = -grid.shape[1] % factor
    groups = np.pad(grid, ((0, 0), (0, lack)), constant_values=np.nan).reshape(grid.shape[0], -1, factor)
    inside = np.where(np.isnan(groups), -np.inf, groups).argmax(axis=2)
    columns = np.arange(groups.shape[1]) * factor + inside
    return np.fmax.reduce(groups, axis=2), columns


def round_sizes(smallest: float, largest: float) -> list[float]:
    """1, 3, 10, 30 … (or 0.3, 0.1 …) between two sizes; the sizes themselves where fewer than two are."""
    shown = [tick for tick in LOG_TICKS if smallest <= tick <= largest]
    return shown if len(shown) > 1 else sorted({smallest, largest})


def log_ticks(largest: float, smallest: float = 1.0) -> dict[str, list[object]]:
    """Ticks of an axis or a colour bar that holds log10 of sizes, labelled by the sizes."""
    shown = round_sizes(smallest, max(largest, 3 * smallest))
    return {"tickvals": [float(np.log10(t)) for t in shown], "ticktext": [rounded(t) for t in shown]}


def layer_ticks(layers: int) -> dict[str, int]:
    """An axis of few layers names each: no layer 1.5."""
    return {"dtick": 1} if layers <= 12 else {}


def wrapped(title: str, width: int = 74) -> str:
    """A long title on two lines, so that a narrow page doesn't cut it."""
    return "<br>".join(textwrap.wrap(title, width))


def finish(figure: go.Figure, title: str) -> go.Figure:
    """The figure with its title and the look that all share."""
    figure.update_layout(
        title={"text": wrapped(title), "font": {"size": 16}, "x": 0.01, "y": 1, "yanchor": "top", "pad": {"t": 22}},
        font={"family": FONT, "size": 13},
        template=TEMPLATE,
        margin={"l": 60, "r": 20, "t": 84, "b": 60},
        height=420,
    )
    return figure


def on_lines(text: str, width: int = 24) -> str:
    """A long label broken at blanks into lines of about this width."""
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)

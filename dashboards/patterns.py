"""Attention patterns on one text, measured on demand: one head's, and many heads' beside each other."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboards import charts, notebook, progress, state, widgets, work
from dashboards.state import View
from inspector.figures import attention_pattern, pattern_grid

AT_ONCE = 512
"""Tokens of a live text up to which a head's pattern is measured without being asked for."""
TERMS = ("received attention", "attention entropy")
Head = tuple[int, int]
"""Layer and number."""


def show(view: View, heads: pd.DataFrame, chosen: Head | None) -> None:
    """The text, the chosen head's pattern on it, and the grid of many heads of `heads` (`sinks.heads`)."""
    texts = sorted(view.frame("tokens")["text"].unique().tolist())[:64]
    st.html("<h2 class=figure>Patterns on one text</h2>")
    text = texts[0]
    if len(texts) > 1:
        text = widgets.choice("text", "Text of the pattern", texts, state.number("text", texts))
    mine = state.tokens_of(view, text)
    widgets.model_place(view)
    if chosen is not None:
        _one(view, mine, text, chosen)
    _many(view, mine, text, heads, chosen)


def _one(view: View, mine: pd.DataFrame, text: int, chosen: Head) -> None:
    layer, number = chosen
    wanted = (view.identity, view.place, text, layer, number)
    of_model = {"card": view.report.card, "where": view.place, "ids": mine["id"].tolist()}
    measure = partial(work.pattern, **of_model, layer=layer, head=number)
    label = f"Measure this pattern on text {text} ({len(mine):,} tokens; loads the model)"
    doing, why = f"Measuring head {number} of layer {layer}", "Runs keep no patterns: they would be gigabytes."
    if not view.saved and len(mine) <= AT_ONCE and state.mine("pattern", wanted) is None:
        state.submit("pattern", doing, measure, wanted)
    job = progress.on_demand("pattern", wanted, measure, doing, label, why)
    if job is not None:
        _draw(view, job.result, mine, text, chosen)


def _many(view: View, mine: pd.DataFrame, text: int, heads: pd.DataFrame, chosen: Head | None) -> None:
    """A grid of small patterns: the heads of one layer, or one head's number in every layer."""
    if chosen is None and heads["received"].notna().any():
        strongest = heads.loc[heads["received"].idxmax()]
        chosen = int(strongest["layer"]), int(strongest["head"])
    layer, number = chosen or (0, 0)
    grids = {"layer": f"All heads of layer {layer}", "head": f"Head {number} of every layer"}
    left, right = st.columns(2)
    with left:
        which = widgets.choice("grid", "Many heads at once", list(grids), state.chosen("grid"), grids.get)
    rows = heads[heads[which] == (layer if which == "layer" else number)]
    every = list(zip(rows["layer"].tolist(), rows["head"].tolist(), strict=True))
    wanted = (view.identity, view.place, text, which, every)
    measure = partial(work.patterns, card=view.report.card, where=view.place, ids=mine["id"].tolist(), heads=every)
    with right:
        label = f"Measure these {len(every)} heads on text {text} (loads the model)"
        once = "One forward pass measures all of them."
        job = progress.on_demand("patterns", wanted, measure, f"Measuring {len(every)} heads", label, once)
    if job is not None:
        _grid(view, job.result, mine, text, every, grids[which])


def _grid(view: View, patterns: np.ndarray, mine: pd.DataFrame, text: int, heads: Sequence[Head], what: str) -> None:
    log, shown = st.toggle("Logarithmic colours", key="log many"), mine["token"].tolist()
    names = [f"{layer}.{number}" for layer, number in heads]
    title = f"{what} on text {text}"
    code = notebook.code(
        view,
        "from inspector.figures import pattern_grid as draw",
        "from inspector.analyses.attention_pattern import attention_patterns as measure",
        "",
        *notebook.fed(view, text),
        f"heads = {list(heads)!r}",
        f'patterns = measure(model, fed["id"].tolist(), heads, side={work.GRID_SIDE})',
        'names = [f"{layer}.{head}" for layer, head in heads]',
        f'draw(patterns, names, fed["token"].tolist(), {title!r}, log={log!r})',
    )
    charts.chart(
        "patterns",
        pattern_grid(patterns, names, shown, title, log=log),
        _table(patterns, heads, len(shown)),
        code,
        "Each panel is a head, each of its rows a query that shares its attention among the keys before it. A dark "
        "first column is a sink. Above it stands layer.head: click it to open that head.",
        TERMS,
        pick={"layer": [layer for layer, _ in heads], "head": [number for _, number in heads]},
    )


def _table(patterns: np.ndarray, heads: Sequence[Head], length: int) -> pd.DataFrame:
    """A row for each square of a pattern, named by its first query and key."""
    factor = -(-length // patterns.shape[1])
    which, query, key = np.nonzero(np.tril(np.ones(patterns.shape, dtype=bool)))
    layer, number = np.array(heads).T
    columns = {"layer": layer[which], "head": number[which], "query": query * factor, "key": key * factor}
    return pd.DataFrame({**columns, "attention": patterns[which, query, key]})


def _draw(view: View, pattern: np.ndarray, mine: pd.DataFrame, text: int, head: Head) -> None:
    layer, number = head
    with st.container(horizontal=True):
        log = st.toggle("Logarithmic colours", key="log")
        hide = st.toggle("Hide the sink", key="hide", help="Key 0 is left out and the rest rescaled to sum to 1.")
    first, last = charts.cropped(len(pattern))
    name = f"Head {number} of layer {layer}"
    shown = mine["token"].tolist()[first : last + 1]
    options = {"start": first, "log": log, "hide_sink": hide}
    figure = attention_pattern(pattern, shown, name, **options)
    table = pd.DataFrame(pattern[first : last + 1, first : last + 1])
    charts.chart(
        "pattern",
        figure,
        table.set_axis([str(at) for at in range(first, last + 1)], axis=1),
        _code(view, (text, layer, number), last, name, options),
        "Each row is a query: how it shares its attention among the keys before it. A dark first column is a sink. "
        "Drag a box to see a part at full resolution.",
        TERMS,
        crop=lambda box: state.choose(crop=charts.box_of(box, "x", "y")),
    )


def _code(view: View, which: tuple[int, int, int], last: int, name: str, options: Mapping[str, Any]) -> str:
    """The notebook cell of a pattern (text, layer, head), up to a token, drawn with these options."""
    text, layer, number = which
    said = ", ".join(f"{option}={value!r}" for option, value in options.items())
    return notebook.code(
        view,
        "from inspector.figures import attention_pattern as draw",
        "from inspector.analyses.attention_pattern import attention_pattern as measure",
        "",
        *notebook.fed(view, text),
        f'pattern = measure(model, fed["id"].tolist(), {layer}, {number})',
        f'tokens = fed["token"].tolist()[{options["start"]}:{last + 1}]',
        f"draw(pattern, tokens, {name!r}, {said})",
    )

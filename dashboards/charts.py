"""Figures on a screen: titled in text, clickable, with the table, the files, the code and the words behind them."""

import html
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboards import notebook, state
from dashboards.glossary import terms as glossary
from dashboards.state import View
from dashboards.theme import themed
from inspector.figures.drawing import Drawing, title_of
from inspector.figures.markup import as_text

ROWS_SHOWN = 2000
CLICKABLE = 96
"""Points across a map: each is then wider than the six pixels within which Plotly takes points for equally near."""


Pick = Mapping[str, Sequence[Any]]
"""What a click on a point chooses: parameters of the address, and the value that each has for each point."""

EDGE = 0.004
"""Free share of a map's width beside its first and last column: a pointer has whole pixels, and misses the first."""


def chart(
    key: str,
    figure: go.Figure,
    table: pd.DataFrame,
    code: str,
    means: str,
    terms: Sequence[str] = (),
    *,
    pick: Pick | None = None,
    crop: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """A figure under its title, with what it means, and behind it the table, downloads, code and terms.

    Args:
        key: names the widgets and the files.
        figure: of `inspector.figures`; its title becomes text of the page.
        table: the numbers behind it.
        code: recreates it in a notebook.
        means: what it says, and what it doesn't.
        terms: keys of the glossary.
        pick: makes each point of the last trace clickable.
        crop: called with the ranges (x, y) of a box that is drawn on the figure.
    """
    framed(key, as_text(figure), lambda: table, code, means, terms, pick=pick, crop=crop)


def framed(
    key: str,
    figure: go.Figure,
    table: Callable[[], pd.DataFrame],
    code: str,
    means: str,
    terms: Sequence[str],
    *,
    pick: Pick | None,
    crop: Callable[[Mapping[str, Any]], None] | None,
) -> None:
    """`chart` of a figure in which texts are text already, whose table is made once it is asked for."""
    title = title_of(figure)
    with st.container(border=True):
        st.html(f"<h2 class=figure>{html.escape(title)}</h2><p class=reading>{html.escape(means)}</p>")
        boxes = crop is not None and pick is None  # while boxes are drawn, Streamlit hears no clicks
        drawn = themed(figure).update_layout(dragmode="select" if boxes else "zoom")
        form = "png" if st.query_params.get("picture") == "png" else "svg"
        options: dict[str, Any] = {}
        if pick is not None or crop is not None:
            modes = (["points"] if pick is not None else []) + (["box"] if crop is not None else [])
            options = {"on_select": lambda: _selected(key, pick or {}, crop), "selection_mode": modes}
        st.plotly_chart(
            drawn,
            key=key,
            theme="streamlit",
            alt=f"{title}. {means}",
            config={"displaylogo": False, "toImageButtonOptions": {"format": form, "filename": key, "scale": 2}},
            **options,
        )
        _behind(key, table, code, terms)


def draw(
    view: View,
    key: str,
    drawing: Drawing,
    *,
    change: Callable[[go.Figure], go.Figure] = lambda figure: figure,
    hint: str = "",
    pick: Pick | Callable[[go.Figure], Pick] | None = None,
    crop: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """One of a run's figures, as `chart`: its table, words and code follow from the drawing.

    Args:
        view: the run.
        key: names the widgets and the files.
        drawing: the figure.
        change: what the page adds to the picture.
        hint: what can be done with it, after what it means.
        pick, crop: see `chart`; what is picked may follow from the figure as it was before its change.
    """
    frame_of = lambda source: view.frame(source.frame)  # noqa: E731
    figure, means = drawing.figure(frame_of), f"{drawing.means} {hint}".strip()
    picked = pick(figure) if callable(pick) else pick
    code, table = notebook.drawn(view, drawing), lambda: drawing.table(frame_of)
    framed(key, change(figure), table, code, means, drawing.terms, pick=picked, crop=crop)


def draw_two(views: Mapping[str, View], key: str, drawing: Drawing) -> None:
    """A figure of several runs, each under the name that the drawing's sources have for it."""
    frame_of = lambda source: views[source.report].frame(source.frame)  # noqa: E731

    def table() -> pd.DataFrame:
        return pd.concat(
            frame_of(source).query(source.query or "index == index").assign(run=views[source.report].name)
            for source in drawing.sources
        )

    code = notebook.drawn_of_two({source.report: views[source.report] for source in drawing.sources}, drawing)
    figure = drawing.figure(frame_of)
    framed(key, figure, table, code, drawing.means, drawing.terms, pick=None, crop=None)


def _selected(key: str, pick: Pick, crop: Callable[[Mapping[str, Any]], None] | None) -> None:
    """A click or a box on a figure, written into the address."""
    selection = st.session_state[key]["selection"]
    if crop is not None and selection["box"]:
        crop(selection["box"][0])
    elif pick and selection["points"]:
        at = selection["points"][0]["point_index"]
        state.choose(**{name: values[at] for name, values in pick.items()})


def strongest(cells: go.Heatmap) -> np.ndarray:
    """The cells that can be clicked, `[row, block]` as places in the flat grid: the largest of each block of columns.

    Where columns are narrower than a pointer, several share a point: it is the brightest cell that was meant.
    """
    z = np.nan_to_num(np.asarray(cells.z, dtype=np.float64), nan=-np.inf)
    edges = np.linspace(0, z.shape[1], min(z.shape[1], CLICKABLE) + 1).astype(int)
    columns = np.stack([low + z[:, low:high].argmax(axis=1) for low, high in itertools.pairwise(edges)], axis=1)
    return columns + np.arange(len(z))[:, None] * z.shape[1]


def clickable(figure: go.Figure) -> go.Figure:
    """The figure with an invisible point over each of the `strongest` cells of its first heatmap.

    Clicks on cells aren't told. Points go row by row, stand evenly, and take over the cells' labels.
    """
    cells = figure.data[0]
    chosen, rows = strongest(cells), len(np.asarray(cells.y))
    at = np.asarray(cells.x)
    half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.5
    ends = np.linspace(at[0] - half, at[-1] + half, chosen.shape[1] + 1)
    x, y = np.tile((ends[:-1] + ends[1:]) / 2, rows), np.repeat(np.asarray(cells.y), chosen.shape[1])
    flat = chosen.reshape(-1)
    data = [] if cells.customdata is None else [_flat(cells.customdata, flat)]
    template = str(cells.hovertemplate)
    for name, values in (("x", _flat(np.tile(at, rows), flat)), ("z", _flat(cells.z, flat))):
        column = sum(part.shape[1] for part in data)
        if f"%{{{name}" in template:
            data.append(values)
            template = template.replace(f"%{{{name}", f"%{{customdata[{column}]")
    figure.data[0].update(customdata=None, hovertemplate=None, hoverinfo="skip")
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"opacity": 0, "size": 6},
        customdata=np.concatenate(data, axis=1) if data else None,
        hovertemplate=template.replace("%{customdata}", "%{customdata[0]}"),
        showlegend=False,
    )
    for axis, places in ((figure.update_xaxes, at), (figure.update_yaxes, np.asarray(cells.y))):
        half = (places[1] - places[0]) / 2 if len(places) > 1 else 0.5
        half = max(half, EDGE * (places[-1] - places[0]))
        axis(range=[places[0] - half, places[-1] + half])  # points would widen it
    return figure.update_layout(hoverdistance=-1, hovermode="closest")


def _flat(grid: Any, chosen: np.ndarray) -> np.ndarray:
    """What a grid holds at places of its cells, a row each."""
    values = np.asarray(grid, dtype=object)
    return values.reshape(-1, values.shape[2] if values.ndim == 3 else 1)[chosen]


def mark(figure: go.Figure, x: float, y: float, width: float = 1, ink: str = "#1B1F24") -> go.Figure:
    """The figure with a frame around one cell."""
    return figure.add_shape(
        type="rect", x0=x - width / 2, x1=x + width / 2, y0=y - 0.5, y1=y + 0.5, line={"color": ink, "width": 3}
    )


def box_of(box: Mapping[str, Any], *axes: str) -> str:
    """The positions that a drawn box covers on these axes, as the address keeps them: first-last."""
    ends = [end for axis in axes for end in box[axis]]
    return f"{max(0, round(min(ends)))}-{max(0, round(max(ends)))}"


def cropped(length: int) -> tuple[int, int]:
    """The positions [first, last] that the address asks for, or all of `length`; with a way back to all."""
    named = re.fullmatch("([0-9]{1,9})-([0-9]{1,9})", str(state.chosen("crop", "")))
    ends = (int(named[1]), min(int(named[2]), length - 1)) if named else (0, 0)
    if ends[0] >= ends[1]:
        return 0, length - 1
    st.button(f"Tokens {ends[0]} to {ends[1]}. Show all", on_click=state.choose, kwargs={"crop": None})
    return ends


def _behind(key: str, table: Callable[[], pd.DataFrame], code: str, terms: Sequence[str]) -> None:
    with st.container(horizontal=True, gap="small"):
        shown = st.popover("Table, files", type="tertiary", key=f"{key} table", on_change="rerun")
        copied = st.popover("Code", type="tertiary", key=f"{key} code", on_change="rerun")
        explained = None
        if terms:
            icon = ":material/info:"
            explained = st.popover("Words", icon=icon, type="tertiary", key=f"{key} words", on_change="rerun")
    if shown.open:
        with shown:
            _take_away(key, table())
    if copied.open:
        with copied:
            st.caption("Recreates this in a notebook.")
            st.code(code, language="python")
    if explained is not None and explained.open:
        with explained:
            words(terms)


def words(terms: Sequence[str]) -> None:
    """What terms mean, their formulas and papers."""
    known = glossary()
    for term in (known[name] for name in terms if name in known):
        st.html(f"<b>{html.escape(term.name)}</b><p class=reading>{html.escape(term.plain)}</p>")
        if term.formula:
            st.code(term.formula, language=None)
        if term.paper:
            st.caption(term.paper)


def _take_away(key: str, table: pd.DataFrame) -> None:
    st.dataframe(table.head(ROWS_SHOWN), hide_index=True, height=min(360, 38 + 35 * len(table)))
    if len(table) > ROWS_SHOWN:
        st.caption(f"The first {ROWS_SHOWN:,} of {len(table):,} rows; the files have all.")
    with st.container(horizontal=True, gap="small"):
        download("CSV", table.to_csv(index=False).encode(), f"{key}.csv", "text/csv")
        download("Parquet", _parquet(table), f"{key}.parquet", "application/octet-stream")
    now = "png" if st.query_params.get("picture") == "png" else "svg"
    other = "svg" if now == "png" else "png"
    st.caption(f"The camera at the figure's top right saves it as {now.upper()}.")
    st.button(f"Save as {other.upper()} instead", key=f"{key} form", on_click=state.choose, kwargs={"picture": other})


def download(label: str, data: bytes, name: str, mime: str) -> None:
    """A button that hands out a file, without running the page again."""
    st.download_button(label, data, name, mime, key=f"get {name}", on_click="ignore")


def _parquet(table: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()

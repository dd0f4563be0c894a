"""What every page is made of: banner, findings, figures with their table and code, sliders, progress."""

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboards import state
from dashboards.glossary import TERMS
from dashboards.jobs import Job
from dashboards.state import View
from dashboards.theme import ACCENTS, themed
from inspector.figures import token_label

ROWS_SHOWN = 2000
POLL = 1.0
"""Seconds between looks at a job. Each look runs a script, in the threads that the worker shares with them."""
PAGES = {
    "overview": "Overview",
    "massive": "Massive activations",
    "sinks": "Attention sinks",
    "neurons": "Hallucination neurons",
    "interventions": "Interventions",
    "compare": "Compare",
    "runs": "Runs",
}
VERDICTS = {
    "confirmed": ("●", "confirmed"),
    "undecided": ("◇", "undecided"),
    "refuted": ("✕", "refuted"),
    "candidate": ("○", "not tested"),
    "observed": ("■", "seen"),
}
"""A verdict's sign and word: told apart without colour."""


def link(page: str, label: str, **choices: Any) -> None:
    """A link to a page that keeps what is chosen, with these choices more."""
    st.page_link(f"screens/{page}.py", label=label, query_params=state.address(**choices))


def head(title: str, lede: str) -> None:
    """A page's heading, and what it is for."""
    st.html(f"<h1>{html.escape(title)}</h1><p class=lede>{html.escape(lede)}</p>")


def banner(view: View) -> None:
    """Live or saved, which model, when; and the thresholds in force."""
    card = view.report.card
    where = f"run {view.name}" if view.saved else "this session, not saved"
    revision = card.get("revision") or f"weights {card['fingerprint'][:12]}"
    facts = [where, f"<b>{html.escape(str(card['name']))}</b>", str(card["dtype"]), revision, view.created]
    limits = ", ".join(f"{name} {value:g}" for name, value in state.in_force(view.report).items())
    said = [fact if fact.startswith("<b>") else html.escape(fact) for fact in facts]
    said.append(html.escape(f"thresholds: {limits}"))
    chip = "Saved run" if view.saved else "Live run"
    st.html(f"<div class=banner><span class=chip>{chip}</span>{''.join(f'<span>{one}</span>' for one in said)}</div>")


def open_view() -> View | None:
    """The run that the address names, under a banner; None where a page has nothing to show, and has said so."""
    try:
        view = state.view()
    except state.RunError as error:
        trouble(str(error))
        link("overview", "Inspect a model on the overview", run=None)
        link("runs", "Choose another run", run=None)
        return None
    banner(view)
    return view


def finding(text: str, accent: str = "muted") -> None:
    """A plain sentence about what was found; its text is shown as it is."""
    st.html(f'<p class=finding style="--accent: var(--{accent})">{html.escape(text)}</p>')


def reading(text: str) -> None:
    """What a picture means, and what it doesn't."""
    st.html(f"<p class=reading>{html.escape(text)}</p>")


def note(text: str) -> None:
    """Something to know, shown as it is: Streamlit's own boxes would take it for markup."""
    st.html(f"<div class=note role=status>{html.escape(text)}</div>")


def trouble(text: str) -> None:
    """Something that went wrong, shown as it is."""
    st.html(f'<div class="note trouble" role=alert>{html.escape(text)}</div>')


def plain(text: str) -> str:
    """Text for a label, which Streamlit would take for markup."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|<>~$:&-])", r"\\\1", text)


def model_place(view: View) -> None:
    """Where the run's model is, asked for where its name doesn't tell."""
    card = view.report.card
    if not view.saved or card.get("source") not in ("folder", "file", "object", "bridge"):
        return
    st.session_state["model place"] = str(state.chosen("model", ""))
    st.text_input(
        "Folder or file of the run's model",
        key="model place",
        placeholder="needed to run the model; nothing is loaded before",
        on_change=lambda: state.choose(model=st.session_state["model place"].strip() or None),
    )


def verdict(name: str) -> str:
    """A verdict as HTML: a sign and a word."""
    sign, word = VERDICTS.get(name, ("○", name or "not tested"))
    return f"<span class=verdict>{sign} {html.escape(word)}</span>"


def tile(what: str, number: str, more: str, accent: str) -> None:
    """A number with what it is and what to know of it."""
    st.html(
        f'<div class=tile style="--tile: var(--{accent})"><div class=what>{html.escape(what)}</div>'
        f"<div class=number>{html.escape(number)}</div><div class=more>{html.escape(more)}</div></div>"
    )


def tokens(texts: Sequence[object], values: Sequence[float] | None = None) -> None:
    """Tokens as fed, one box each; with values in [0, 1] each is shaded and says its own."""
    boxes = []
    for i, text in enumerate(texts):
        value = None if values is None else float(values[i])
        shade = (
            "" if value is None else f' style="background: color-mix(in srgb, var(--hneurons) {value:.0%}, #fff 0%)"'
        )
        note = "" if value is None else f" <small>{value:.2f}</small>"
        boxes.append(f"<span{shade}>{token_label(text, 40)}{note}</span>")
    st.html(f"<div class=tokens>{''.join(boxes)}</div>")


def quote(text: str) -> None:
    """What a model said, as it is."""
    st.html(f"<div class=answer>{html.escape(text.strip()) or '(nothing)'}</div>")


def plain_table(table: pd.DataFrame) -> None:
    """A small table as text; everything in it is escaped."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table]
    header = "".join(f"<th>{html.escape(str(name))}</th>" for name in table)
    rows = []
    for row in table.itertuples(index=False):
        cells = (
            f"<td{' class=n' if right else ''}>{html.escape(_said(value))}</td>"
            for value, right in zip(row, numeric, strict=True)
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = f"<thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody>"
    st.html(f"<div class=scroll><table class=plain>{body}</table></div>")


def _said(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def chart(
    key: str,
    figure: go.Figure,
    table: pd.DataFrame,
    code: str,
    means: str,
    terms: Sequence[str] = (),
    *,
    pick: Mapping[str, Sequence[Any]] | None = None,
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
        pick: makes each point of the last trace clickable; what a click chooses, a value for each point.
        crop: called with the ranges (x, y) of a box that is drawn on the figure.
    """
    title = str(figure.layout.title.text).replace("<br>", " ")
    with st.container(border=True):
        st.html(f"<h2 class=figure>{title}</h2><p class=reading>{html.escape(means)}</p>")
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
            alt=f"{html.unescape(title)}. {means}",
            config={"displaylogo": False, "toImageButtonOptions": {"format": form, "filename": key, "scale": 2}},
            **options,
        )
        _behind(key, table, code, terms)


def _selected(key: str, pick: Mapping[str, Sequence[Any]], crop: Callable[[Mapping[str, Any]], None] | None) -> None:
    """A click or a box on a figure, written into the address."""
    selection = st.session_state[key]["selection"]
    if crop is not None and selection["box"]:
        crop(selection["box"][0])
    elif pick and selection["points"]:
        at = selection["points"][0]["point_index"]
        state.choose(**{name: values[at] for name, values in pick.items()})


def clickable(figure: go.Figure) -> go.Figure:
    """The figure with an invisible point on every cell of its first heatmap, since clicks on cells aren't told.

    Points go row by row. They take over the cells' labels.
    """
    cells = figure.data[0]
    rows, columns = np.shape(cells.z)
    y, x = np.meshgrid(np.asarray(cells.y), np.asarray(cells.x), indexing="ij")
    shown = np.asarray(cells.z, dtype=object).reshape(-1)
    data = [] if cells.customdata is None else [np.asarray(cells.customdata, dtype=object).reshape(rows * columns, -1)]
    template = str(cells.hovertemplate)
    width = data[0].shape[1] if data else 0
    if "%{z" in template:
        data.append(shown[:, None])
        template = template.replace("%{z", f"%{{customdata[{width}]")
    figure.data[0].update(customdata=None, hovertemplate=None, hoverinfo="skip")
    figure.add_scatter(
        x=x.reshape(-1),
        y=y.reshape(-1),
        mode="markers",
        marker={"opacity": 0, "size": 8},
        customdata=np.concatenate(data, axis=1).tolist() if data else None,
        hovertemplate=template.replace("%{customdata}", "%{customdata[0]}"),
        showlegend=False,
    )
    for axis, at in ((figure.update_xaxes, np.asarray(cells.x)), (figure.update_yaxes, np.asarray(cells.y))):
        half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.5
        axis(range=[at[0] - half, at[-1] + half])  # points would widen it
    return figure.update_layout(hoverdistance=-1, hovermode="closest")


def mark(figure: go.Figure, x: float, y: float, width: float = 1, ink: str = "#1B1F24") -> go.Figure:
    """The figure with a frame around one cell."""
    return figure.add_shape(
        type="rect", x0=x - width / 2, x1=x + width / 2, y0=y - 0.5, y1=y + 0.5, line={"color": ink, "width": 3}
    )


def _behind(key: str, table: pd.DataFrame, code: str, terms: Sequence[str]) -> None:
    with st.container(horizontal=True, gap="small"):
        shown = st.popover("Table, files", type="tertiary", key=f"{key} table", on_change="rerun")
        copied = st.popover("Code", type="tertiary", key=f"{key} code", on_change="rerun")
        explained = st.popover("ⓘ Words", type="tertiary", key=f"{key} words", on_change="rerun") if terms else None
    if shown.open:
        with shown:
            _take_away(key, table)
    if copied.open:
        with copied:
            st.caption("Recreates this in a notebook.")
            st.code(code, language="python")
    if explained is not None and explained.open:
        with explained:
            words(terms)


def words(terms: Sequence[str]) -> None:
    """What terms mean, their formulas and papers."""
    for term in (TERMS[name] for name in terms):
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


def slider(view: View, name: str, label: str, help_text: str) -> None:
    """A threshold: the run is judged again at once; the address keeps it."""
    now = float(state.in_force(view.report)[name])
    values = sorted({*map(float, state.THRESHOLDS[name][1]), now})
    key = f"slider {name}"
    st.session_state[key] = now
    st.select_slider(
        label,
        values,
        key=key,
        format_func=lambda value: f"{value:g}",
        help=help_text,
        on_change=lambda: state.choose(**{name: f"{st.session_state[key]:g}"}),
    )


def choice(name: str, label: str, options: Sequence[Any], now: Any, said: Callable[[Any], str] = str) -> Any:
    """A select box whose value is in the address."""
    key = f"choice {name}"
    st.session_state[key] = now if now in options else options[0]
    st.selectbox(
        label,
        options,
        key=key,
        format_func=said,
        on_change=lambda: state.choose(**{name: st.session_state[key]}),
    )
    return st.session_state[key]


def box_of(box: Mapping[str, Any], *axes: str) -> str:
    """The positions that a drawn box covers on these axes, as the address keeps them: first-last."""
    ends = [end for axis in axes for end in box[axis]]
    return f"{max(0, round(min(ends)))}-{max(0, round(max(ends)))}"


def cropped(length: int) -> tuple[int, int]:
    """The positions [first, last] that the address asks for, or all of `length`; with a way back to all."""
    first, _, last = str(state.chosen("crop", "")).partition("-")
    if not (first.isdigit() and last.isdigit()) or int(first) >= min(int(last), length - 1):
        return 0, length - 1
    ends = int(first), min(int(last), length - 1)
    st.button(f"Tokens {ends[0]} to {ends[1]}. Show all", on_click=state.choose, kwargs={"crop": None})
    return ends


def pick(name: str, label: str, options: Sequence[int], said: Callable[[Any], str] = str, **more: Any) -> int | None:
    """A select box for what a click also chooses, for those who don't click; empty while nothing is chosen."""
    key = f"pick {name}"
    st.session_state[key] = state.number(name, options)
    st.selectbox(
        label,
        options,
        key=key,
        format_func=said,
        placeholder="click the picture, or choose",
        on_change=lambda: state.choose(**{name: st.session_state[key]}, **more),
    )
    return st.session_state[key]


def outcome(kind: str) -> Job | None:
    """The job of this kind once it is done; until then its progress, or what became of it."""
    refused = st.session_state.pop(f"refused {kind}", "")
    if refused:
        trouble(refused)
    job = state.mine(kind)
    if job is None:
        return None
    if not job.over:
        _progress(kind)
        return None
    if job.state == "failed":
        trouble(job.error)
    if job.state == "cancelled":
        note("Cancelled. Nothing was kept.")
    return job if job.state == "done" else None


@st.fragment(run_every=POLL)
def _progress(kind: str) -> None:
    job = state.mine(kind)
    if job is None or job.over:
        st.rerun()
    ahead = state.jobs().place(job)
    if ahead:
        st.progress(0.0, text=plain(f"{job.label}: waiting, {ahead} before you"))
    else:
        share = min(1.0, job.done / job.total) if job.total else 0.0
        counted = f" {job.done:,} of {job.total:,}" if job.total else " …"
        st.progress(share, text=plain(f"{job.doing or job.label}{counted}"))
    st.button("Cancel", key=f"cancel {kind}", on_click=state.jobs().cancel, args=(job,))


def accent(detector: str) -> str:
    """A detector's accent, by the name that the style sheet knows."""
    return detector if detector in ACCENTS else "muted"

"""What every screen is made of: banner, sentences, tiles, tables, and fields whose value is in the address."""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboards import pages, state
from dashboards.shelf import Shelved, size_of
from dashboards.state import View
from dashboards.theme import css_name
from inspector.detectors.shown import TextTable
from inspector.detectors.thresholds import Threshold
from inspector.errors import InspectorError
from inspector.figures import token_label
from inspector.records import Sentence, verdict_word

VERDICTS = {
    "confirmed": ("●", "confirmed"),
    "not specific": ("◐", "not specific"),
    "negligible": ("▽", "negligible"),
    "undecided": ("◇", "undecided"),
    "refuted": ("✕", "refuted"),
    "harmless": ("●", "harmless"),
    "not harmless": ("✕", "not harmless"),
    "candidate": ("○", "not tested"),
    "observed": ("■", "seen"),
}
"""A verdict's sign and word: told apart without colour."""


def link(page: str, label: str, **choices: Any) -> None:
    """A link to a page that keeps what is chosen, with these choices more."""
    st.page_link(pages.by_path()[page].page, label=label, query_params=state.address(**choices))


def head(title: str, lede: str) -> None:
    """A page's heading, and what it is for; and the landmark that makes Streamlit's sidebar the page's navigation."""
    landmark = "<nav aria-label=Screens aria-owns=stSidebar></nav>"
    st.html(f"{landmark}<h1>{html.escape(title)}</h1><p class=lede>{html.escape(lede)}</p>")


def banner(view: View) -> None:
    """Live or saved, which model, when; and the thresholds in force."""
    card = view.report.card
    where = f"run {view.name}" if view.saved else "this session, not saved"
    revision = card.get("revision") or f"weights {card['fingerprint'][:12]}"
    limits = ", ".join(f"{name} {value:g}" for name, value in state.in_force(view.report).items())
    facts = [where, card["name"], card["dtype"], revision, view.created, f"thresholds: {limits}" if limits else ""]
    said = [html.escape(str(fact)) for fact in facts]
    said[1] = f"<b>{said[1]}</b>"
    chip = "Saved run" if view.saved else "Live run"
    spans = "".join(f"<span>{one}</span>" for one in said if one)
    st.html(f"<div class=banner><span class=chip>{chip}</span>{spans}</div>")


def run_facts(run: Shelved) -> str:
    """A saved run's model, detectors, time and size, in a line."""
    model, settings = run.about["model"], run.about["settings"]
    said = [str(model.get("name", "?")), str(model.get("dtype", "?")), ", ".join(settings["detectors"])]
    made = datetime.fromisoformat(run.about["created"])
    return " · ".join([*said, state.said_time(made), f"{size_of(run.folder) / 1e6:,.1f} MB"])


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


def finding(text: str, detector: str = "") -> None:
    """A plain sentence about what a detector found; its text is shown as it is."""
    st.html(f'<p class=finding style="--accent: {accent(detector)}">{html.escape(text)}</p>')


def accent(detector: str) -> str:
    """The colour of words about a detector's phenomenon; grey where there is none of this name."""
    return f"var(--{css_name(detector)}, var(--muted))"


def sentence(one: Sentence) -> None:
    """A sentence of a run, in the colour of what it is about."""
    trouble(str(one)) if one.section == "fault" else finding(str(one), one.section)


def reading(text: str) -> None:
    """What a picture means, and what it doesn't."""
    st.html(f"<p class=reading>{html.escape(text)}</p>")


def note(text: str) -> None:
    """Something to know, shown as it is: Streamlit's own boxes would take it for markup."""
    st.html(f"<div class=note role=status>{html.escape(text)}</div>")


def trouble(text: str) -> None:
    """Something that went wrong, shown as it is."""
    st.html(f'<div class="note trouble" role=alert>{html.escape(text)}</div>')


@contextmanager
def told() -> Iterator[None]:
    """What fails here is said here, and the page continues."""
    try:
        yield
    except InspectorError as error:
        trouble(str(error))


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


def verdict(name: str, claim: str = "change") -> str:
    """A verdict as HTML: a sign and a word."""
    name = verdict_word(name, claim)
    sign, word = VERDICTS.get(name, ("○", name or "not tested"))
    return f"<span class=verdict>{sign} {html.escape(word)}</span>"


def tile(what: str, number: str, more: str, detector: str = "") -> None:
    """A number with what it is and what to know of it."""
    st.html(
        f'<div class=tile style="--tile: {accent(detector)}"><div class=what>{html.escape(what)}</div>'
        f"<div class=number>{html.escape(number)}</div><div class=more>{html.escape(more)}</div></div>"
    )


def tokens(texts: Sequence[object], values: Sequence[float] | None = None, detector: str = "") -> None:
    """Input tokens, one box each; with values in [0, 1] each is shaded in a detector's colour and says its own."""
    boxes = []
    for i, text in enumerate(texts):
        value = None if values is None else float(values[i])
        colour = f"color-mix(in srgb, {accent(detector)} {value:.0%}, #fff 0%)" if value is not None else ""
        shade = f' style="background: {colour}"' if colour else ""
        note = "" if value is None else f" <small>{value:.2f}</small>"
        boxes.append(f"<span{shade}>{token_label(text, 40)}{note}</span>")
    st.html(f"<div class=tokens>{''.join(boxes)}</div>")


def quote(text: str) -> None:
    """What a model said, as it is; an answer that was cut inside a character ends before it."""
    said = text.rstrip("\ufffd").strip()
    st.html(f"<div class=answer>{html.escape(said) or '(nothing)'}</div>")


def plain_table(table: pd.DataFrame) -> None:
    """A small table as text; everything in it is escaped."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table]
    header = "".join(
        f"<th{' class=n' if right else ''}>{html.escape(str(name))}</th>"
        for name, right in zip(table, numeric, strict=True)
    )
    rows = []
    for row in table.itertuples(index=False):
        cells = (
            f"<td{' class=n' if right else ''}>{html.escape(_said(value))}</td>"
            for value, right in zip(row, numeric, strict=True)
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = f"<thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody>"
    st.html(f"<div class=scroll><table class=plain>{body}</table></div>")


def text_table(table: TextTable) -> None:
    """A table as the terminal shows it; everything in it is escaped."""
    st.html(f"<h2 class=figure>{html.escape(table.title)}</h2>")
    names = "".join(_cell("th", name, name in table.left) for name in table.columns)
    rows = [
        "".join(_cell("td", cell, name in table.left) for name, cell in zip(table.columns, row, strict=True))
        for row in table.rows()
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    st.html(f"<div class=scroll><table class=plain><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>")


def _cell(tag: str, text: str, words: bool) -> str:
    return f"<{tag}{'' if words else ' class=n'}>{html.escape(text)}</{tag}>"


def _said(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def sliders(view: View, detector: str) -> None:
    """A detector's thresholds; moved, the run is judged again at once, without its model."""
    mine = {name: one for name, (owner, one) in state.thresholds().items() if owner == detector}
    for column, (name, one) in zip(st.columns(max(1, len(mine))), mine.items(), strict=False):
        with column:
            _slider(view, name, one)


def _slider(view: View, name: str, one: Threshold) -> None:
    """One threshold; the address keeps it."""
    now = float(state.in_force(view.report)[name])
    key = f"slider {name}"
    st.session_state[key] = now
    st.select_slider(
        one.label or one.name,
        sorted({*one.steps, now, one.default}),
        key=key,
        format_func=lambda value: f"{value:g}",
        help=f"{one.meaning[:1].upper()}{one.meaning[1:]}. Default {one.default:g}.",
        on_change=lambda: state.choose(**{name.rpartition(".")[2]: None, name: f"{st.session_state[key]:g}"}),
    )


def choice(
    name: str,
    label: str,
    options: Sequence[Any],
    now: Any,
    said: Callable[[Any], str] = str,
    write: Callable[..., None] = state.choose,
) -> Any:
    """A select box whose value is in the address; `write` puts a new one there."""
    key = f"choice {name}"
    st.session_state[key] = now if now in options else options[0]
    st.selectbox(
        label,
        options,
        key=key,
        format_func=said,
        on_change=lambda: write(**{name: st.session_state[key]}),
    )
    return st.session_state[key]


def words(name: str, label: str, **more: Any) -> str:
    """A field for text whose value is in the address."""
    key = f"words {name}"
    st.session_state[key] = str(st.query_params.get(name, ""))
    st.text_input(label, key=key, on_change=lambda: state.choose(**{name: st.session_state[key] or None}), **more)
    return str(st.session_state[key]).strip()


def whole(name: str, label: str, most: int, now: int | None, write: Callable[..., None], **more: Any) -> None:
    """A field for a whole number from 0 to `most` whose value is in the address; `write` puts a new one there."""
    key = f"whole {name}"
    st.session_state[key] = now
    st.number_input(label, 0, most, key=key, on_change=lambda: write(**{name: st.session_state[key]}), **more)


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

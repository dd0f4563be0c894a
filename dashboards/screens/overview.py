"""Overview: what was found at a glance, the input tokens, the model; and a text of your own."""

import html
from collections.abc import Iterator

import streamlit as st

from dashboards import doors, live, pages, remarks, state, widgets
from dashboards.state import View
from inspector.detectors.shown import Tile
from inspector.errors import DetectorError
from inspector.figures import rounded
from inspector.show.sentences import sentences


def tiles(view: View) -> Iterator[tuple[str, str, Tile]]:
    """Page, detector and tile, of each phenomenon that was measured; two of each at most."""
    for part in view.report.parts:
        try:
            brought = part.ask("tiles", None)
        except DetectorError:  # said among the sentences
            continue
        if brought is None:
            brought = (Tile(part.title, f"{len(part.findings):,}", "findings"),)
        for one in brought[:2]:
            yield pages.path_of(part.detector), part.name, one


def card(view: View) -> None:
    """The model, and how it was read."""
    about, settings = view.report.card, view.report.settings
    facts = {
        "Model": about["name"],
        "Architecture": about["architecture"],
        "Parameters": f"{rounded(about['parameters'] / 1e6)} M",
        "Layers × heads": f"{about['layers']} × {about['heads']}",
        "Stream × neurons": f"{about['d_model']} × {about['d_mlp']}",
        "Number format": about["dtype"],
        "BOS token": settings.get("bos", "–"),
        "From": about["source"],
    }
    rows = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd></div>" for k, v in facts.items())
    with st.container(border=True):
        st.html(f"<h2 class=figure>The model</h2><dl class=card>{rows}</dl>")


def input_tokens(view: View) -> None:
    """The first text's tokens, exactly as the model received them."""
    table = view.frame("tokens")
    first = table[table["text"] == table["text"].min()]
    with st.container(border=True):
        more = "" if table["text"].nunique() == 1 else f" (the first of {table['text'].nunique():,} texts)"
        st.html(f"<h2 class=figure>Input tokens{more}</h2>")
        widgets.tokens(first["token"].tolist()[:160])
        if len(first) > 160:
            st.caption(f"The first 160 of {len(first):,} tokens.")


def page() -> None:
    """Draw the page: the three doors, until the address names a run or the tour."""
    if doors.is_wanted():
        doors.page()
        return
    widgets.head("Overview", "What stands out inside the model on these texts, and where to look closer.")
    touring = state.number("tour") == 1  # its first stop is the form
    if touring:
        live.form()
    fresh = "run" not in st.query_params
    view = None if fresh else widgets.open_view()
    if view is not None:
        found(view)
    if not touring:
        live.form()


def found(view: View) -> None:
    """What is known of a run, from the numbers to the model."""
    shown = list(tiles(view))
    for row in range(0, len(shown), 4):
        for column, (where, detector, one) in zip(st.columns(min(4, len(shown))), shown[row : row + 4], strict=False):
            with column:
                widgets.tile(one.what, one.number, one.more, detector)
                widgets.link(where, f"Look closer: {pages.by_path()[where].title.lower()}")
    if not view.saved:
        live.save(view)
    for one in sentences(view.report)[1:]:
        widgets.sentence(one)
    remarks.listed(view)
    remarks.field(view, remarks.RUN, "this run")
    input_tokens(view)
    card(view)


page()

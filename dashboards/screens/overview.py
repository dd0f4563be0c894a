"""Overview: what was found at a glance, the text as fed, the model; and a text of your own."""

import html
from collections.abc import Iterator

import streamlit as st

from dashboards import live, state, widgets
from dashboards.state import View
from inspector.figures import rounded
from inspector.show.sentences import paragraphs


def tiles(view: View) -> Iterator[tuple[str, str, str, str, str]]:
    """Page, accent, what, number and more, of each phenomenon that was measured."""
    if view.has("massive.layers"):
        layers = view.frame("massive.layers").dropna(subset=["ratio"])
        flagged = int(layers["n_flagged"].sum())
        where = f"in {int((layers['n_flagged'] > 0).sum())} of {len(layers)} layers"
        yield "massive", "massive", "Massive activations", f"{flagged:,}", f"entries of the stream, {where}"
        if len(layers):
            top = layers.loc[layers["max"].idxmax()]
            more = f"{rounded(top['ratio'])} × the median, dim {int(top['dim'])}, layer {int(top['layer'])}"
            yield "massive", "massive", "Largest |x|", rounded(top["max"]), more
    if view.has("sinks.heads"):
        heads, epsilon = view.frame("sinks.heads"), state.in_force(view.measured)["epsilon"]
        count = int((heads["received"] > epsilon).sum())
        yield "sinks", "sinks", "Sink heads", f"{count:,}", f"of {len(heads):,} park over {epsilon:.0%} on one token"
    if view.has("hneurons.candidates"):
        found, scores = view.frame("hneurons.candidates"), view.frame("hneurons.scores").set_index("name")["auroc"]
        verdicts = found.loc[found["verdict"] != "", "verdict"].replace("candidate", "not tested").value_counts()
        told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) or "none"
        count = int(verdicts.sum())
        yield (
            "neurons",
            "hneurons",
            "Candidate neurons",
            f"{count:,}",
            f"of the probe's {len(found)}; as causes: {told}",
        )
        yield (
            "neurons",
            "hneurons",
            "Probe's AUROC",
            f"{scores['probe']:.2f}",
            f"first-token entropy {scores['entropy']:.2f}",
        )


def card(view: View) -> None:
    """The model, and how it was read."""
    about, settings = view.measured.card, view.measured.settings
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


def fed(view: View) -> None:
    """The first text's tokens, exactly as the model got them."""
    table = view.frame("tokens")
    first = table[table["text"] == table["text"].min()]
    with st.container(border=True):
        more = "" if table["text"].nunique() == 1 else f" (the first of {table['text'].nunique():,} texts)"
        st.html(f"<h2 class=figure>The tokens as fed{more}</h2>")
        widgets.tokens(first["token"].tolist()[:160])
        if len(first) > 160:
            st.caption(f"The first 160 of {len(first):,} tokens.")


def page() -> None:
    """Draw the page."""
    widgets.head("Overview", "What stands out inside the model on these texts, and where to look closer.")
    if "tour" not in st.query_params:
        st.button("New here? Take the two-minute tour", on_click=state.choose, kwargs={"tour": 1})
    touring = state.number("tour") == 1  # its first stop is the form
    if touring:
        live.form()
    fresh = "run" not in st.query_params and not state.shelf().all()
    view = None if fresh else widgets.open_view()
    if view is not None:
        found(view)
    if not touring:
        live.form()


def found(view: View) -> None:
    """What is known of a run, from the numbers to the model."""
    shown = list(tiles(view))[:4]
    for column, (where, accent, what, number, more) in zip(st.columns(max(1, len(shown))), shown, strict=False):
        with column:
            widgets.tile(what, number, more, accent)
            widgets.link(where, f"Look closer: {widgets.PAGES[where].lower()}")
    if not view.saved:
        with widgets.told():
            live.save(view)
    for line in paragraphs(view.report)[1:]:
        widgets.finding(line, widgets.accent_of(line))
    fed(view)
    card(view)


page()

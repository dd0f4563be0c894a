"""Try a change: the form, prefilled from what was clicked, and three answers side by side."""

import math
from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from dashboards import progress, state, twins, widgets, work
from dashboards.state import View
from dashboards.twins import Change
from inspector.errors import InputError

PROMPT = "The capital of France is"


def prefilled(view: View) -> Change:
    """The target and op that the address names; else the run's largest spike zeroed; else its first candidate."""
    card, kind = view.measured.card, state.chosen("kind")
    if kind in twins.KINDS:
        layer, unit = state.number("layer", range(card["layers"])) or 0, _unit(kind, card, state.number("unit"))
        change = Change(kind, layer, unit, state.number("at"), twins.OPS[kind][0])
    else:
        change = _found(view)
    op = state.chosen("op")
    return replace(change, op=op) if op in twins.OPS[change.kind] else change


def _found(view: View) -> Change:
    if view.has("massive.plateaus"):
        top = view.frame("massive.plateaus").iloc[0]
        position = None if pd.isna(top["position"]) else int(top["position"])
        return Change("resid_post", int(top["first"]), int(top["dim"]), position, "zero")
    if view.has("hneurons.candidates"):
        top = view.frame("hneurons.candidates").iloc[0]
        return Change("neuron", int(top["layer"]), int(top["neuron"]), None, "zero")
    return Change("resid_post", 0, 0, 0, "zero")


def _unit(kind: str, card: "dict[str, int]", given: int | None) -> int | None:
    width = {"resid_post": card["d_model"], "neuron": card["d_mlp"], "attention": card["heads"]}.get(kind)
    return None if width is None else min(given or 0, width - 1)


def form(view: View) -> None:
    """The form, and what came of it."""
    now, card = prefilled(view), view.measured.card
    widgets.model_place(view)
    with st.container(border=True):
        st.html("<h2 class=figure>Change one thing</h2>")
        widgets.reading("The same is done to a random twin: another of its kind and nearly its size.")
        left, right = st.columns(2)
        with left:
            kind = widgets.choice("kind", "What", list(twins.KINDS), now.kind, twins.KINDS.__getitem__)
        with right:
            op = widgets.choice("op", "Do", twins.OPS[kind], now.op, twins.SAID.__getitem__)
        first, second, third, fourth = st.columns(4)
        layer = first.number_input("Layer", 0, card["layers"] - 1, min(now.layer, card["layers"] - 1))
        width = {"resid_post": card["d_model"], "neuron": card["d_mlp"], "attention": card["heads"]}.get(kind)
        unit = None
        if width:
            what = {"resid_post": "Dim", "neuron": "Neuron", "attention": "Head"}[kind]
            unit = second.number_input(what, 0, width - 1, min(now.unit or 0, width - 1))
        label = "Key to hide" if kind == "attention" else "At token (empty: all)"
        position = third.number_input(label, 0, card["context"] - 1, now.position, placeholder="all tokens")
        seed = fourth.number_input("Seed of the twin", 0, 10_000, 0)
        factor = st.slider("Factor", 0.0, 3.0, 0.5, 0.1) if op == "scale" else 1.0
        with st.form("change", border=False):
            prompt = st.text_input("Prompt to continue", PROMPT)
            asked = st.form_submit_button("Run beside a twin (loads the model)", type="primary")
    if asked:
        change = Change(kind, int(layer), unit, position, op, factor)
        _submit(view, change, prompt, int(seed))
    job = progress.outcome("change")
    if job is not None:
        shown(job.result)


def _submit(view: View, change: Change, prompt: str, seed: int) -> None:
    if not prompt.strip():
        raise InputError("The prompt is empty. Type the beginning of a sentence.")
    if change.kind == "attention" and change.position is None:
        raise InputError("No key was named. Say which token to hide, 0 for the first.")
    evidence = view.measured.evidence.get("massive")
    largest = None if evidence is None else evidence["dim_max"][change.layer].tolist()
    what = partial(
        work.compare,
        card=view.measured.card,
        where=state.chosen("model"),
        prompt=prompt.strip()[:2000],
        change=change,
        seed=seed,
        largest=largest,
    )
    state.submit("change", "Changing", what)


def shown(ways: list[work.Way]) -> None:
    """Three ways side by side, after a sentence that compares them."""
    untouched, changed, twin = ways
    did, twins_did = (round(way.loss - untouched.loss, 2) + 0.0 for way in (changed, twin))  # no "-0.00"
    widgets.finding(
        f"{changed.name[0].upper()}{changed.name[1:]}: the loss goes from {untouched.loss:.2f} to {changed.loss:.2f} "
        f"({did:+.2f}); with the twin, {twin.name}, to {twin.loss:.2f} ({twins_did:+.2f}). One twin and {work.TEXTS} "
        "texts show; `inspector verify` tests, with many twins and intervals.",
        "massive",
    )
    for column, way, role in zip(st.columns(3), ways, ("Untouched", "Changed", "Random twin"), strict=True):
        with column, st.container(border=True):
            rate = "sink rate not measured" if math.isnan(way.sink_rate) else f"sink rate {way.sink_rate:.0%}"
            more = rate if way is untouched else f"{rate}; divergence {way.kl:.2f} nats"
            accent = "massive" if role == "Changed" else "muted"
            widgets.tile(role if way is untouched else f"{role}: {way.name}", f"Loss {way.loss:.2f}", more, accent)
            widgets.reading("Goes on with")
            widgets.quote(way.continuation)
            widgets.reading("Likeliest next tokens")
            table = way.next_tokens.assign(token=[repr(token) for token in way.next_tokens["token"]])
            table["probability"] = [f"{share:.1%}" for share in table["probability"]]
            widgets.plain_table(table)

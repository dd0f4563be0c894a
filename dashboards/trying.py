"""Try a change: the form, prefilled from what was clicked, and three answers side by side."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from dashboards import changing, progress, state, widgets
from dashboards.state import View
from inspector.detectors.base import attempt
from inspector.detectors.measured import Measured
from inspector.detectors.shown import Suggestion
from inspector.errors import DetectorError, InputError
from inspector.interventions.change import KINDS, OPS, SIZES, Change, width
from inspector.interventions.operations import OPERATIONS

PROMPT = "The capital of France is"
SEEDS = 10_001


def prefilled(view: View) -> Change:
    """The target and op that the address names; else the run's largest spike zeroed; else its first candidate."""
    card, kind = view.report.card, state.chosen("kind")
    if kind not in KINDS:
        return _found(view)
    layer = state.number("layer", range(card["layers"])) or 0
    change = Change(kind, layer, state.number("unit"), state.number("at", range(card["context"])), "", factor())
    return fitted(replace(change, op=str(state.chosen("op"))), card)


def fitted(change: Change, card: Mapping[str, Any]) -> Change:
    """The change with a unit and an op that its kind has."""
    most, ops = width(change.kind, card), OPS[change.kind]
    unit = None if most is None else min(change.unit or 0, most - 1)
    return replace(change, unit=unit, op=change.op if change.op in ops else ops[0])


def factor() -> float:
    """The factor that the address names, from 0 to 3 in tenths; else one half."""
    try:
        given = float(st.query_params.get("factor", ""))
    except ValueError:
        return 0.5
    return round(min(max(given, 0.0), 3.0), 1) if math.isfinite(given) else 0.5


def address(change: Change) -> dict[str, Any]:
    """The parameters of the address that name a change."""
    scaled = f"{change.factor:g}" if change.op == "scale" else None
    target = {"kind": change.kind, "layer": change.layer, "unit": change.unit, "at": change.position}
    return {**target, "op": change.op, "factor": scaled}


def _found(view: View) -> Change:
    """What the run's detectors suggest first."""
    for part in view.report.parts:
        one = _suggested(part)
        if one is not None and one.kind in KINDS:
            return Change(one.kind, one.layer, one.unit, one.position, one.op, factor())
    return Change("resid_post", 0, 0, 0, "zero", factor())


def _suggested(part: Measured) -> Suggestion | None:
    suggest = getattr(part.detector, "suggestion", None)
    try:
        return None if suggest is None else attempt(part.detector, "suggestion", partial(suggest, part))
    except DetectorError:
        return None


def _sizes(view: View, change: Change) -> Sequence[float] | None:
    """How large each unit like the changed one is, by the first detector that measured it."""
    for part in view.report.parts:
        sizes = getattr(part.detector, "sizes", None)
        found = None if sizes is None else sizes(part, change.kind, change.layer)
        if found is not None:
            return list(found)
    return None


def form(view: View) -> None:
    """The form, and what came of it."""
    now, seed = prefilled(view), state.number("seed", range(SEEDS)) or 0
    of = (view.identity, view.place, now, seed)
    widgets.model_place(view)
    with st.container(border=True):
        st.html("<h2 class=figure>Change one thing</h2>")
        near = ", as near in size as there is" if now.kind in SIZES else "; sizes of these are not measured"
        widgets.reading(f"The same is done to a matched random control: another of its kind{near}.")
        _target(now, seed, view.report.card)
        with st.form("change", border=False):
            st.session_state.setdefault("continued", state.typed("prompt", PROMPT))
            st.text_input("Prompt to continue", key="continued")
            asked = ("change", _submit, view, now, seed, of)
            label = "Run beside a control (loads the model)"
            st.form_submit_button(label, type="primary", on_click=progress.start, args=asked)
    job = progress.outcome("change", of)
    if job is not None:
        shown(job.result)


def _target(now: Change, seed: int, card: Mapping[str, Any]) -> None:
    """The fields of a change. Each writes the whole change into the address, so that no part of it is left behind."""

    def write(**changed: Any) -> None:
        state.choose(**address(fitted(replace(now, **changed), card)))

    left, right = st.columns(2)
    with left:
        widgets.choice("kind", "What", list(KINDS), now.kind, KINDS.__getitem__, write)
    with right:
        widgets.choice("op", "Do", OPS[now.kind], now.op, lambda op: OPERATIONS[op].words(now.kind), write)
    first, second, third, fourth = st.columns(4)
    with first:
        widgets.whole("layer", "Layer", card["layers"] - 1, now.layer, write)
    most = width(now.kind, card)
    if most is not None:
        with second:
            what = {"resid_post": "Dim", "neuron": "Neuron", "attention": "Head"}[now.kind]
            widgets.whole("unit", what, most - 1, now.unit, write)
    with third:
        label = "Key to hide" if now.kind == "attention" else "At token (empty: all)"
        widgets.whole("position", label, card["context"] - 1, now.position, write, value=None, placeholder="all tokens")
    with fourth:
        widgets.whole("seed", "Seed of the control", SEEDS - 1, seed, state.choose)
    if now.op == "scale":
        st.session_state["factor"] = now.factor
        changed = lambda: write(factor=st.session_state["factor"])  # noqa: E731
        st.slider("Factor", 0.0, 3.0, step=0.1, key="factor", on_change=changed)


def _submit(view: View, change: Change, seed: int, of: Hashable) -> None:
    prompt = st.session_state["continued"]
    if not prompt.strip():
        raise InputError("The prompt is empty. Type the beginning of a sentence.")
    if change.kind == "attention" and change.position is None:
        raise InputError("No key was named. Say which token to hide, 0 for the first.")
    largest = _sizes(view, change)
    what = partial(
        changing.compare,
        card=view.report.card,
        where=view.place,
        prompt=prompt.strip()[:2000],
        change=change,
        seed=seed,
        largest=largest,
    )
    state.submit("change", "Changing", what, of)
    state.keep("prompt", prompt)


def shown(result: changing.Compared) -> None:
    """Three ways side by side, after a sentence that compares them."""
    baseline, changed, control = ways = result.ways
    change, controls_change = (round(way.loss - baseline.loss, 2) + 0.0 for way in (changed, control))  # no "-0.00"
    widgets.finding(
        f"{changed.name[0].upper()}{changed.name[1:]}: the loss goes from {baseline.loss:.2f} to {changed.loss:.2f} "
        f"({change:+.2f}); with the matched random control, {control.name}, to {control.loss:.2f} "
        f"({controls_change:+.2f}). {result.control} One control and {changing.TEXTS} texts only illustrate; "
        "`inspector verify` tests, with many controls and intervals.",
    )
    for column, way, role in zip(st.columns(3), ways, ("Baseline", "Changed", "Matched random control"), strict=True):
        with column, st.container(border=True):
            rate = "sink rate not measured" if math.isnan(way.sink_rate) else f"sink rate {way.sink_rate:.0%}"
            more = rate if way is baseline else f"{rate}; divergence {way.kl:.2f} nats"
            widgets.tile(role if way is baseline else f"{role}: {way.name}", f"Loss {way.loss:.2f}", more)
            widgets.reading(f"“{result.prompt[:80]}” continues with")
            widgets.quote(way.continuation)
            widgets.reading("Likeliest next tokens")
            table = way.next_tokens.assign(token=[repr(token) for token in way.next_tokens["token"]])
            table["probability"] = [f"{share:.1%}" for share in table["probability"]]
            widgets.plain_table(table)

"""Attention sinks in words: sentences and tables for a terminal."""

from collections.abc import Iterator, Sequence

import pandas as pd

from inspector.detectors.effects_text import FEW, by_verdict, change, effects_table
from inspector.detectors.measured import Measured
from inspector.detectors.shown import TextTable, token_text
from inspector.detectors.sinks.kinds import DORMANT, LEARNED, SINK
from inspector.printable import counted
from inspector.records import Finding, Sentence

CONTROLS = (("random", "random tokens"), ("repeated", "one token repeated"))
NOT_MEANING = "That is where attention goes, not evidence that the token matters."


def found(m: Measured) -> Iterator[Sentence]:
    """The sink rate beside its controls, and the heads that are sinks."""
    rates = {row.input: row for row in m.frame("controls").itertuples()}
    on_texts = rates["texts"]
    if pd.isna(on_texts.sink_rate):
        text = "Attention sinks: insufficient data: no text is long enough. Give texts of 64 tokens or more."
        yield Sentence(m.name, text)
        return
    interval = "" if pd.isna(on_texts.low) else f" [{on_texts.low:.3f}, {on_texts.high:.3f}]"
    others = ", ".join(f"{rates[name].sink_rate:.3f} on {label}" for name, label in CONTROLS if name in rates)
    yield Sentence(
        m.name,
        f"Attention sinks: sink rate {on_texts.sink_rate:.3f}{interval} at key 0 (ε = {m.thresholds.epsilon:g}, first "
        "64 tokens)" + (f"; {others}." if others else "."),
    )
    of = {kind: [one for one in m.findings if one.kind == kind] for kind in (SINK, DORMANT, LEARNED)}
    count = len(m.frame("heads"))
    if of[SINK]:
        top = of[SINK][0]
        yield Sentence(
            m.name,
            f"{len(of[SINK])} of {count} heads are sinks; the strongest, head {top.unit} of layer {top.layer}, places "
            f"{top.score:.1%} of its attention on {_key(top)}.",
            NOT_MEANING,
        )
    if of[DORMANT]:
        yield Sentence(m.name, _dormant(m, of[DORMANT], count), NOT_MEANING)
    if of[LEARNED]:
        top = of[LEARNED][0]
        yield Sentence(
            m.name,
            f"{len(of[LEARNED])} of {count} heads place more than {m.thresholds.epsilon:.0%} of their attention on a "
            f"learned sink, a logit that is no token; the most, head {top.unit} of layer {top.layer}, {top.score:.1%}.",
        )


def _key(sink: Finding) -> str:
    return "a token that moves" if sink.position is None else f"token {sink.position}"


def _dormant(m: Measured, found: Sequence[Finding], count: int) -> str:
    """Heads that are sinks in some texts only, and the one that is in most of them."""
    heads = m.frame("heads").set_index(["layer", "head"])
    top = max(found, key=lambda one: (heads.loc[(one.layer, one.unit), "active"], one.score))
    row = heads.loc[(top.layer, top.unit)]
    one = len(found) == 1
    return (
        f"{len(found)} of {count} heads {'is a sink' if one else 'are sinks'} in some texts and dormant in the others; "
        f"{'it' if one else 'the most often active'}, head {top.unit} of layer {top.layer}, is one in "
        f"{row['active']:.0%} of texts ({int(row['active_texts'])}), and places {top.score:.1%} of its attention on "
        f"{_key(top)} there."
    )


def tested(m: Measured) -> Iterator[Sentence]:
    """What hiding sink keys did, and windows over the cache."""
    for one in m.effects:
        if (one.op, one.metric) == ("hide all", "loss"):
            text = f"Tested: {one.target}, hidden from them: {change(one, 'loss')}: {one.verdict}."
            yield Sentence(m.name, text, tested=True)
    alone = [one for one in m.effects if (one.op, one.metric) == ("hide", "kl")]
    if alone:
        top = max(alone, key=lambda one: one.change)
        yield Sentence(
            m.name,
            f"Of {counted(len(alone), 'sink head')} whose key was hidden one by one, by how far predictions move: "
            f"{by_verdict(alone)}. The most: {top.target}, by {top.change:.3g} nats (of heads that are no sinks 95 % "
            f"by less than {top.twin_high:.2g}).",
            tested=True,
        )
    if m.has("windows"):
        windows = m.frame("windows").set_index("kept")["change"]
        yield Sentence(
            m.name,
            f"With a window that slides over the cache the loss changes by {windows['nothing']:+z.2f}; with the first "
            f"token kept by {windows['the first']:+z.2f}; with four other early tokens kept by "
            f"{windows['4 others']:+z.2f}.",
            tested=True,
        )


def tables(m: Measured) -> Iterator[TextTable]:
    """The strongest heads, and what tests measured."""
    heads = m.frame("heads")
    if heads["sink_rate"].notna().any():
        yield TextTable(
            f"Attention sinks: the {FEW} strongest of {len(heads)} heads",
            heads.sort_values("received", ascending=False).head(FEW),
            {
                "layer": "{layer}",
                "head": "{head}",
                "key": lambda row: "moves" if pd.isna(row.key) else str(row.key),
                "token": lambda row: token_text(row.token),
                "received": "{received:.3f}",
                "interval": lambda row: "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}",
                "sink rate": "{sink_rate:.2f}",
                "active in": "{active:.0%}",
                "entropy": "{entropy:.2f}",
                "‖v‖ of key / others": "{value_norm_ratio:.2f}",
            },
            left=("token",),
        )
    together = [one for one in m.effects if one.op != "hide"]
    if together:
        title = "Tested: all sink keys hidden at once, beside other keys of the same heads"
        yield effects_table(m, title, together)
    alone = sorted((one for one in m.effects if (one.op, one.metric) == ("hide", "kl")), key=lambda one: -one.change)
    if alone:
        title = f"Sink heads with their key hidden: {by_verdict(alone)}; the {len(alone[:FEW])} with the largest change"
        yield effects_table(m, title, alone[:FEW])
    if m.has("windows"):
        yield TextTable(
            "A window over the cache, some early tokens kept: the loss once it has overflowed",
            m.frame("windows"),
            {
                "kept": "{kept}",
                "loss": "{loss:.3f}",
                "change": "{change:+z.3f}",
                "interval": "{change_low:.3g} … {change_high:.3g}",
                "n": "{n}",
            },
            left=("kept",),
        )

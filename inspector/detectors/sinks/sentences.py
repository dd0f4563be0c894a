"""Attention sinks in words: sentences and tables for a terminal."""

from collections.abc import Iterator

import pandas as pd

from inspector.detectors.effects_text import FEW, change, counted, effects_table
from inspector.detectors.measured import Measured
from inspector.detectors.shown import TextTable, token_text
from inspector.records import Sentence

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
    if m.findings:
        top = m.findings[0]
        key = "a token that moves" if top.position is None else f"token {top.position}"
        yield Sentence(
            m.name,
            f"{len(m.findings)} of {len(m.frame('heads'))} heads are sinks; the strongest, head {top.unit} of layer "
            f"{top.layer}, places {top.score:.1%} of its attention on {key}.",
            NOT_MEANING,
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
            f"Of {len(alone)} sink heads whose key was hidden one by one, by how far predictions move: "
            f"{counted(alone)}. The most: {top.target}, by {top.change:.3g} nats (of heads that are no sinks 95 % by "
            f"less than {top.twin_high:.2g}).",
            tested=True,
        )
    if m.has("windows"):
        windows = m.frame("windows").set_index("kept")["change"]
        yield Sentence(
            m.name,
            f"With a window that slides over the cache the loss changes by {windows['nothing']:+.2f}; with the first "
            f"token kept by {windows['the first']:+.2f}; with four other early tokens kept by "
            f"{windows['4 others']:+.2f}.",
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
        title = f"Sink heads with their key hidden: {counted(alone)}; the {len(alone[:FEW])} with the largest change"
        yield effects_table(m, title, alone[:FEW])
    if m.has("windows"):
        yield TextTable(
            "A window over the cache, some early tokens kept: the loss once it has overflowed",
            m.frame("windows"),
            {
                "kept": "{kept}",
                "loss": "{loss:.3f}",
                "change": "{change:+.3f}",
                "interval": "{change_low:.3g} … {change_high:.3g}",
                "n": "{n}",
            },
            left=("kept",),
        )

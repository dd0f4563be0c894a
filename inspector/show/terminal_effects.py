"""What a verification or a comparison found, as tables for a terminal."""

from collections.abc import Iterator

import pandas as pd
from rich.table import Table
from rich.text import Text

from inspector.records import Record, verdict_word
from inspector.run.tables import frame, names

MASSIVE, SINK, NEURON = "#E8590C", "#1971C2", "#6741D9"

HEADS_SHOWN = 8
"""Rows of a table with one for each head."""


def tested(record: Record) -> Iterator[Table]:
    """The tables of a run that was verified or compared; none of another."""
    effects, known = frame(record, "effects"), names(record)
    heads = effects["op"] == "hide"
    if len(effects[~heads]):
        yield _effects(effects[~heads], "Tested: the change of each metric, beside the same done to random twins")
    if heads.any():
        found = effects[heads & (effects["metric"] == "kl")]
        counts = ", ".join(f"{n} {verdict}" for verdict, n in found["verdict"].value_counts().items())
        title = (
            f"Sink heads with their key hidden: {counts}; the {min(HEADS_SHOWN, len(found))} with the largest change"
        )
        yield _effects(found.nlargest(HEADS_SHOWN, "change"), title, SINK)
    for name, make in (
        ("spike_sink", _ways),
        ("windows", _windows),
        ("alpha", _alpha),
        ("guard", _guard),
        ("decoding", decoding),
    ):
        if name in known:
            yield make(frame(record, name))


def empty_table(title: str, colour: str) -> Table:
    """A table with a title in a detector's colour."""
    return Table(title=Text(title, style=f"bold {colour}"), title_justify="left", header_style="dim")


def _columns(table: Table, *names: str, left: int = 1) -> Table:
    """Add columns, the first ones to the left and the rest, which are numbers, to the right."""
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number < left else "right")
    return table


def _effects(effects: pd.DataFrame, title: str, colour: str = MASSIVE) -> Table:
    table = _columns(empty_table(title, colour), "target", "done", "metric", "verdict", left=4)
    _columns(table, "change", "interval", "twins (95 %)", "n", "q", left=0)
    for row in effects.itertuples():
        table.add_row(
            row.target,
            row.op,
            row.metric,
            verdict_word(row.verdict, row.claim),
            f"{row.change:+.3g}",
            f"{row.low:.3g} … {row.high:.3g}",
            f"{row.twin_low:.2g} … {row.twin_high:.2g} ({row.twins})",
            str(row.n),
            f"{row.q:.2g}",
        )
    return table


WAYS = {
    "here": ("|x| there", ",.0f"),
    "largest": ("|x| anywhere", ",.0f"),
    "sink_rate": ("sinks at key 0", ".3f"),
    "any_sink": ("at any key", ".3f"),
    "loss": ("loss", ".3f"),
}


def _ways(ways: pd.DataFrame) -> Table:
    table = empty_table("Spike and sinks, each kept or taken away", MASSIVE)
    said = {name: way for name, way in WAYS.items() if name in ways}  # earlier versions measured fewer
    _columns(table, "done", *(title for title, _ in said.values()))
    for _, row in ways.iterrows():
        table.add_row(row["done"], *(format(row[name], form) for name, (_, form) in said.items()))
    return table


def _windows(windows: pd.DataFrame) -> Table:
    table = empty_table("A window over the cache, some early tokens kept: the loss once it has overflowed", SINK)
    _columns(table, "kept", "loss", "change", "interval", "n")
    for row in windows.itertuples():
        interval = f"{row.change_low:.3g} … {row.change_high:.3g}"
        table.add_row(row.kept, f"{row.loss:.3f}", f"{row.change:+.3f}", interval, str(row.n))
    return table


def _alpha(alpha: pd.DataFrame) -> Table:
    table = empty_table("Candidate neurons scaled by α, beside twins (95 %)", NEURON)
    _columns(table, "metric", "α", "value", "interval", "twins", "n")
    for row in alpha.sort_values(["metric", "alpha"]).itertuples():
        interval, twins = f"{row.low:.3f} … {row.high:.3f}", f"{row.twin_low:.3f} … {row.twin_high:.3f}"
        table.add_row(row.metric, f"{row.alpha:g}", f"{row.value:.3f}", interval, twins, str(row.n))
    return table


def _guard(policies: pd.DataFrame) -> Table:
    table = empty_table("Guarding, on questions that the probe was not fitted on", NEURON)
    _columns(table, "policy", "by", "coverage", "accuracy", "wrong", "interval", "area under risk–coverage", left=2)
    _columns(table, "accuracy at 50 %", "n", left=0)
    for row in policies.itertuples():
        table.add_row(
            row.policy,
            row.by,
            f"{row.coverage:.2f}",
            f"{row.accuracy:.2f}",
            f"{row.wrong:.3f}",
            f"{row.wrong_low:.3f} … {row.wrong_high:.3f}",
            f"{row.aurc:.3f} ({row.aurc_low:.3f} … {row.aurc_high:.3f})",
            f"{row.accuracy_50:.2f}",
            str(row.n),
        )
    return table


def decoding(family: pd.DataFrame) -> Table:
    """The decoding family (frame `decoding`)."""
    table = empty_table(f"Decoding {family['n'].iloc[0]} questions that the probe was not fitted on", NEURON)
    _columns(table, "member", "accuracy", "less greedy's", "mixed", "risk", "less greedy's")
    for row in family.itertuples():
        right = f"{row.accuracy_change:+.2f} ({row.accuracy_change_low:+.2f} … {row.accuracy_change_high:+.2f})"
        risk = f"{row.risk_change:+.2f} ({row.risk_change_low:+.2f} … {row.risk_change_high:+.2f})"
        changes = ("", "") if row.member == "greedy" else (right, risk)
        mixed = "" if pd.isna(row.mixed) else f"{row.mixed:.2f}"
        table.add_row(row.member, f"{row.accuracy:.3f}", changes[0], mixed, f"{row.risk:.3f}", changes[1])
    return table

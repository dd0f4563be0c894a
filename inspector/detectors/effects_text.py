"""Tested changes in words: what all detectors share."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from inspector.detectors.measured import Measured
from inspector.detectors.shown import Cell, TextTable
from inspector.records import Effect, metric_words, operation_words, verdict_word

FEW = 8
"""Rows of a table of effects that there are many of."""

COLUMNS: Mapping[str, Cell] = {
    "target": "{target}",
    "operation": lambda row: operation_words(row.op),
    "metric": lambda row: metric_words(row.metric),
    "verdict": lambda row: verdict_word(row.verdict, row.claim),
    "change": "{change:+.3g}",
    "interval": "{low:.3g} … {high:.3g}",
    "controls (95 %)": "{twin_low:.2g} … {twin_high:.2g} ({twins})",
    "n": "{n}",
    "q": "{q:.2g}",
}
"""A tested change as a row of a table."""


def effects_table(m: Measured, title: str, effects: Sequence[Effect] | None = None) -> TextTable:
    """Tested changes as a table for a terminal; the detector's where None."""
    rows = [vars(one) for one in (m.effects if effects is None else effects)]
    frame = pd.DataFrame(rows, columns=list(Effect.__dataclass_fields__))
    return TextTable(title, frame, COLUMNS, ("target", "operation", "metric", "verdict"))


def by_verdict(effects: Sequence[Effect]) -> str:
    """How many have each verdict."""
    counts = pd.Series([one.verdict for one in effects], dtype=object).value_counts()
    return ", ".join(f"{n} {verdict}" for verdict, n in counts.items())


def said_verdict(effect: Effect) -> str:
    """An effect's verdict in a word."""
    return verdict_word(effect.verdict, effect.claim)


def change(effect: Effect, what: str) -> str:
    """An effect with its interval beside its controls, in words."""
    numbers = (effect.change, effect.low, effect.high, effect.twin_low, effect.twin_high)
    digits = 3 if max(abs(number) for number in numbers if not math.isnan(number)) >= 0.05 else 4
    mean, low, high, twin_low, twin_high = (f"{number:+z.{digits}f}" for number in numbers)
    interval = f" [{low}, {high}]" if math.isfinite(effect.low) and math.isfinite(effect.high) else f" (n = {effect.n})"
    beside = f", matched random controls {twin_low} to {twin_high}" if math.isfinite(effect.twin_low) else ""
    return f"{what} {mean}{interval}{beside}"

"""Two runs' headline numbers and what lies between them, with intervals over texts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from inspector.detectors.shown import Headline
from inspector.errors import DetectorError
from inspector.run.changed import changes_in_words
from inspector.run.report import Report
from inspector.stats import mean_interval, mean_known, weighted_interval


def headlines(first: Report, second: Report) -> pd.DataFrame:
    """Each number that both runs have: first, second, difference, and its 95 % interval where texts give one."""
    one, two = _numbers(first), _numbers(second)
    paired = _same_texts(first, second)
    rows = []
    for name in (name for name in one if name in two):
        a, b = one[name], two[name]
        low, high = _between(a.per_text, b.per_text, paired=paired)
        rows.append((name, a.value, b.value, b.value - a.value, low, high))
    return pd.DataFrame(rows, columns=["number", "first", "second", "second − first", "95 % from", "to"])


def summary(report: Report) -> pd.DataFrame:
    """See `Report.summary`; no interval where a number is no mean over texts, or there are too few."""
    rows = []
    for name, one in _numbers(report).items():
        ends = (np.nan, np.nan) if one.per_text is None else mean_interval(one.per_text, seed=0)
        rows.append((name, one.value, *map(float, ends)))
    return pd.DataFrame(rows, columns=["number", "value", "low", "high"])


def _numbers(report: Report) -> dict[str, Headline]:
    """What detectors compare runs by; nothing of one that fails to say."""
    found: dict[str, Headline] = {}
    for part in report.parts:
        try:
            brought: Mapping[str, Headline] = part.ask("headlines", {})
        except DetectorError:
            continue
        found |= brought
    return found


def unlike(first: Report, second: Report) -> list[str]:
    """What else than the model differs between two runs, so that their numbers may differ for it."""
    found = [
        f"{what}: {a} and {b}."
        for what, a, b in (
            ("Precision", first.card["dtype"], second.card["dtype"]),
            ("BOS", *_bos(first, second)),
            ("Attention read", *(str(one.settings.get("attention", "?")) for one in (first, second))),
            ("Window", *(one.settings.get("window") for one in (first, second))),
            ("Changed in the model", *(changes_in_words(one.settings) or "nothing" for one in (first, second))),
        )
        if a != b
    ]
    return found if _same_texts(first, second) else ["The texts or their tokens differ.", *found]


def _bos(*reports: Report) -> list[str]:
    """How their texts begin; by what was asked for, where one is of a version that didn't count."""
    if any(one.settings.get("begin_with_bos") is None for one in reports):
        return [str(one.settings.get("bos", "unknown")) for one in reports]
    counts = [(one.settings["begin_with_bos"], one.settings["texts"]) for one in reports]
    return [
        "none" if not count else "each text" if count == texts else f"{count} of {texts} texts"
        for count, texts in counts
    ]


def _same_texts(first: Report, second: Report) -> bool:
    """Whether both runs read the same tokens."""
    both = [[report.tokens[name] for name in ("text", "position", "id")] for report in (first, second)]
    return all(np.array_equal(a, b) for a, b in zip(*both, strict=True))


def _between(
    first: np.ndarray | None, second: np.ndarray | None, *, paired: bool, seed: int = 0
) -> tuple[float, float]:
    """The interval of the difference of two means over texts, text by text if paired; NaN with too few."""
    if first is None or second is None:
        return float("nan"), float("nan")
    if paired and len(first) == len(second) and len(first):
        low, high = map(float, mean_interval(second - first, share=False, seed=seed))
        return low, high
    parts = []
    for weight, values in ((-1.0, first), (1.0, second)):
        low, high = map(float, mean_interval(values, seed=seed))
        parts.append((weight, mean_known(values), low, high))
    return weighted_interval(parts)

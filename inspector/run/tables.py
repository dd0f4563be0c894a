"""From a record to pandas DataFrames, by name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.hneurons import detector as hneurons
from inspector.detectors.massive import frames as massive_judge
from inspector.detectors.massive import thresholds as massive_levels
from inspector.detectors.sinks import frames as sinks_judge
from inspector.errors import InputError
from inspector.records import Effect, Evidence, Finding, Record

_FrameOf = Callable[[Evidence, Mapping[int, str], Any], pd.DataFrame]
_OURS: dict[str, tuple[type[Any], Mapping[str, _FrameOf]]] = {
    "massive": (massive_levels.Thresholds, massive_judge.FRAMES),
    "sinks": (sinks_judge.Thresholds, sinks_judge.FRAMES),
    "hneurons": (hneurons.Thresholds, hneurons.FRAMES),
}


TABLES = ("spike_sink", "windows", "alpha", "guard", "guard_curve", "decoding", "hneurons.states", "hneurons.tokens")
"""Tables that a run keeps and that are frames as they are."""

WHOLE = {"hneurons.states": ("dim",), "hneurons.tokens": ("text", "position")}
"""Columns of them with whole numbers that can be missing."""


def names(record: Record) -> tuple[str, ...]:
    """The frames that `frame` can make of this record."""
    found = ["findings", "effects", "tokens", *(name for name in TABLES if name in record.tables)]
    for name, evidence in record.evidence.items():
        if name in _OURS:
            found += [f"{name}.{table}" for table in _OURS[name][1]]
        found += [f"{name}.map"] if name == "massive" and "map" in evidence.arrays else []
        found += ["sinks.controls"] if name == "sinks" else []
        found += ["hneurons.answers"] if name == "hneurons" else []
        found += ["hneurons.fires_on"] if name == "hneurons.contributions" else []
    found += [f"evidence.{name}.{array}" for name, e in record.evidence.items() for array in e.arrays]
    return tuple(found)


def frame(record: Record, name: str) -> pd.DataFrame:
    """One table by name; `evidence.DETECTOR.ARRAY` gives any array in long form.

    Raises:
        InputError: no such frame in this record.
    """
    if name == "findings":
        return _rows(record.findings, Finding)
    if name == "effects":
        return _rows(record.effects, Effect)
    if name in TABLES and name in record.tables:
        return pd.DataFrame(dict(record.tables[name])).astype(dict.fromkeys(WHOLE.get(name, ()), "Int64"))
    if name == "tokens":
        return pd.DataFrame(dict(record.tokens))
    if name not in names(record):
        known = ", ".join(n for n in names(record) if not n.startswith("evidence."))
        raise InputError(f"No frame '{name}'. This run has: {known}; and evidence.DETECTOR.ARRAY for any array.")
    head, _, table = name.partition(".")
    if head == "evidence":
        detector, _, array = table.rpartition(".")
        return _long(record.evidence[detector], array)
    if name == "sinks.controls":
        return _controls(record)
    if name == "hneurons.answers":
        return hneurons.answers(record.evidence["hneurons"], record.tables["answers"])
    if name == "hneurons.fires_on":
        contributions = record.evidence["hneurons.contributions"]
        return hneurons.fires_on(record.evidence["hneurons"], contributions, record.tables["answers"])
    if name == "massive.map":
        return _map(record)
    made = _OURS[head][1][table](record.evidence[head], token_names(record), thresholds(record, head))
    return made.assign(verdict=_verdicts(record, name, made)) if name in VERDICT_OF else made


VERDICT_OF = {
    "massive.plateaus": ("massive", "first", "dim"),
    "sinks.heads": ("sinks", "layer", "head"),
    "hneurons.candidates": ("hneurons", "layer", "neuron"),
}
"""Frames whose rows are findings' units: the detector, and the columns that name layer and unit."""


def _verdicts(record: Record, name: str, made: pd.DataFrame) -> list[str]:
    """The verdict on each row's finding; empty where the thresholds in force don't flag it."""
    detector, layer, unit = VERDICT_OF[name]
    known: dict[Any, str] = {(one.layer, one.unit): one.verdict for one in record.findings if one.detector == detector}
    if name == "massive.plateaus":  # flagged in some of its layers, not always from the first
        spans = zip(made["first"], made["last"], made["dim"], strict=True)
        every = [[known.get((at, dim), "") for at in range(first, last + 1)] for first, last, dim in spans]
        return [next((one for one in verdicts if one), "") for verdicts in every]
    return [known.get(place, "") for place in zip(made[layer], made[unit], strict=True)]


def thresholds(record: Record, detector: str) -> Any:
    """The thresholds in force for one of our detectors."""
    chosen = record.settings.get("thresholds", {}).get(detector, {})
    return _OURS[detector][0](**{name: float(value) for name, value in chosen.items()})


def token_names(record: Record) -> dict[int, str]:
    """Text of every token id in the run."""
    return dict(zip(record.tokens["id"].tolist(), record.tokens["token"].tolist(), strict=True))


def _rows(rows: tuple[Any, ...], kind: type[Any]) -> pd.DataFrame:
    columns = [f.name for f in fields(kind)]
    table = pd.DataFrame([asdict(row) for row in rows], columns=columns)
    whole = [name for name in ("layer", "unit", "position") if name in columns]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _controls(record: Record) -> pd.DataFrame:
    t = thresholds(record, "sinks")
    inputs = {"texts": record.evidence["sinks"]}
    inputs |= {n.removeprefix("sinks."): e for n, e in record.evidence.items() if n.startswith("sinks.")}
    return pd.DataFrame([sinks_judge.control_row(name, evidence, t) for name, evidence in inputs.items()])


def _map(record: Record) -> pd.DataFrame:
    """Largest |x| of every token and layer, for the first texts: text, layer, position, token, max."""
    e = record.evidence["massive"]
    text, layer, position = np.nonzero(np.isfinite(e["map"]))
    table = pd.DataFrame({"text": e["text"][text], "layer": layer, "position": position})
    table["max"] = e["map"][text, layer, position]
    tokens = pd.DataFrame(dict(record.tokens))[["text", "position", "token"]]
    return table.merge(tokens, on=["text", "position"], how="left")[["text", "layer", "position", "token", "max"]]


def _long(evidence: Evidence, array: str) -> pd.DataFrame:
    values = evidence[array]
    index = np.indices(values.shape).reshape(values.ndim, -1)
    table = {axis: index[i] for i, axis in enumerate(evidence.axes[array])}
    if "text" in table and array != "text":
        table["text"] = evidence["text"][table["text"]]
    return pd.DataFrame({**table, "value": values.reshape(-1)})

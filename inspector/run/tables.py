"""From a record to pandas DataFrames, by name: its own rows, what detectors make of it, and any array in long form."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from inspector.arguments import meant
from inspector.detectors.base import load_judges
from inspector.detectors.measured import Measured
from inspector.errors import DetectorError, InputError
from inspector.records import Effect, Evidence, Finding, Record, frame_of


def parts(record: Record) -> tuple[Measured, ...]:
    """The record's parts, one for each detector that is installed, in the record's order."""
    names = [name for name in record.evidence if "." not in name]
    return tuple(Measured(judge, record) for judge in load_judges(names)[0])


def names(record: Record, of: tuple[Measured, ...]) -> tuple[str, ...]:
    """The frames that `frame` can make of this record, whose parts are `of`."""
    made = list(_made(of))
    hidden = {source for part in of for source in getattr(part.detector, "sources", ())}
    kept = [name for name in record.tables if name not in hidden and name not in made]
    arrays = [f"evidence.{name}.{array}" for name, e in record.evidence.items() for array in e.arrays]
    return ("findings", "effects", "tokens", *kept, *made, *arrays)


def _made(of: tuple[Measured, ...]) -> Iterator[str]:
    """Full names of the frames that detectors make; none of one whose frames fail."""
    for part in of:
        try:
            yield from [f"{part.name}.{name}" for name in part.frames]
        except DetectorError:
            continue


def frame(record: Record, of: tuple[Measured, ...], name: str) -> pd.DataFrame:
    """One table by name; `evidence.DETECTOR.ARRAY` gives any array in long form.

    Raises:
        InputError: no such frame in this record.
        DetectorError: the detector failed to make it.
    """
    if name == "findings":
        return frame_of(record.findings, Finding)
    if name == "effects":
        return frame_of(record.effects, Effect)
    if name == "tokens":
        return pd.DataFrame(dict(record.tokens))
    head, _, table = name.partition(".")
    for part in of:
        if part.name == head and table in part.frames:
            return part.frame(table).copy()
    if name not in names(record, of):
        raise InputError(_unknown(record, of, name))
    if head == "evidence":
        detector, _, array = table.rpartition(".")
        return _long(record.evidence[detector], array)
    return pd.DataFrame(dict(record.tables[name]))


def _unknown(record: Record, of: tuple[Measured, ...], name: str) -> str:
    known = [one for one in names(record, of) if not one.startswith("evidence.")]
    return f"No frame '{name}' in this run; any array is evidence.DETECTOR.ARRAY.{meant(name, known, 40)}"


def _long(evidence: Evidence, array: str) -> pd.DataFrame:
    values = evidence[array]
    index = np.indices(values.shape).reshape(values.ndim, values.size)
    table = {axis: index[i] for i, axis in enumerate(evidence.axes[array])}
    if "text" in table and array != "text":
        table["text"] = evidence["text"][table["text"]]
    return pd.DataFrame({**table, "value": values.reshape(-1)})

"""What a command measured of a model beside a scan, kept in a run: a new one, or one that is there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inspector.alike import Alike
from inspector.errors import InputError, RunError
from inspector.printable import brief, counted
from inspector.records import Evidence, Record
from inspector.run import disk
from inspector.run import tables as tables_
from inspector.run.json_text import parsed
from inspector.run.refusal import one_line
from inspector.run.replacing import claim, put_back
from inspector.run.report import open_run

BY_SCHEME = "scheme"
"""The column that says which of several measurements of one kind a row is of."""


@dataclass(frozen=True, repr=False, eq=False)
class Measurements(Alike):
    """What was measured at once.

    Args:
        detector: which detector shows it.
        part: what was measured, of all that it shows.
        card: the model's.
        inputs: the input tokens, as a record has them.
        tables: the tables of this part, as the detector's schema has them.
        facts: plain values that belong to it; of a scheme under its name.
    """

    detector: str
    part: str
    card: Mapping[str, Any]
    inputs: Mapping[str, np.ndarray]
    tables: Mapping[str, pd.DataFrame]
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<Measurements of {brief(self.detector)}, {brief(self.part)}: {counted(len(self.tables), 'table')}>"


class Keepable(Alike):
    """The answer of a measurement, which can be kept in a run."""

    def measurements(self) -> Measurements:
        """What is kept of it."""
        raise NotImplementedError

    def save(self, folder: str | Path) -> Path:
        """Keep it in a run, beside what else is there; the run is made where it isn't there.

        Raises:
            RunError: the run is of another model, or can't be opened or written.
        """
        return keep(self.measurements(), folder)


def keep(found: Measurements, folder: str | Path) -> Path:
    """Keep these measurements in a run, beside what it holds already; it is made where it isn't there.

    Raises:
        RunError: the run is of another model or can't be opened or written.
    """
    path, there = _claimed(folder)
    before = _added_to(open_run(path), found, folder) if there else _new(found)
    tables = {
        name: {str(key): table[key].to_numpy() for key in table} for name, table in _merged(before, found).items()
    }
    record = replace(
        before,
        evidence={**before.evidence, found.detector: _evidence(before, found)},
        tables={**before.tables, **tables},
        settings={
            **before.settings,
            "detectors": list(dict.fromkeys([*before.settings["detectors"], found.detector])),
        },
    )
    return disk.save(_checked(record, found.detector), path, overwrite=there)


def _claimed(folder: str | Path) -> tuple[Path, bool]:
    """The place, which can be written, and whether a run is there; one whose last save was killed is put back."""
    put_back(Path(folder).expanduser().absolute())
    there = (Path(folder).expanduser() / "run.json").exists()
    return claim(folder, overwrite=there), there


def _checked(record: Record, detector: str) -> Record:
    """What is saved, checked as it will be when it is opened: no good run is replaced by one that can't be.

    Raises:
        InputError: it can't be kept.
    """
    evidence = record.evidence[detector]
    try:
        facts = parsed(json.dumps(disk.plain(evidence.facts)))
        record = replace(record, evidence={**record.evidence, detector: replace(evidence, facts=facts)})
        for part in tables_.parts(record):
            if part.name == detector:
                part.check()
    except Exception as error:
        raise InputError(f"What was measured can't be kept: {one_line(error)}. The run is as it was.") from error
    return record


def refuse_other(folder: str | Path, card: Mapping[str, Any]) -> None:
    """Say before any work where a run can't keep what is measured of this model.

    Raises:
        RunError: it is of another model, or can't be opened.
    """
    path, there = _claimed(folder)
    if there:
        _refuse_other(open_run(path), card, folder)


def _refuse_other(record: Record, card: Mapping[str, Any], folder: str | Path) -> None:
    for what, name in (("weights", "fingerprint"), ("numbers (dtype)", "dtype")):
        if record.card[name] != card[name]:
            raise RunError(
                f"Run '{folder}' is of {record.card['name']}, with other {what} than this model's. "
                "Choose another place."
            )


def _new(found: Measurements) -> Record:
    longest = int(np.max(found.inputs["position"], initial=0)) + 1
    settings: dict[str, Any] = {"detectors": [], "bos": "as given", "window": longest}
    settings["attention"] = str(found.card.get("attention", ""))
    settings["texts"] = len(set(found.inputs["source"].tolist()))
    return Record(dict(found.card), settings, {}, (), dict(found.inputs))


def _added_to(record: Record, found: Measurements, folder: str | Path) -> Record:
    _refuse_other(record, found.card, folder)
    return Record(**{name: getattr(record, name) for name in Record.__dataclass_fields__})


def _merged(before: Record, found: Measurements) -> dict[str, pd.DataFrame]:
    """The new tables, with the rows of other schemes that are there."""
    tables = dict(found.tables)
    for name, table in tables.items():
        if BY_SCHEME in table and name in before.tables:
            old = pd.DataFrame(dict(before.tables[name]))
            old = old[~old[BY_SCHEME].isin(table[BY_SCHEME])]
            tables[name] = pd.concat([old, table], ignore_index=True) if len(old) else table
    return tables


def _evidence(before: Record, found: Measurements) -> Evidence:
    there = before.evidence.get(found.detector)
    facts: dict[str, Any] = {} if there is None else dict(there.facts)
    old = facts.get(found.part, {}) if BY_SCHEME in next(iter(found.tables.values())) else {}
    facts[found.part] = {**old, **found.facts}
    texts = np.array([len(set(found.inputs["source"].tolist()))], dtype=np.int64)
    return Evidence(found.detector, {"texts": texts}, {"texts": ("part",)}, {"texts": "max"}, facts)

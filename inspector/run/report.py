"""`Report`: a record with its conveniences — tables, judging again, saving."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from inspector.detectors.base import Detector, installed, load_detectors
from inspector.errors import InputError
from inspector.records import Finding, Record
from inspector.run import disk as runs
from inspector.run import tables


@dataclass(frozen=True)
class Report(Record):
    """What a scan found: model card, settings, evidence, findings, effects. See `Record`."""

    def frame(self, name: str) -> pd.DataFrame:
        """One table as a DataFrame; `frames()` lists the names.

        Raises:
            InputError: no such frame in this report.
        """
        return tables.frame(self, name)

    def frames(self) -> tuple[str, ...]:
        """Names of the tables that `frame` can make."""
        return tables.names(self)

    def judge(self, **thresholds: Mapping[str, Any]) -> "Report":
        """The same evidence judged again, without the model: `report.judge(massive={"ratio": 500})`.

        Thresholds that aren't named keep their values; findings of a detector that is not installed
        here stay as they are.

        Raises:
            InputError: a detector that isn't in this report, or a threshold it doesn't have.
        """
        known = self.settings["detectors"]
        for name in thresholds:
            if name not in known:
                raise InputError(f"No evidence of '{name}' in this report. It has: {', '.join(known)}.")
        before: Mapping[str, Mapping[str, Any]] = self.settings.get("thresholds", {})
        merged = {name: {**before.get(name, {}), **thresholds.get(name, {})} for name in known}
        settings = {**self.settings, "thresholds": {name: t for name, t in merged.items() if t}}
        here = [name for name in known if name in installed() or name in thresholds]
        kept = tuple(found for found in self.findings if found.detector not in here)
        return replace(self, settings=settings, findings=judged(self, load_detectors(here), merged) + kept)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write this report as a run; returns its folder.

        Raises:
            RunError: the place is taken, is not a run, or can't be written.
        """
        return runs.save(self, folder, overwrite=overwrite)

    def _repr_html_(self) -> str:
        """In a notebook: the findings, and what to know about them."""
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        found = self.frame("findings")
        name = html.escape(str(self.card["name"]))
        return f"<p><b>{name}</b>: {len(found)} findings</p><ul>{notes}</ul>{found.head(20).to_html()}"


def judged(
    record: Record, detectors: Sequence[Detector], thresholds: Mapping[str, Mapping[str, Any]]
) -> tuple[Finding, ...]:
    """Findings of a record's evidence under these thresholds, in the order of the detectors."""
    names = tables.token_names(record)
    found: list[Finding] = []
    for detector in detectors:
        try:
            mine = _numbers(detector.name, thresholds.get(detector.name, {}))
            found += detector.judge(record.evidence[detector.name], names, **mine)
        except TypeError as error:
            raise InputError(f"Detector '{detector.name}': {error}. See its documentation for thresholds.") from error
    return tuple(_verified(one, record.settings.get("verified", ())) for one in found)


def _verified(finding: Finding, tested: Sequence[Mapping[str, Any]]) -> Finding:
    """The finding with the verdict of the test that covers it, if there was one."""
    for one in tested:
        same = (finding.detector, finding.unit) == (one["detector"], one["unit"])
        here = one["first"] <= finding.layer <= one["last"] and one["position"] in (None, finding.position)
        if same and here:
            return replace(finding, verdict=one["verdict"])
    return finding


def _numbers(detector: str, thresholds: Mapping[str, Any]) -> dict[str, float]:
    """Thresholds as finite floats."""
    for name, value in thresholds.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise InputError(f"Threshold {detector}.{name} is {value!r}. Use a number.")
    return {name: float(value) for name, value in thresholds.items()}


def open_run(folder: str | Path) -> Report:
    """Open a saved run as a report; no model is loaded.

    Raises:
        RunError: it is missing, of another format, or a file of it is missing or damaged.
    """
    record = runs.open_run(folder)
    return Report(**{f.name: getattr(record, f.name) for f in fields(Record)})

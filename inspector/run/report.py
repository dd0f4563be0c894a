"""`Report`: a record with its conveniences — tables, judging again, saving."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from inspector.arguments import meant, takes
from inspector.detectors.base import Judge, installed, resolve
from inspector.detectors.measured import Measured
from inspector.errors import DetectorError, InputError, InspectorError
from inspector.printable import brief
from inspector.records import Effect, Finding, Findings, Record, Sentence
from inspector.run import disk, tables
from inspector.run.refusal import refusal

Kind = TypeVar("Kind", bound="Report")

RECIPE = 1
"""The version of a recipe's form."""


@dataclass(frozen=True, repr=False, eq=False)
class Report(Record):
    """What a scan found: model card, settings, evidence, findings, effects. See `Record`."""

    if TYPE_CHECKING:  # given as any tuple, they are made so
        findings: Findings

    def __post_init__(self) -> None:
        known = {*installed(), *self.settings.get("detectors", ()), *_heads(self)}
        object.__setattr__(self, "findings", Findings(self.findings, known))

    @classmethod
    def of(cls, record: Record) -> "Report":
        """A record as a report; effects of a run that named no detector are told by what was done."""
        report = cls(**{f.name: getattr(record, f.name) for f in fields(Record)})
        if all(effect.detector for effect in report.effects):
            return report
        owner = {op: part.name for part in report.parts for op in operations(part.detector)}
        return replace(report, effects=tuple(_owned(effect, owner) for effect in report.effects))

    @cached_property
    def parts(self) -> tuple[Measured, ...]:
        """What each detector makes of this report, for those that are installed."""
        return tables.parts(self)

    def part(self, detector: str) -> Measured | None:
        """One detector's part; None where it measured nothing here, or isn't installed.

        Raises:
            InputError: no detector of this name is installed, and nothing in the report is of one.
        """
        known = sorted(self.findings.known)
        if detector not in known:
            raise InputError(f"No detector '{brief(detector)}'.{meant(detector, known)}")
        return next((part for part in self.parts if part.name == detector), None)

    @takes
    def frame(self, name: str) -> pd.DataFrame:
        """One table as a DataFrame; `frames()` lists the names.

        Raises:
            InputError: no such frame in this report.
        """
        return tables.frame(self, self.parts, name)

    def frames(self) -> tuple[str, ...]:
        """Names of the tables that `frame` can make."""
        return tables.names(self, self.parts)

    @takes
    def judge(self: Kind, **thresholds: Mapping[str, Any]) -> Kind:
        """The same evidence judged again, without the model: `report.judge(massive={"ratio": 500})`.

        Thresholds that aren't named keep their values; findings of other detectors than these, or of one that is not
        installed here, stay as they are. Without thresholds every detector judges again; of one that fails they stay as
        they are, and a note says so.

        Raises:
            InputError: a detector that isn't in this report, or a threshold it doesn't have.
            DetectorError: a detector whose thresholds were named fails to judge.
        """
        known = self.settings["detectors"]
        for name in thresholds:
            if name not in known:
                raise InputError(f"No evidence of '{name}' in this report.{meant(name, known)}")
        before: Mapping[str, Mapping[str, Any]] = self.settings.get("thresholds", {})
        merged = {name: {**before.get(name, {}), **thresholds.get(name, {})} for name in known}
        chosen = {name: t for name, t in merged.items() if t}
        again = replace(self, settings={**self.settings, "thresholds": chosen}) if chosen else self
        here = [part.name for part in again.parts]
        for name in thresholds:
            if name not in here:
                raise InputError(f"No detector '{name}'.{meant(name, installed())}")
        found: list[Finding] = []
        faults: list[str] = []
        for part in again.parts:
            judged_now: Sequence[Finding] = part.findings
            if not thresholds or part.name in thresholds:
                try:
                    judged_now = judged(again, [part])
                except DetectorError as fault:
                    if thresholds:
                        raise
                    faults.append(str(fault))
            found += judged_now
        found += [one for one in self.findings if one.detector not in here]
        return replace(again, findings=Findings(found), notes=tuple(dict.fromkeys((*self.notes, *faults))))

    @takes
    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write this report as a run; returns its folder.

        Raises:
            RunError: the place is taken, is not a run, or can't be written.
        """
        return disk.save(self, folder, overwrite=overwrite)

    def summary(self) -> pd.DataFrame:
        """The numbers that runs are compared by, a row each: number, value, low, high (a 95 % interval over texts)."""
        found: pd.DataFrame = resolve("inspector.run.differences:summary")(self)
        return found

    def sentences(self) -> list[Sentence]:
        """What was found, in words: the model, the texts, what to know about them, each detector, what was tested."""
        return list(resolve("inspector.show.sentences:sentences")(self))

    def figures(self) -> tuple[str, ...]:
        """Names of the figures that `figure` can draw."""
        return tuple(resolve("inspector.show.figures:drawings")(self))

    @takes
    def figure(self, name: str) -> Any:
        """One figure, a plotly `Figure`; `figures()` lists the names.

        Raises:
            InputError: no such figure in this report.
            DetectorError: drawing it failed.
        """
        drawings = resolve("inspector.show.figures:drawings")(self)
        if name not in drawings:
            raise InputError(f"No figure '{name}'.{meant(name, drawings, 40)}")
        return resolve("inspector.show.figures:figure")(self, name, drawings[name])

    def to_xarray(self) -> Any:
        """Every array with its axes, an `xarray.DataTree` with a node for each detector and control input.

        Facts are the nodes' attributes. An axis name that stands for two lengths in one node gets a number.

        Raises:
            InputError: xarray isn't installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise InputError("xarray is not installed. pip install xarray, or use .evidence.") from error
        nodes = {}
        for name, evidence in self.evidence.items():
            arrays: dict[str, Any] = {}
            lengths: dict[str, list[int]] = {}
            for key in sorted(evidence.arrays, key=lambda one: one != "text"):
                values, axes = evidence.arrays[key], []
                for axis, length in zip(evidence.axes[key], values.shape, strict=True):
                    known = lengths.setdefault(axis, [])
                    if length not in known:
                        known.append(length)
                    place = known.index(length)
                    axes.append(f"{axis}_{place + 1}" if place else axis)
                arrays[key] = (axes, values)
            nodes[name] = xarray.Dataset(arrays, attrs=dict(evidence.facts))
        return xarray.DataTree.from_dict(nodes)

    def recipe(self) -> dict[str, Any]:
        """What to spare when the model is made smaller, as data, with the measurements behind it; see docs/recipe.md.

        Raises:
            InputError: nothing of that was tried in this run.
        """
        found: dict[str, Any] = {}
        for part in self.parts:
            found |= part.ask("recipe", {})
        if not found:
            raise InputError("Nothing was tried in this run that a recipe could be made of. See inspector sensitivity.")
        return {"version": RECIPE, "model": self.card["fingerprint"], **found}

    def _repr_html_(self) -> str:
        """In a notebook: what was found, a picture, the strongest findings, and the names of all frames."""
        return str(resolve("inspector.show.notebook:page")(self))


@takes
def open_run(folder: str | Path) -> Report:
    """Open a saved run as a report; one of a hallucination study is a `Study`. No model is loaded.

    Raises:
        RunError: it is missing, of another format, or a file of it is missing or damaged.
    """
    record = disk.read(folder)
    parts = tables.parts(record)
    for part in parts:
        try:
            part.check()
        except InspectorError as error:
            raise refusal(folder, error, "") from error
        except Exception as error:  # a check of values that go together may stumble over what it meets
            raise refusal(folder, error or type(error).__name__) from error
    kinds = [resolve(getattr(part.detector, "report", None)) for part in parts]
    kind = next((kind for kind in kinds if kind is not None), Report)
    return kind.of(record)


def judged(
    report: Report, parts: Sequence[Measured], on_fault: Callable[[DetectorError], object] | None = None
) -> Findings:
    """Findings of these parts of a report under its thresholds, in their order, with tested verdicts.

    Args:
        report: with the thresholds in its settings.
        parts: of this report.
        on_fault: called with the error of a detector that fails to judge, which has no findings then; None raises it.

    Raises:
        InputError: a threshold that a detector doesn't have, or a value that it doesn't take.
        DetectorError: a detector fails to judge.
    """
    found: list[Finding] = []
    for part in parts:
        try:
            found += part.judged()
        except DetectorError as fault:
            if on_fault is None:
                raise
            on_fault(fault)
    return Findings(_verified(one, report) for one in found)


def _verified(finding: Finding, report: Report) -> Finding:
    """The finding with the verdict of the test that covers it, if there was one."""
    on = next((one for one in report.verdicts if one.covers(finding)), None)
    return finding if on is None else replace(finding, verdict=on.verdict)


def _heads(record: Record) -> set[str]:
    """Detectors whose evidence or findings are in a record."""
    return {name.partition(".")[0] for name in record.evidence} | {one.detector for one in record.findings}


def operations(judge: Judge) -> Sequence[str]:
    """Names of the operations that a detector's findings are tested by; none where it doesn't test them."""
    named: Sequence[str] = getattr(judge, "operations", ())
    return named


def _owned(effect: Effect, owner: Mapping[str, str]) -> Effect:
    return effect if effect.detector else replace(effect, detector=owner.get(effect.op, ""))

"""What is looked at: the address of the page says it all, so that reload, Back and a colleague see the same.

Each choice is one parameter of the address. Widgets take their value from there and write it back; nothing
else remembers a choice.
"""

import sys
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.jobs import Job, Jobs
from dashboards.shelf import Shelf
from dashboards.work import Scanned
from inspector.errors import InspectorError, RunError
from inspector.run.report import open_run
from inspector.run.report import Report
from inspector.run.tables import VERDICT_OF

LIVE = "live-"

THRESHOLDS: dict[str, tuple[str, tuple[float, ...], float]] = {
    "ratio": ("massive", (10, 30, 100, 300, 1000, 3000, 10_000), 1000),
    "magnitude": ("massive", (0, 10, 30, 100, 300, 1000, 3000), 100),
    "dim_ratio": ("massive", (0, 3, 10, 30, 100), 0),
    "epsilon": ("sinks", tuple(round(0.05 * i, 2) for i in range(1, 20)), 0.3),
    "stability": ("hneurons", tuple(round(0.05 * i, 2) for i in range(21)), 0.5),
    "q": ("hneurons", (0.001, 0.01, 0.05, 0.1, 0.2, 1.0), 0.05),
}
"""A threshold's detector, the values that a slider offers, and the default."""


@st.cache_resource
def jobs() -> Jobs:
    """The one queue of this server."""
    return Jobs()


def shelf() -> Shelf:
    """The folder of runs that the server was started with."""
    return Shelf(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs"))


def chosen(name: str, default: Any = None) -> Any:
    """A choice from the address: a number where it looks like one."""
    value = st.query_params.get(name)
    if value is None:
        return default
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value


def number(name: str, options: Any = None) -> int | None:
    """A whole number from the address, if it is there (and among the options)."""
    value = chosen(name)
    return value if isinstance(value, int) and (options is None or value in options) else None


def address(**changes: Any) -> dict[str, str]:
    """The parameters of the address with these changes; None takes one away."""
    merged = {**st.query_params.to_dict(), **changes}
    return {name: str(value) for name, value in merged.items() if value is not None}


def choose(**changes: Any) -> None:
    """Change the address, as one step that Back undoes."""
    wanted = address(**changes)
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)


def another_run(name: str | None) -> dict[str, str | None]:
    """The choice of another run, which forgets layers, heads and tokens: of another run they mean something else."""
    kept = {*THRESHOLDS, "pin", "picture", "tour"}
    return {**dict.fromkeys(set(st.query_params) - kept), "run": name}


def threshold(name: str) -> float | None:
    """A threshold that the address names, if it is one that a slider can hold."""
    try:
        given = float(st.query_params.get(name, "none"))
    except ValueError:
        return None
    return next((float(value) for value in THRESHOLDS[name][1] if value == given), None)


@dataclass(frozen=True)
class View:
    """A run that is looked at: under the thresholds in force, and where it comes from.

    Args:
        name, key: of the run; the key tells it from others and from what it was before.
        measured: the run with the thresholds in its settings: tables heed them, findings are those of before.
        saved: whether it is in the folder of runs.
        created: when, in words.
        place: where the model is, if the visitor said so: a name, a folder or a file.
    """

    name: str
    key: tuple[str, float]
    measured: Report
    saved: bool
    created: str
    place: str | None = None

    @property
    def report(self) -> Report:
        """The run judged again where thresholds were moved: slower than `measured`, for findings have intervals."""
        moved = any(threshold(name) is not None for name in THRESHOLDS)
        return _judged(self.key, _thresholds(self.measured), self.measured) if moved else self.measured

    def frame(self, name: str) -> pd.DataFrame:
        """A table of the run; kept, so don't write to it."""
        source = self.report if name in VERDICT_OF else self.measured  # a verdict is that of a finding
        return _frame(self.key, _thresholds(self.measured), name, source)

    def has(self, name: str) -> bool:
        """Whether the run has this table, with anything in it."""
        return name in self.measured.frames() and len(self.frame(name)) > 0


def view(name: str | None = None) -> View:
    """The run of this name, else the one that the address names, else the latest.

    Raises:
        RunError: it is not there or damaged, or there are no runs at all.
    """
    name = name or st.query_params.get("run")
    if name is not None and name.startswith(LIVE):
        return _live(name)
    found = shelf().all()
    if name is None and not found:
        raise RunError("No runs yet.")
    run = shelf().find(name or next((one.name for one in found if not one.fault), found[0].name))
    if run.fault:
        raise RunError(run.fault)
    key = (str(run.folder), run.changed)
    try:
        report = _opened(*key)
    except RunError as error:
        raise RunError(str(error).replace(str(run.folder), run.name)) from error
    made = said_time(datetime.fromisoformat(run.about["created"]))
    return View(run.name, key, _under(report), True, made, st.query_params.get("model"))


def said_time(moment: datetime) -> str:
    """A moment as all pages say it."""
    return moment.astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")


def _live(name: str) -> View:
    job = jobs().get(name.removeprefix(LIVE))
    if job is None or not isinstance(job.result, Scanned):
        raise RunError("This live run is gone: the server was restarted, or newer ones took its place. Run it again.")
    report, made = job.result.report, said_time(datetime.fromtimestamp(job.ended, UTC))
    return View(name, (name, job.ended), _under(report), False, made, job.result.place)


def mine(kind: str, of: Hashable = None) -> Job | None:
    """The job of this kind that this visitor asked for last, if it was of this."""
    return jobs().get(st.session_state.get(f"job {kind}")) if st.session_state.get(f"job {kind} of") == of else None


def submit(kind: str, label: str, work: Any, of: Hashable = None) -> Job | None:
    """Ask for work; what was asked before of this kind is cancelled. A full queue is said on the page.

    Args:
        kind: a visitor has one job of a kind.
        label: what it is, until it says so itself.
        work: takes the job.
        of: what its result belongs to, a run for example: only `mine` of the same finds it.
    """
    before = jobs().get(st.session_state.get(f"job {kind}"))
    if before is not None:
        jobs().cancel(before)
    try:
        job = jobs().submit(label, work)
    except InspectorError as error:
        st.session_state[f"refused {kind}"] = str(error)
        return None
    st.session_state[f"job {kind}"], st.session_state[f"job {kind} of"] = job.id, of
    return job


def _under(report: Report) -> Report:
    """The report with the thresholds of the address in its settings."""
    merged = {name: dict(values) for name, values in report.settings.get("thresholds", {}).items()}
    for name, (detector, _, _) in THRESHOLDS.items():
        value = threshold(name)
        if value is not None and detector in report.evidence:
            merged.setdefault(detector, {})[name] = value
    return replace(report, settings={**report.settings, "thresholds": merged})


def _thresholds(report: Report) -> str:
    return repr(report.settings.get("thresholds", {}))


@st.cache_resource(max_entries=8, show_spinner="Opening the run …")
def _opened(folder: str, changed: float) -> Report:
    return open_run(folder)


@st.cache_resource(max_entries=32, show_spinner=False)
def _judged(key: tuple[str, float], thresholds: str, _report: Report) -> Report:
    return _report.judge()


@st.cache_resource(max_entries=64, show_spinner=False)
def _frame(key: tuple[str, float], thresholds: str, name: str, _report: Report) -> pd.DataFrame:
    return _report.frame(name)


def in_force(report: Report) -> Mapping[str, float]:
    """The thresholds that the findings were judged by, for the detectors of this run."""
    own = report.settings.get("thresholds", {})
    return {
        name: own.get(detector, {}).get(name, default)
        for name, (detector, _, default) in THRESHOLDS.items()
        if detector in report.evidence
    }

"""What is looked at: the address of the page says it all, so that reload, Back and a colleague see the same.

Each choice is one parameter of the address. Widgets take their value from there and write it back; nothing
else remembers a choice.
"""

import sys
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboards import changing, long_work, work
from dashboards.jobs import Job, Jobs, Limits
from dashboards.kept import Kept
from dashboards.shelf import Shelf, Shelved
from dashboards.work import Scanned
from inspector.detectors.base import load_judges
from inspector.detectors.thresholds import Threshold, thresholds_of
from inspector.errors import InspectorError, RunError
from inspector.run.report import Report, open_run

LIVE = "live-"
LONGEST = 300
"""Characters of a text that the address keeps: of more, an address is cut on its way to others."""


def thresholds() -> dict[str, tuple[str, Threshold]]:
    """Every installed detector's thresholds by `detector.name`, as the address names them."""
    judges = load_judges()[0]
    return {f"{judge.name}.{one.name}": (judge.name, one) for judge in judges for one in thresholds_of(judge)}


@st.cache_resource
def jobs() -> Jobs:
    """The one queue of this server; results are kept in a folder beside the runs."""
    minutes, tokens = sys.argv[2:4] if len(sys.argv) > 3 else (Limits.minutes, Limits.tokens)
    results = (*work.RESULTS, *changing.RESULTS, *long_work.RESULTS)
    return Jobs(Kept(shelf().root / ".jobs", results), Limits(float(minutes), int(tokens)), _is_here)


def _is_here(visitor: str) -> bool:
    """Whether a visitor's page is connected to this server."""
    return not exists() or get_instance().is_active_session(visitor)


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


def typed(name: str, default: str) -> str:
    """What a field begins with: the text of the address, else what was kept of it, else the default."""
    return str(st.query_params.get(name, st.session_state.get(f"kept {name}", default)))


def keep(name: str, text: str) -> None:
    """Keep what was typed into a field, which forgets it when another page is opened; in the address where it fits."""
    st.session_state[f"kept {name}"] = text
    choose(**{name: text if len(text) <= LONGEST else None})


def another_run(name: str | None) -> dict[str, str | None]:
    """The choice of another run, which forgets layers, heads and tokens: of another run they mean something else."""
    kept = {*thresholds(), *_short(), "pin", "picture", "tour"}
    return {**dict.fromkeys(set(st.query_params) - kept), "run": name}


def threshold(name: str) -> float | None:
    """A threshold (`detector.name`) that the address names, if it is one that a slider can hold.

    Addresses of earlier versions have its last part alone.
    """
    short = name.rpartition(".")[2]
    given = st.query_params.get(name, st.query_params.get(short, "none") if short in _short() else "none")
    try:
        number = float(given)
    except ValueError:
        return None
    return next((value for value in thresholds()[name][1].steps if value == number), None)


def _short() -> set[str]:
    """The last parts of thresholds' names that only one detector has."""
    last = [name.rpartition(".")[2] for name in thresholds()]
    return {name for name in last if last.count(name) == 1}


@dataclass(frozen=True)
class View:
    """A run that is looked at, judged by the thresholds in force, and where it comes from.

    Args:
        name, key: of the run; the key tells it from others and from what it was before.
        report: the run.
        saved: whether it is in the folder of runs.
        created: when, in words.
        place: where the model is, if the visitor said so: a name, a folder or a file.
        inputs: a digest of a saved run's tokens.
    """

    name: str
    key: tuple[str, float]
    report: Report
    saved: bool
    created: str
    place: str | None = None
    inputs: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What a job's result belongs to: this run of these weights on these tokens, whatever is kept in it since."""
        return self.key[0], str(self.report.card["fingerprint"]), self.inputs

    def frame(self, name: str) -> pd.DataFrame:
        """A table of the run; kept, so don't write to it."""
        return _frame(self.key, _thresholds(self.report), name, self.report)

    def has(self, name: str) -> bool:
        """Whether the run has this table, with anything in it."""
        return name in self.report.frames() and len(self.frame(name)) > 0


def view(name: str | None = None) -> View:
    """The run of this name, else the one that the address names, else the latest.

    Raises:
        RunError: it is not there or damaged, or there are no runs at all.
    """
    name = name or st.query_params.get("run")
    found = shelf().all()
    if is_live(name):
        return _live(str(name))
    if name is None and not found:
        raise RunError("No runs yet.")
    run = shelf().find(name or next((one.name for one in found if is_whole(one)), found[0].name))
    if run.fault:
        raise RunError(run.fault)
    key = (str(run.folder), run.changed)
    try:
        report = _opened(*key)
    except RunError as error:
        raise RunError(str(error).replace(str(run.folder), run.name)) from error
    made = said_time(datetime.fromisoformat(run.about["created"]))
    inputs = str(run.about.get("input_sha256", ""))
    return View(run.name, key, _under(key, report), True, made, st.query_params.get("model"), inputs)


@st.cache_resource
def _faults() -> dict[tuple[str, float], str]:
    """What was wrong with each run that was opened to see, by its place and time; empty where nothing was."""
    return {}


def fault_of(run: Shelved) -> str | None:
    """What is wrong with a run that was opened since it was written; None where nobody has."""
    return _faults().get((str(run.folder), run.changed))


def check(run: Shelved) -> str:
    """Open a run to see what is wrong with it; empty where nothing is."""
    try:
        open_run(run.folder)
        said = ""
    except RunError as error:
        said = str(error).replace(str(run.folder), run.name)
    _faults()[str(run.folder), run.changed] = said
    return said


def is_whole(run: Shelved) -> bool:
    """Whether a run can be opened; the first time, it is."""
    if run.fault:
        return False
    known = fault_of(run)
    return not (check(run) if known is None else known)


def is_live(name: str | None) -> bool:
    """Whether a name in the address is that of a live run: a saved run may begin like one."""
    return name is not None and name.startswith(LIVE) and all(run.name != name for run in shelf().all())


def said_time(moment: datetime) -> str:
    """A moment as all pages say it."""
    there = moment.astimezone(UTC)
    return f"{there.day} {there:%B %Y, %H:%M} UTC"  # Windows has no day without a zero in front


def _live(name: str) -> View:
    job = jobs().get(name.removeprefix(LIVE))
    if job is None or not isinstance(job.result, Scanned):
        raise RunError("This live run is gone: the server was restarted, or newer ones took its place. Run it again.")
    report, made = job.result.report, said_time(datetime.fromtimestamp(job.ended, UTC))
    return View(name, (name, job.ended), _under((name, job.ended), report), False, made, job.result.place)


def mine(kind: str, of: Hashable = None) -> Job | None:
    """The job of this kind that the address names, else the last that this visitor asked for, if it was of this."""
    for identity in (st.query_params.get("job"), st.session_state.get(f"job {kind}")):
        job = jobs().get(identity)
        if job is not None and (job.kind, job.of) == (kind, repr(of)):
            context = get_script_run_ctx()
            if context is not None:
                job.look(context.session_id)
            return job
    return None


def submit(kind: str, label: str, task: Any, of: Hashable = None) -> Job | None:
    """Ask for work, and name it in the address; what this visitor asked before of this kind is cancelled.

    A full queue is said on the page.

    Args:
        kind: a visitor has one job of a kind.
        label: what it is, until it says so itself.
        task: takes the job.
        of: what its result belongs to, a run for example: only `mine` of the same finds it.
    """
    before = jobs().get(st.session_state.get(f"job {kind}"))
    if before is not None:
        jobs().cancel(before)
    try:
        job = jobs().submit(label, task, kind, repr(of))
    except InspectorError as error:
        st.session_state[f"refused {kind}"] = str(error)
        return None
    st.session_state[f"job {kind}"] = job.id
    choose(job=job.id)
    return job


def tokens_of(view: View, text: int) -> pd.DataFrame:
    """The tokens of one text, in their order."""
    tokens = view.frame("tokens")
    return tokens[tokens["text"] == text].sort_values("position")


def led_to() -> set[str]:
    """Ids of the jobs whose results this visitor was led to, to be added to.

    Streamlit may end the script whenever its session state or the address is asked for or written, because the page
    was asked for again. So an id is added where nothing of that comes between it and the way to the result, or after
    the address leads there.
    """
    found: set[str] = st.session_state.setdefault("led to", set())
    return found


def _under(key: tuple[str, float], report: Report) -> Report:
    """The report, judged again where the address moves its thresholds."""
    moved: dict[str, dict[str, float]] = {}
    for name, (detector, one) in thresholds().items():
        value = threshold(name)
        if value is not None and report.part(detector) is not None and detector in report.settings["detectors"]:
            moved.setdefault(detector, {})[one.name] = value
    return _judged(key, repr(moved), moved, report) if moved else report


def _thresholds(report: Report) -> str:
    return repr(report.settings.get("thresholds", {}))


@st.cache_resource(max_entries=8, show_spinner="Opening the run …")
def _opened(folder: str, changed: float) -> Report:
    return open_run(folder)


@st.cache_resource(max_entries=32, show_spinner=False)
def _judged(key: tuple[str, float], thresholds: str, _moved: Mapping[str, Any], _report: Report) -> Report:
    return _report.judge(**_moved)


@st.cache_resource(max_entries=64, show_spinner=False)
def _frame(key: tuple[str, float], thresholds: str, name: str, _report: Report) -> pd.DataFrame:
    return _report.frame(name)


def in_force(report: Report) -> Mapping[str, float]:
    """The thresholds that the findings were judged by, for the detectors of this run, by `detector.name`."""
    return {
        f"{part.name}.{one.name}": float(part.chosen.get(one.name, one.default))
        for part in report.parts
        for one in thresholds_of(part.detector)
    }

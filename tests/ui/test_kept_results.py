"""Jobs that outlive a page and a server: found by their address, ended when left or too long, kept on the disk."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="pip install activation-inspector[dashboard]")

from ui.test_jobs import ended

from dashboards import changing, work
from dashboards import jobs as queue
from dashboards.jobs import Job, Jobs, Limits
from dashboards.kept import Kept
from inspector.hallucination.scored import Scored
from inspector.models import Model, changes
from inspector.scan import examine
from inspector.testing.planted import random_texts

TABLE = pd.DataFrame({"token": [" a", "<b>"], "risk": [0.25, float("nan")]})

RESULTS = (*work.RESULTS, *changing.RESULTS)


def results(planted: Model) -> dict[str, Any]:
    """One result of each kind of job."""
    report = examine(planted, random_texts(2, 20, 70), ["massive"])
    scored = Scored("Who?", "Ada", 0.5, TABLE, TABLE, 0.4, None, "of 3", np.ones((2, 2), np.float32))
    way = changing.Way("baseline", TABLE, "on", 1.0, 0.0, float("nan"))
    return {
        "scan": work.Scanned(report, "planted"),
        "ask": work.Asked("Who?", 2.0, [scored, scored]),
        "change": changing.Compared("Once", [way], "The control is any other."),
        "pattern": np.tri(4, dtype=np.float32),
        "answer": scored,
    }


def done(jobs: Jobs, kind: str, result: Any) -> Job:
    job = ended(jobs.submit(kind, lambda _: result, kind, "of it"))
    end = time.monotonic() + 20
    while jobs.kept is not None and jobs.kept.read(job.id) is None:
        assert time.monotonic() < end, "the result was not written"
        time.sleep(0.01)
    return job


def test_another_server_has_every_result_as_it_was(planted: Model, tmp_path: Path) -> None:
    before, found = Jobs(Kept(tmp_path / ".jobs", RESULTS)), results(planted)
    ids = {kind: done(before, kind, result).id for kind, result in found.items()}
    after = Jobs(Kept(tmp_path / ".jobs", RESULTS))
    again = {kind: after.get(identity) for kind, identity in ids.items()}
    assert all(
        job is not None and (job.kind, job.of, job.state) == (kind, "of it", "done") for kind, job in again.items()
    )
    scan, ask, change, pattern = (again[kind].result for kind in ("scan", "ask", "change", "pattern"))  # type: ignore[union-attr]
    assert scan.place == "planted" and scan.report.findings == found["scan"].report.findings
    assert (ask.factor, [one.answer for one in ask.answers]) == (2.0, ["Ada", "Ada"])
    pd.testing.assert_frame_equal(ask.answers[0].tokens, TABLE)
    assert np.isnan(change.ways[0].sink_rate) and change.control == "The control is any other."
    assert np.array_equal(pattern, found["pattern"])
    assert after.kept is not None and after.kept.size()[0] == len(found)
    after.clear()
    assert all(after.get(identity) is None for identity in ids.values()) and not (tmp_path / ".jobs").exists()


@pytest.mark.parametrize("name", ["../../etc", "", "a" * 15, "a/" * 10, "..", "x" * 22])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    assert Kept(tmp_path / ".jobs", RESULTS).read(name) is None


@pytest.mark.parametrize(
    "changed", ["{", {"result": {"record": "Path", "fields": {}}}, {"result": {"array": "../../x"}}]
)
def test_a_damaged_result_is_none(tmp_path: Path, changed: Any) -> None:
    jobs = Jobs(Kept(tmp_path / ".jobs", RESULTS))
    job = done(jobs, "pattern", np.ones(3))
    file = tmp_path / ".jobs" / job.id / "job.json"
    file.write_text(changed if isinstance(changed, str) else json.dumps(json.loads(file.read_text()) | changed))
    assert Kept(tmp_path / ".jobs", RESULTS).read(job.id) is None


def test_what_cannot_be_written_is_done_all_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".jobs").write_text("a file")
    jobs = Jobs(Kept(tmp_path / ".jobs", RESULTS))
    job = ended(jobs.submit("count", lambda job: 42))
    assert job.result == 42
    ended(jobs.submit("next", lambda job: None))
    assert "kept in memory only" in capfd.readouterr().err


def test_work_that_nobody_looks_at_ends_and_work_that_somebody_does_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEFT_AFTER", 0.2)
    here = {"ada"}
    jobs = Jobs(is_here=here.__contains__)

    def work_on(job: Job) -> str:
        for _ in range(1000):
            job.check()
            time.sleep(0.005)
        return "never"

    job = jobs.submit("long", work_on)
    job.look("ada")
    waiting = jobs.submit("behind it", lambda job: "done")
    waiting.look("ada")
    time.sleep(0.5)
    assert job.state == "running"
    here.clear()
    assert ended(job, 5).state == "cancelled" and job.error == "It ended because nobody looked at it for a minute."
    assert ended(jobs.submit("the next", lambda job: 1), 5).result == 1


def test_a_job_ends_after_the_operators_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    def work_on(job: Job) -> None:
        for _ in range(1000):
            job.check()
            time.sleep(0.005)

    job = ended(Jobs(limits=Limits(minutes=0.005)).submit("long", work_on), 5)
    assert job.state == "failed" and "longer than the 0.005 minutes" in job.error


def test_texts_of_more_tokens_than_a_job_may_have_are_refused(tiny_folder: Path) -> None:
    def scan(job: Job) -> Any:
        return work.scan(job, str(tiny_folder), ["w5 w6 w7 w8"], ["massive"], bos=None, dtype="auto")

    job = ended(Jobs(limits=Limits(tokens=3)).submit("scan", scan))
    assert job.error.startswith("The texts have 4 tokens, and a job here may have 3.")


def test_a_job_s_own_hooks_are_not_noted_as_the_user_s(tiny_folder: Path) -> None:
    def scan(job: Job) -> Any:
        found = work.scan(job, str(tiny_folder), ["w5 w6 w7 w8"], ["massive"], bos=None, dtype="auto").report
        model = work.model_of(job, str(tiny_folder))
        before = changes.state_of(model)
        with work.stoppable(job, model):
            return found.settings, found.notes, changes.state_of(model) == before

    settings, notes, same = ended(Jobs().submit("scan", scan)).result
    assert "hooks" not in settings and not any("hooks" in note for note in notes)
    assert same  # so that how a model answers isn't proved anew for each question

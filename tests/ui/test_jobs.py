"""The queue: one worker, in order, cancelled at once, bounded, and no hook left behind."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="pip install activation-inspector[dashboard]")

from dashboards import changing, work
from dashboards.jobs import KEPT, QUEUED, Job, Jobs
from inspector.errors import InputError, InspectorError
from inspector.interventions.change import Change, said_of, sizes_of
from inspector.models import Model, load_model
from inspector.testing.planted import random_texts


def ended(job: Job, seconds: float = 60) -> Job:
    end = time.monotonic() + seconds
    while not job.over:
        assert time.monotonic() < end, f"{job.label} is still {job.state}"
        time.sleep(0.01)
    return job


def test_work_is_done_one_at_a_time_in_order_and_each_sees_its_place() -> None:
    jobs, go, done = Jobs(), threading.Event(), []
    first = jobs.submit("first", lambda job: go.wait(60) and done.append(1))
    while first.state == "waiting":
        time.sleep(0.01)
    others = [jobs.submit(str(i), lambda job, i=i: done.append(i)) for i in (2, 3)]
    assert [jobs.place(job) for job in (first, *others)] == [0, 1, 2]
    go.set()
    ended(others[-1])
    assert done == [1, 2, 3]


def test_a_mistake_becomes_a_sentence_and_the_worker_lives(capfd: pytest.CaptureFixture[str]) -> None:
    jobs = Jobs()

    def mistake(job: Job) -> None:
        raise InputError("Give words.")

    assert ended(jobs.submit("bad", mistake)).error == "Give words."
    failed = ended(jobs.submit("worse", lambda job: 1 / 0))
    assert failed.error.startswith("ZeroDivisionError in 'worse'") and "division" not in failed.error
    assert "ZeroDivisionError" in capfd.readouterr().err  # the server's output says more
    assert ended(jobs.submit("good", lambda job: 42)).result == 42


def test_a_waiting_job_that_is_cancelled_never_runs() -> None:
    jobs, go, ran = Jobs(), threading.Event(), []
    jobs.submit("first", lambda job: go.wait(60))
    waiting = jobs.submit("second", lambda job: ran.append(1))
    jobs.cancel(waiting)
    go.set()
    ended(jobs.submit("third", lambda job: None))
    assert waiting.state == "cancelled" and not ran


def test_the_queue_is_bounded_and_old_results_are_forgotten() -> None:
    jobs, go = Jobs(), threading.Event()
    first = jobs.submit("first", lambda job: go.wait(60))
    while first.state == "waiting":
        time.sleep(0.01)
    waiting = [jobs.submit(str(i), lambda job: None) for i in range(QUEUED)]
    with pytest.raises(InspectorError, match="jobs are waiting already"):
        jobs.submit("one too many", lambda job: None)
    go.set()
    ended(waiting[-1])
    latest = [ended(jobs.submit(str(i), lambda job: None)) for i in range(KEPT + 3)]
    assert jobs.get(first.id) is None
    assert jobs.get(latest[-1].id) is latest[-1]


def test_ids_can_not_be_guessed() -> None:
    ids = {Job("", lambda job: None).id for _ in range(100)}
    assert len(ids) == 100 and min(map(len, ids)) >= 16


def test_a_cancelled_pass_ends_within_a_layer_and_leaves_no_hook(planted: Model) -> None:
    """The event is set in the middle of one batch: what ends it is the next layer, not the next batch."""
    job = Job("scan", lambda job: None)
    site = next(site for site in planted.hooks if site.kind == "resid_post" and site.layer == 1)
    handle = planted.hooks[site].register_forward_hook(lambda *_: job.stop.set())
    reached: list[int] = []
    later = next(point for s, point in planted.hooks.items() if s.kind == "resid_post" and s.layer == 5)
    handle2 = later.register_forward_hook(lambda *_: reached.append(1))
    before = hooks_of(planted)
    work._models[("planted", "auto", None)] = planted
    try:
        outcome = Jobs().submit("scan", lambda _: scan_of_ids(job))
        assert ended(outcome).state == "cancelled"
    finally:
        handle.remove()
        handle2.remove()
        work._models.clear()
    assert not reached
    assert hooks_of(planted) == before
    assert planted.lock.acquire(timeout=5)
    planted.lock.release()


def scan_of_ids(job: Job) -> object:
    return work.scan(job, "planted", random_texts(4, 64, 70), ["massive"], bos=None, dtype="auto")  # type: ignore[arg-type]


def hooks_of(model: Model) -> int:
    points = model.bridge.hook_dict.values()
    return sum(len(point.fwd_hooks) + len(point._forward_pre_hooks) for point in points)


def test_a_control_is_another_of_nearly_the_same_size_and_the_same_for_the_same_seed() -> None:
    sizes = np.arange(100.0).tolist()
    change = Change("resid_post", 2, 50, 0, "zero")
    controls = {change.control(100, sizes, seed).unit for seed in range(50)}
    assert 50 not in controls and controls <= set(range(45, 56)) and len(controls) > 5
    assert change.control(100, sizes, 3) == change.control(100, sizes, 3)
    assert change.control(100, sizes, 3).layer == 2


def test_where_sizes_are_not_known_a_control_is_any_other() -> None:
    change = Change("attention", 2, 0, 0, "unattend")
    assert {change.control(40, None, seed).unit for seed in range(400)} == set(range(1, 40))
    assert {Change("mlp_out", 1, None, 0, "drop").control(6, None, seed).layer for seed in range(99)} == {0, 2, 3, 4, 5}
    with pytest.raises(InputError, match="no other of its kind"):
        change.control(1, None, 0)


def test_only_dims_of_a_scan_and_neurons_have_sizes(planted: Model) -> None:
    kinds = {kind: Change(kind, 1, 0, 0, "zero") for kind in ("resid_post", "neuron", "attention")}
    known = {kind: sizes_of(planted, change, None) for kind, change in kinds.items()}
    assert known["resid_post"] is None and known["attention"] is None
    assert len(known["neuron"] or ()) == planted.shape.d_mlp
    assert sizes_of(planted, kinds["resid_post"], [1.0, 2.0]) == [1.0, 2.0]
    assert sizes_of(planted, kinds["attention"], [1.0, 2.0]) is None


def test_a_controls_size_is_said_beside_the_changes_own() -> None:
    change, control = (Change("resid_post", 2, unit, 0, "zero") for unit in (0, 1))
    said = said_of(change, control, [28616.2, 449.1])
    assert said == "The control is one of the 10 nearest in size: largest |x| 449, beside 28,616."
    assert "not known" in said_of(change, control, None)


def test_an_unloadable_model_is_refused_in_a_sentence() -> None:
    failed = ended(Jobs().submit("scan", lambda job: work.model_of(job, "no/such-model")))
    assert failed.state == "failed" and "no/such-model" in failed.error


def test_a_change_and_its_control_are_measured_beside_the_unmodified_model(tiny_folder: Path) -> None:
    card, change = load_model(tiny_folder, device="cpu").card, Change("resid_post", 1, 3, 0, "zero")
    compare = lambda job: changing.compare(job, card, str(tiny_folder), "w5 w6 w7", change, 0, None)  # noqa: E731
    job = ended(Jobs().submit("change", compare))
    assert job.state == "done", job.error
    baseline, changed, control = job.result.ways
    assert baseline.kl == pytest.approx(0, abs=1e-6) and changed.kl > 0 and control.kl > 0
    assert changed.name == "dim 3 of layer 1 zeroed at token 0" and control.name != changed.name
    assert len({baseline.loss, changed.loss, control.loss}) == 3

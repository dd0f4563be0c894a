"""Scans on a Ray cluster, which is started on this machine: the evidence is that of a scan in one process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_going_on import assert_same

from inspector import Report, examine
from inspector import cluster as clusters
from inspector.batches import Batch
from inspector.detectors.massive.detector import Massive
from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.progress import Progress
from inspector.scan import Checkpoints, blocks
from inspector.scan.on_ray import OnRay, Workers
from inspector.sites import Site
from inspector.testing import PlantedSpike, planted_model, random_texts

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TEXTS = random_texts(60, 20, 60, trigger=7)
HOW: dict[str, Any] = {"batch_tokens": 120, "sample": 8}
LOAD = partial(planted_model, [PlantedSpike(2, 5)])


class Mortal(Massive):
    """Kills its process when it sees a text, the first time, or always."""

    def __init__(self, marker: Path, text: int, *, always: bool = False) -> None:
        self.marker, self.text, self.always = marker, text, always

    def reducer(self, model: Model) -> Any:
        made = super().reducer(model)
        update = made.update

        def mortal(batch: Batch, site: Site, x: Any) -> None:
            if self.text in batch.text.tolist() and site.layer == 2 and (self.always or not self.marker.exists()):
                self.marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            update(batch, site, x)

        made.update = mortal  # type: ignore[method-assign]
        return made


def failing() -> Model:
    raise OSError("no weights on this machine")


CONNECT = """
import sys
from inspector.cluster import Workers, cluster
import ray  # before it is told of a token
for address, cpus in ((sys.argv[1], 3.0), (None, 1.0)):
    with cluster(address, Workers(1)) as connected:
        assert connected.cluster_resources()["CPU"] == cpus, (address, connected.cluster_resources())
"""


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_a_cluster_of_this_machine_is_reached_by_its_address_with_and_without_a_token(
    tmp_path: Path, mode: str
) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {"HOME": str(tmp_path)}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}", "--num-cpus=3"]
    options = ["--include-dashboard=false", "--disable-usage-stats", "--block"]
    with (tmp_path / "log").open("w") as log:
        of_head = {**env, "RAY_AUTH_MODE": mode}
        head = subprocess.Popen([*command, *options], env=of_head, stdout=log, stderr=log)
    try:
        late = time.monotonic() + 120
        while "Ray runtime started" not in (tmp_path / "log").read_text():
            assert head.poll() is None and time.monotonic() < late, (tmp_path / "log").read_text()
            time.sleep(0.2)
        connect = [sys.executable, "-c", CONNECT, f"127.0.0.1:{port}"]
        done = subprocess.run(connect, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    finally:
        if head.poll() is None:
            for process in (*psutil.Process(head.pid).children(recursive=True), head):
                process.kill()
            head.wait(30)


@pytest.fixture(scope="module")
def model() -> Model:
    return LOAD()


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One for all tests: starting it takes seconds. Its workers find this file, however pytest was called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "TOKENS", 400)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        with clusters.cluster(None, Workers(2)):
            yield


@pytest.fixture(scope="module")
def whole(model: Model) -> Report:
    return examine(model, TEXTS, ["massive"], **HOW)


@pytest.mark.parametrize("count", [1, 2])
def test_workers_find_what_one_process_finds_to_the_last_bit(model: Model, whole: Report, count: int) -> None:
    tokens: list[int] = []
    engine, progress = OnRay(LOAD, Workers(count)), Progress(lambda name, done, total: tokens.append(done))
    assert_same(examine(model, TEXTS, ["massive"], engine=engine, progress=progress, **HOW), whole)
    assert sum(tokens) == sum(map(len, TEXTS))


def test_a_killed_workers_block_is_measured_once_more_and_counted_once(
    model: Model, whole: Report, tmp_path: Path
) -> None:
    mortal = Mortal(tmp_path / "killed", 30)
    report = examine(model, TEXTS, [mortal], engine=OnRay(LOAD), **HOW)
    assert mortal.marker.exists()
    assert_same(report, whole)


def test_a_block_that_kills_every_worker_ends_the_scan_in_one_line(model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Two workers died at texts \d+ to \d+: [^\n]*$"):
        examine(model, TEXTS, [Mortal(tmp_path / "killed", 30, always=True)], engine=OnRay(LOAD), **HOW)


def test_a_worker_that_always_raises_ends_the_scan_in_one_line(model: Model) -> None:
    with pytest.raises(ModelError, match=r"^A worker can't load the model: [^\n]*no weights on this machine[^\n]*$"):
        examine(model, TEXTS, ["massive"], engine=OnRay(failing), **HOW)


def test_other_weights_or_libraries_are_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="A worker has weights"):
        examine(model, TEXTS, ["massive"], engine=OnRay(partial(planted_model, seed=1)), **HOW)
    mine = clusters.traits_of(model)
    monkeypatch.setattr(clusters, "traits_of", lambda model: {**mine, "numpy": "0.1"})
    with pytest.raises(ModelError, match=r"A worker has numpy [\d.]+, and here it is 0\.1\. Install the same"):
        examine(model, TEXTS, ["massive"], engine=OnRay(LOAD), **HOW)


def test_more_workers_than_the_cluster_has_room_for_are_refused(model: Model) -> None:
    with pytest.raises(InputError, match=r"3 workers with 1 CPU each were asked for, and the cluster has 2\."):
        examine(model, TEXTS, ["massive"], engine=OnRay(LOAD, Workers(3)), **HOW)
    with pytest.raises(InputError, match=r"2 workers with 1 GPU each"):
        examine(model, TEXTS, ["massive"], engine=OnRay(LOAD, Workers(2, gpus=1.0)), **HOW)


def test_an_interrupted_driver_leaves_no_worker_and_goes_on(model: Model, whole: Report, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, minutes=0)
    done: list[int] = []

    def listener(name: str, count: int, total: int | None) -> None:
        done.extend([count] if count else [])
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(model, TEXTS, ["massive"], engine=OnRay(LOAD), checkpoints=kept, progress=Progress(listener), **HOW)
    deadline = time.monotonic() + 30
    while ray.available_resources().get("CPU", 0.0) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ray.available_resources()["CPU"] == 2
    assert (tmp_path / "state.json").exists()
    assert_same(examine(model, TEXTS, ["massive"], engine=OnRay(LOAD), checkpoints=kept, **HOW), whole)

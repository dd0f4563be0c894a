"""A verification whose passes are measured by workers of a Ray cluster has the effects of one in one process."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inspector import examine, verify
from inspector.cluster import Workers, cluster
from inspector.errors import ModelError
from inspector.models import Model
from inspector.progress import Progress
from inspector.testing import PlantedSpike, planted_model, random_texts
from inspector.verification.on_ray import PassesOnRay
from inspector.verification.text_bench import TextBench

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TEXTS = random_texts(32, 64, 70, trigger=7)
LOAD = partial(planted_model, [PlantedSpike(2, 5)])


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        with cluster(None, Workers(2)):
            yield


def load_mortal(marker: Path) -> Model:
    """A worker's model; the worker dies at its first pass, the first time."""
    whole = TextBench.outcome

    def outcome(self: TextBench, *what: Any) -> Any:
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, *what)

    TextBench.outcome = outcome  # type: ignore[method-assign]  # in the worker's process
    return LOAD()


def test_effects_and_verdicts_are_those_of_one_process_though_a_worker_is_killed(tmp_path: Path) -> None:
    model = LOAD()
    report = examine(model, TEXTS, ["massive"])
    alone, said = verify(report, model, TEXTS, twins=20), list[str]()
    mortal = PassesOnRay(partial(load_mortal, tmp_path / "killed"), says=said.append)
    helped = verify(report, model, TEXTS, twins=20, folder=tmp_path, engine=mortal)
    assert alone.effects and helped.effects == alone.effects and helped.verdicts == alone.verdicts
    assert len(said) == 1 and said[0].startswith("A worker died at a pass for 'massive'")
    again = verify(report, model, TEXTS, twins=20, folder=tmp_path, engine=PassesOnRay(partial(planted_model, seed=1)))
    assert again.effects == alone.effects  # nothing was left to measure, so no worker was made
    with pytest.raises(ModelError, match="A worker has weights"):
        verify(report, model, TEXTS, twins=20, engine=PassesOnRay(partial(planted_model, seed=1)))


def test_one_worker_goes_on_after_its_driver_was_interrupted(tmp_path: Path) -> None:
    model = LOAD()
    report = examine(model, TEXTS, ["massive"])
    alone, ahead, done = verify(report, model, TEXTS, twins=20), list[int | None](), list[int]()

    def listener(name: str, count: int, total: int | None) -> None:
        if name == "measuring" and not count:
            ahead.append(total)
        elif name == "measuring":
            done.append(count)
            if len(done) == 3:
                raise KeyboardInterrupt

    how: dict[str, Any] = {"twins": 20, "folder": tmp_path, "progress": Progress(listener)}
    with pytest.raises(KeyboardInterrupt):
        verify(report, model, TEXTS, engine=PassesOnRay(LOAD, Workers(1)), **how)
    again = verify(report, model, TEXTS, engine=PassesOnRay(LOAD, Workers(1)), **how)
    assert again.effects == alone.effects and again.verdicts == alone.verdicts
    first, second = ahead[:2]
    assert first is not None and second is not None and second <= first - 3  # a forecast's passes are kept as well

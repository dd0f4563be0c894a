"""A scan that was killed goes on and ends as one that never was; one that runs out of memory uses smaller batches."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_cli import Command
from fixtures_tiny import with_words

from inspector import Report, examine, models, open_run
from inspector.batches import Batch
from inspector.detectors.massive.detector import Massive
from inspector.detectors.massive.reducer import MassiveReducer
from inspector.errors import InputError, RunError
from inspector.models import Model
from inspector.models.observe import Forecast
from inspector.progress import Progress
from inspector.scan import Checkpoints, blocks, meter
from inspector.sites import Site
from inspector.testing import PlantedSpike, planted_model, random_texts

TEXTS = random_texts(40, 20, 60, trigger=7)
HOW: dict[str, Any] = {"detectors": ["massive"], "batch_tokens": 120, "sample": 8}


class Killed(BaseException):
    """What nothing catches, like the end of a process."""


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model([PlantedSpike(2, 5)])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "TOKENS", 400)


def assert_same(one: Report, other: Report) -> None:
    """To the last bit."""
    assert one.settings == other.settings and one.findings == other.findings and one.notes == other.notes
    for name, evidence in one.evidence.items():
        for array, values in evidence.arrays.items():
            assert values.tobytes() == other.evidence[name][array].tobytes(), f"{name}.{array}"
    assert all(np.array_equal(column, other.tokens[name]) for name, column in one.tokens.items())


def killed_after(batches: int) -> Progress:
    """Progress that ends the process, as it were, after so many batches."""
    seen: list[int] = []

    def listener(name: str, done: int, total: int | None) -> None:
        seen.extend([done] if done else [])
        if len(seen) > batches:
            raise Killed

    return Progress(listener)


@pytest.mark.parametrize("batches", [0, 2, 11])
def test_what_was_stopped_goes_on_and_ends_as_if_it_never_was(model: Model, tmp_path: Path, batches: int) -> None:
    whole, kept = examine(model, TEXTS, **HOW), Checkpoints(tmp_path, minutes=0)
    with pytest.raises(Killed):
        examine(model, TEXTS, **HOW, checkpoints=kept, progress=killed_after(batches))
    tokens: list[int] = []
    again = Progress(lambda name, done, total: tokens.append(done))
    assert_same(examine(model, TEXTS, **HOW, checkpoints=kept, progress=again), whole)
    assert sum(tokens) == sum(map(len, TEXTS))


def test_what_is_measured_is_not_measured_again(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoints(tmp_path, minutes=0)
    with pytest.raises(Killed):
        examine(model, TEXTS, **HOW, checkpoints=kept, progress=killed_after(9))
    seen: set[int] = set()
    hear_batches(monkeypatch, lambda batch: seen.update(batch.text.tolist()))
    examine(model, TEXTS, **HOW, checkpoints=kept)
    assert 0 < len(seen) < len(TEXTS) - 9


def hear_batches(monkeypatch: pytest.MonkeyPatch, on_batch: Callable[[Batch], object]) -> None:
    """Hear of every batch that the detector sees."""
    update = MassiveReducer.update

    def heard(self: MassiveReducer, batch: Batch, site: Site, x: Any) -> None:
        on_batch(batch)
        update(self, batch, site, x)

    monkeypatch.setattr(MassiveReducer, "update", heard)


def test_other_texts_or_options_are_not_gone_on_with(model: Model, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, minutes=0)
    with pytest.raises(Killed):
        examine(model, TEXTS, **HOW, checkpoints=kept, progress=killed_after(1))
    with pytest.raises(InputError, match="not those that this scan began with"):
        examine(model, TEXTS[::-1], **HOW, checkpoints=kept)
    with pytest.raises(RunError, match="other options"):
        examine(model, TEXTS, **{**HOW, "batch_tokens": 60}, checkpoints=kept)
    (tmp_path / "state.json").write_text('"at-0"')
    with pytest.raises(RunError, match="damaged"):
        examine(model, TEXTS, **HOW, checkpoints=kept)


class Hungry(Massive):
    """Runs out of memory on batches of more than so many tokens."""

    most = 150

    def __init__(self, error: Exception) -> None:
        self.error = error

    def reducer(self, model: Model) -> Any:
        made, error, most = super().reducer(model), self.error, self.most
        update = made.update

        def hungry(batch: Batch, site: Site, x: Any) -> None:
            if site.layer == 3 and batch.ids.numel() > most:
                raise error
            update(batch, site, x)

        made.update = hungry  # type: ignore[method-assign]
        return made


OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_out_of_memory_halves_the_batch_says_so_and_counts_nothing_twice(model: Model, error: Exception) -> None:
    said: list[str] = []
    report = examine(model, TEXTS, [Hungry(error)], batch_tokens=1000, on_message=said.append)
    assert not report.notes and 1 <= len(said) <= 4 and all(one.startswith("Out of memory") for one in said)
    plain = examine(model, TEXTS, ["massive"], batch_tokens=1000)
    for name in ("histogram", "nonfinite", "normed_tokens", "text"):
        assert report.evidence["massive"][name].sum() == plain.evidence["massive"][name].sum()
    assert report.frame("massive.layers")["n_flagged"].tolist() == plain.frame("massive.layers")["n_flagged"].tolist()


def test_a_text_that_fits_in_no_batch_is_said_in_one_line(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hungry, "most", 30)
    with pytest.raises(InputError, match=r"alone in its batch\. Use a smaller window"):
        examine(model, TEXTS, [Hungry(MemoryError())])


def test_another_error_is_nobodys_lack_of_memory(model: Model) -> None:
    report = examine(model, TEXTS[:2], [Hungry(ValueError("no")), "sinks"], batch_tokens=1000, sample=1)
    assert list(report.evidence) == ["massive", "sinks", "sinks.random", "sinks.repeated"]
    with pytest.raises(Exception, match="failed in update"):
        examine(model, TEXTS, [Hungry(ValueError("no"))], batch_tokens=1000)


def test_the_forecast_is_made_again_from_what_was_measured(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "SOON", 0.0)
    plans: list[Forecast] = []
    said: list[str] = []
    examine(model, TEXTS, **HOW, on_forecast=plans.append, on_message=said.append)
    first, second = plans
    assert first.seconds is None and not first.exact and second.seconds is not None and second.seconds > 0
    whole = sum(map(len, TEXTS))
    assert abs(first.tokens - whole) < 0.3 * whole and "minutes in all" in str(second)
    assert len(said) == 1 and said[0].startswith("Took ")


SCAN = """
import sys
from inspector.scan import blocks
blocks.TOKENS = 400
from fixtures_tiny import with_words
from inspector import models
from inspector.testing import planted_model
models.load_model = lambda *names, **options: with_words(planted_model())
from inspector.cli.main import main
main()
"""


@pytest.mark.slow
def test_the_same_command_goes_on_after_a_kill(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "texts.csv"
    rows = [" ".join(f"w{i}" for i in text) for text in random_texts(200, 20, 60)]
    file.write_text("text\n" + "\n".join(rows) + "\n")
    options = ["examine", "--file", str(file), "--sample", "8", "--batch-tokens", "120", "--detectors", "massive"]
    options += ["--checkpoint-minutes", "0", "--quiet"]
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", SCAN, *options, "--out", str(run)], env={**os.environ})
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".run-*.working/at-*/whole/massive.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not run.exists() and list(tmp_path.glob(".run-*.working/state.json"))
    monkeypatch.setattr(models, "load_model", lambda *names, **options: with_words(planted_model()))
    for out in (run, tmp_path / "whole"):
        assert command(*options, "--out", str(out)).code == 0
    assert_same(open_run(run), open_run(tmp_path / "whole"))
    assert not list(tmp_path.glob(".run-*"))

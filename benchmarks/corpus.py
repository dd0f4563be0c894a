"""A Parquet corpus scanned whole, in 4 shards, by Ray with a worker killed, and killed half way and started again.

Every scan is the command `inspector examine` in a process of its own, of a tiny model with planted phenomena. Each
run's evidence is set beside that of the whole scan, array by array.

    python -m benchmarks.corpus [--tokens 1000000]
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from inspector import open_run
from inspector.testing import TRIGGER, PlantedSink, PlantedSpike, planted_model
from inspector.testing.planted import VOCAB

SHARDS = 4
EVERY = 0.05
"""Seconds between two looks at a process."""
COMMAND = [sys.executable, "-m", "inspector.cli.main"]


@dataclass(frozen=True)
class Outcome:
    """A run that was made.

    Args:
        run: its folder.
        seconds: that its commands took together.
        peak: bytes of memory that the largest of their processes held.
        size: bytes of the run on disk.
    """

    run: Path
    seconds: float
    peak: int
    size: int


@dataclass(frozen=True)
class Compared:
    """A run's evidence beside another's: arrays in all, those equal to the last bit, and how far the others are apart.

    `apart` is the largest difference within an array, over its largest number.
    """

    arrays: int
    equal: int
    apart: float


def make_corpus(path: Path, tokens: int) -> None:
    """Texts of 32 to 200 random tokens, so many in all, that begin with the planted trigger."""
    rng = np.random.default_rng(0)
    texts: list[list[int]] = []
    while tokens:
        size = min(tokens, int(rng.integers(32, 201)))
        texts.append([TRIGGER, *rng.integers(TRIGGER + 1, VOCAB, size - 1).tolist()])
        tokens -= size
    pq.write_table(pa.table({"ids": texts}), path)


def make_model(folder: Path) -> None:
    """A tiny GPT-2 with a spike and a sink, and a tokenizer, which a folder must have: a word for each token."""
    planted_model([PlantedSpike(2, 5)], [PlantedSink(1, 2)]).release().save_pretrained(folder)
    words = Tokenizer(WordLevel({f"w{number}": number for number in range(VOCAB)}, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0").save_pretrained(folder)


@dataclass(frozen=True)
class Scans:
    """The corpus and the model in a folder, and the ways in which one is scanned with the other."""

    folder: Path

    def whole(self) -> Outcome:
        """In one command."""
        return self._outcome("whole", [self._examine("whole")])

    def sharded(self) -> Outcome:
        """In shards, one after another, which are merged."""
        names = [f"shard-{n}" for n in range(1, SHARDS + 1)]
        parts = [self._examine(name, "--shard", f"{n}/{SHARDS}") for n, name in enumerate(names, 1)]
        merge = [*COMMAND, "merge", *(str(self.folder / name) for name in names), "--out", str(self.folder / "merged")]
        return self._outcome("merged", [*parts, [*merge, "--quiet"]])

    def by_ray(self) -> Outcome:
        """By two workers of a Ray cluster, one of which is killed once half of the tokens are measured."""

        def kill_a_worker(process: psutil.Process) -> None:
            workers = [one for one in process.children(recursive=True) if one.name().startswith("ray::Worker")]
            workers[0].send_signal(signal.SIGKILL)

        return self._outcome("ray", [self._examine("ray", "--engine", "ray", "--workers", "2")], kill_a_worker)

    def killed(self) -> Outcome:
        """In one command that is killed once half of the tokens are measured, and given again."""

        def kill(process: psutil.Process) -> None:
            process.send_signal(signal.SIGKILL)

        return self._outcome("killed", [self._examine("killed")] * 2, kill)

    def _examine(self, out: str, *more: str) -> list[str]:
        place = {"--model": "model", "--file": "corpus.parquet", "--out": out}
        where = [part for option, name in place.items() for part in (option, str(self.folder / name))]
        how = ["--column", "ids", "--checkpoint-minutes", "0.02", "--device", "cpu", "--quiet"]
        return [*COMMAND, "examine", *where, *how, *more]

    def _outcome(
        self, out: str, commands: list[list[str]], half_way: Callable[[psutil.Process], None] | None = None
    ) -> Outcome:
        """Run the commands one after another; `half_way` is done to the first."""
        start, peak = time.perf_counter(), 0
        for number, command in enumerate(commands):
            peak = max(peak, self._ran(command, out, None if number else half_way))
        run = self.folder / out
        size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
        return Outcome(run, time.perf_counter() - start, peak, size)

    def _ran(self, command: list[str], out: str, half_way: Callable[[psutil.Process], None] | None) -> int:
        """The most memory that one of a command's processes held; `half_way` is done once half is measured.

        Raises:
            RuntimeError: it failed by itself, or was done before half of it was seen.
        """
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        peak, killed, waiting = 0, False, half_way
        while process.poll() is None:
            peak = max(peak, _memory(process))
            if waiting is not None and self._measured(out) >= 0.5 * self.tokens:
                waiting(process)
                killed, waiting = True, None
            time.sleep(EVERY)
        said = process.stderr.read().decode()
        if waiting is not None or (process.returncode and not (killed and process.returncode == -signal.SIGKILL)):
            raise RuntimeError(f"{' '.join(command)}: {process.returncode}: {said[-500:]}")
        return peak

    @property
    def tokens(self) -> int:
        """Of the corpus."""
        return len(pq.read_table(self.folder / "corpus.parquet")["ids"].combine_chunks().flatten())

    def _measured(self, out: str) -> int:
        """Tokens of the blocks that are done by the last checkpoint of a scan."""
        for state in self.folder.glob(f".{out}*.working/state.json"):
            try:
                latest = state.parent / json.loads(state.read_text())
                return int(json.loads((latest / "about.json").read_text())["counts"]["tokens"])
            except (OSError, ValueError):  # it is being replaced
                continue
        return 0


def _memory(process: psutil.Process) -> int:
    held = 0
    for one in (process, *_children(process)):
        try:
            held = max(held, one.memory_info().rss)
        except psutil.Error:  # it has ended
            continue
    return held


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def compared(one: Path, other: Path) -> Compared:
    """The evidence of two runs."""
    first, second = open_run(one), open_run(other)
    arrays, equal, apart = 0, 0, 0.0
    for name, evidence in first.evidence.items():
        for array, values in evidence.arrays.items():
            got = second.evidence[name][array]
            arrays += 1
            if values.dtype == got.dtype and values.tobytes() == got.tobytes():
                equal += 1
            else:
                scale = float(np.nanmax(np.abs(values), initial=0)) or 1.0
                apart = max(apart, float(np.nanmax(np.abs(got.astype(float) - values), initial=0)) / scale)
    return Compared(arrays, equal, apart)


def main() -> None:
    """Scan in every way, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        scans = Scans(Path(place))
        make_corpus(scans.folder / "corpus.parquet", options.tokens)
        make_model(scans.folder / "model")
        print("| scan | seconds | memory of a process | run on disk | arrays equal to the bit | others apart by |")
        print("| --- | --- | --- | --- | --- | --- |")
        whole = None
        for way in (scans.whole, scans.sharded, scans.by_ray, scans.killed):
            got = way()
            whole = whole or got
            beside = compared(whole.run, got.run)
            print(
                f"| {way.__name__} | {got.seconds:.0f} | {got.peak / 1e6:,.0f} MB | {got.size / 1e6:.1f} MB | "
                f"{beside.equal} of {beside.arrays} | {beside.apart:.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What a scan has measured so far, on disk: the same command after a kill goes on from there.

A checkpoint is a folder of its own beside the last one, and the last is removed once the new one is whole: whenever
the process is killed, one of them is. Blocks and batches follow from the corpus and the batch size alone, so that a
scan that went on adds up the same numbers in the same order as one that never stopped.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from inspector.batches import TokenSequence
from inspector.errors import InputError, RunError
from inspector.places import write_whole
from inspector.records import Evidence
from inspector.run.arrays import read_evidence, write_evidence
from inspector.scan.blocks import Block, Counts
from inspector.scan.passes import Passes

MINUTES = 3.0
"""Between two checkpoints."""
STATE = "state.json"


@dataclass(frozen=True)
class Checkpoints:
    """Where a scan keeps what it has measured, and how often.

    Args:
        folder: for nothing else; what is in it is gone on from.
        minutes: between two checkpoints.
    """

    folder: Path
    minutes: float | int = MINUTES


@dataclass
class Progressed:
    """How far a scan is.

    Args:
        whole: evidence of the blocks that are done.
        part: evidence of the block that isn't.
        rows: the sequences whose tokens are kept.
        counts: what was read of the blocks that are done.
        number: of the block that comes next.
        at: where it begins: numbers of a text and of a sequence.
        done: how many of its sequences, the longest first, are measured.
        digest: of its tokens, once one is.
        tokens: of a batch.
        faults: of detectors, in sentences.
        failed: names of the detectors that failed.
        scan: what tells this scan from one with other options.
    """

    whole: dict[str, Evidence] = field(default_factory=dict)
    part: dict[str, Evidence] = field(default_factory=dict)
    rows: list[TokenSequence] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    number: int = 0
    at: tuple[int, int] | None = None
    done: int = 0
    digest: str = ""
    tokens: int = 0
    faults: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    scan: str = ""

    def refuse_changed(self, block: Block) -> None:
        """Check that the block that it stopped in is the same.

        Raises:
            InputError: it isn't.
        """
        if self.done and digest_of(block) != self.digest:
            raise InputError(
                "The texts are not those that this scan began with. Give the same ones, or another --out; "
                "`inspector runs FOLDER --remove NAME` removes what was kept."
            )


def digest_of(block: Block) -> str:
    """What tells a block's tokens from others."""
    digest = hashlib.sha256()
    for row in block.rows:
        digest.update(np.array([row.text, row.source, row.start, *row.ids], dtype=np.int64).tobytes())
    return digest.hexdigest()


class Keeper:
    """Writes checkpoints when it is time; without a place it never is.

    Args:
        checkpoints: where and how often.
        passes: of the scan.
        scan: what tells it from one with other options.
    """

    def __init__(self, checkpoints: Checkpoints | None, passes: Passes, scan: str) -> None:
        self.kept, self.passes, self.scan = checkpoints, passes, scan
        self.last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for one."""
        return self.kept is not None and time.monotonic() - self.last >= 60 * self.kept.minutes

    def save(self, progressed: Progressed) -> None:
        """Write one.

        Raises:
            RunError: it can't be written.
        """
        if self.kept is None:
            return
        progressed.tokens, progressed.scan = self.passes.budget.tokens, self.scan
        progressed.faults, progressed.failed = list(self.passes.faults), sorted(self.passes.failed)
        names = [path.name for path in self.kept.folder.glob("at-*")]
        folder = self.kept.folder / f"at-{1 + max((int(name[3:]) for name in names), default=0)}"
        try:
            folder.mkdir()
            _write(folder, progressed)
            write_whole(self.kept.folder / STATE, json.dumps(folder.name))
            for name in names:
                shutil.rmtree(self.kept.folder / name, ignore_errors=True)
        except OSError as error:
            raise RunError(f"'{folder}' can't be written: {error.strerror or error}. Make room on the disk.") from error
        self.last = time.monotonic()

    def found(self) -> Progressed | None:
        """How far an earlier, stopped scan came; None where there was none.

        Raises:
            RunError: what it left can't be read.
        """
        if self.kept is None or not (self.kept.folder / STATE).exists():
            return None
        try:
            found = _read(self.kept.folder / json.loads((self.kept.folder / STATE).read_text(encoding="utf-8")))
            if found.scan != self.scan:
                raise RunError(f"'{self.kept.folder}' keeps a scan with other options. Choose another folder.")
            return found
        except (OSError, ValueError, KeyError, TypeError) as error:
            where = self.kept.folder
            raise RunError(f"What '{where}' keeps of a stopped scan is damaged. Remove it and scan again.") from error


EVIDENCE = ("whole", "part")


def _write(folder: Path, progressed: Progressed) -> None:
    about = {name: value for name, value in vars(progressed).items() if name not in (*EVIDENCE, "rows", "counts")}
    about |= {"counts": asdict(progressed.counts)}
    for kind in EVIDENCE:
        (folder / kind).mkdir()
        for name, evidence in getattr(progressed, kind).items():
            write_evidence(evidence, folder / kind / f"{name}.safetensors")
    save_file(_as_arrays(progressed.rows), folder / "rows.safetensors")
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _read(folder: Path) -> Progressed:
    about: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    about |= {kind: {p.stem: owned(read_evidence(p)) for p in sorted((folder / kind).iterdir())} for kind in EVIDENCE}
    rows = _from_arrays(load_file(folder / "rows.safetensors"))
    at = about.pop("at")
    counts = Counts(**about.pop("counts"))
    return Progressed(rows=rows, counts=counts, at=None if at is None else (at[0], at[1]), **about)


def owned(evidence: Evidence) -> Evidence:
    """The evidence in this process's memory, whatever becomes of the file or the store that it lies in."""
    arrays = {name: np.array(array) for name, array in evidence.arrays.items()}
    return Evidence(evidence.detector, arrays, evidence.axes, evidence.combine, evidence.facts)


def _as_arrays(rows: Sequence[TokenSequence]) -> dict[str, np.ndarray]:
    columns = {name: np.array([getattr(row, name) for row in rows], np.int64) for name in ("text", "source", "start")}
    lengths = np.array([len(row.ids) for row in rows], np.int64)
    return {**columns, "length": lengths, "ids": np.array([i for row in rows for i in row.ids], np.int64)}


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> list[TokenSequence]:
    ends, ids = np.cumsum(arrays["length"]), arrays["ids"].tolist()
    columns = [*(arrays[name] for name in ("text", "source", "start")), ends - arrays["length"], ends]
    places = zip(*(column.tolist() for column in columns), strict=True)
    return [TokenSequence(text, source, start, tuple(ids[a:b])) for text, source, start, a, b in places]

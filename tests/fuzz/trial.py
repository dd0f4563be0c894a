"""One damaged run opened, and used where it opens: how that went."""

import random
import resource
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fuzz.damage import damaged
from fuzz.use import PartFailed, everything

from inspector import open_run
from inspector.errors import RunError

SECONDS, BYTES = 2.0, 1 << 30
"""What opening may take; all that follows may take ten times as long."""
LONGEST = 300


@dataclass(frozen=True)
class Outcome:
    """How it went: `refused`, `whole`, or what else happened, in a line that is the same for the same fault."""

    seed: int
    run: str
    damage: str
    how: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the run was refused in one line, or all of it works."""
        return self.how in ("refused", "whole")


class Late(BaseException):
    """It took too long."""


def trial(runs: list[Path], seed: int, scratch: Path, used: float = 1.0) -> Outcome:
    """Damage one of these runs by a seed, open it, and use it: of those that open this share, as drawing takes long."""
    rng = random.Random(seed)
    source = rng.choice(runs)
    run = scratch / "run"
    shutil.copytree(source, run, symlinks=True)
    try:
        how = damaged(run, rng)
        started = time.perf_counter()
        result, detail = _outcome(run, use=rng.random() < used)
        return Outcome(seed, source.name, how, result, detail, time.perf_counter() - started)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()


def _outcome(run: Path, *, use: bool) -> tuple[str, str]:
    try:
        with _limited(SECONDS):
            report = open_run(run)
    except RunError as error:
        said = str(error)
        fit = said.isprintable() and len(said) <= LONGEST
        return ("refused", said) if fit else ("a message that is long or not printable", said[:400])
    except BaseException as error:  # whatever it is, it is what this looks for
        return f"opening: {_named(error)}", _trace(error)
    try:
        with _limited(10 * SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if use:
                everything(report)
    except BaseException as error:
        return f"using: {_named(error)}", _trace(error)
    return "whole", ""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Stops what needs more of the processor's time, waits ten times as long, or needs more memory; on Linux."""

    def late(number: int, frame: object) -> None:
        raise Late(f"longer than {seconds:g} s")

    timers = {signal.ITIMER_PROF: (signal.SIGPROF, seconds), signal.ITIMER_REAL: (signal.SIGALRM, 10 * seconds)}
    before = {number: signal.signal(number, late) for number, _ in timers.values()}
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, limits[1]))
    for timer, (_, most) in timers.items():
        signal.setitimer(timer, most)
    try:
        yield
    finally:
        for timer, (number, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _named(error: BaseException) -> str:
    """The fault and where it was first raised, so that the same ones count together."""
    first = error
    while first.__cause__ is not None or first.__context__ is not None:
        first = first.__cause__ or first.__context__  # type: ignore[assignment]
    frames = traceback.extract_tb(first.__traceback__)
    ours = [f for f in frames if "/inspector/" in f.filename] or list(frames)
    where = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "?"
    what = f" ({first})" if isinstance(first, PartFailed) else ""
    return f"{type(first).__name__} in {where}{what}"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-3000:]

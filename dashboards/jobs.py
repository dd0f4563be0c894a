"""Work that needs a model: one worker thread, a queue, and what came of it.

Pages run in many threads at once, and hooks on a model are seen by all of them; so models are used by
one thread only. The worker makes no Streamlit call; pages look at the job that their address names.
"""

import secrets
import threading
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboards.kept import Kept
from inspector.cli.dashboard import JOB_MINUTES, JOB_TOKENS
from inspector.errors import InspectorError
from inspector.progress import Progress

KEPT = 24
"""Jobs remembered after they ended, the latest; a result that is older must be measured again."""

QUEUED = 8
"""Most jobs waiting at once."""

LEFT_AFTER = 60.0
"""Seconds after which work ends that nobody looks at."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Cancelled(BaseException):
    """Nobody wants this work any more; no handler of mistakes on the way may take it for one."""


class TookTooLong(Cancelled):
    """The work took longer than a job may; its message says so."""


@dataclass(frozen=True)
class Limits:
    """What one job may take, as the operator said.

    Args:
        minutes: from its beginning to its end.
        tokens: of all its texts together.
    """

    minutes: float = JOB_MINUTES
    tokens: int = JOB_TOKENS

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens and {self.minutes:g} minutes"


def always(visitor: str) -> bool:
    """Whether a visitor is still there, where nobody can tell."""
    return True


@dataclass(eq=False)
class Job:
    """A piece of work and what is known of it; only the worker and `cancel` write to it.

    `id` can't be guessed: whoever knows it may see the result.

    Args:
        label: what it is, until it says so itself.
        work: takes the job.
        kind: of the work, for the page that shows it.
        of: what its result belongs to, a run for example.
        limits: what it may take.
        is_here: tells whether a visitor, by the name that `look` was given, still has the page open.
    """

    label: str
    work: Callable[["Job"], Any]
    kind: str = ""
    of: str = ""
    limits: Limits = field(default_factory=Limits)
    is_here: Callable[[str], bool] = always
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    doing: str = ""
    done: int = 0
    total: int = 0
    result: Any = None
    error: str = ""
    ended: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    began: float = 0.0
    seen: float = field(default_factory=time.monotonic)
    visitors: set[str] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("done", "failed", "cancelled")

    def step(self, doing: str, done: int = 0, total: int = 0) -> None:
        """Say what is being done, and stop here if the visitor cancelled.

        Raises:
            Cancelled: they did.
        """
        self.check()
        self.doing, self.done, self.total = doing, done, total

    @property
    def progress(self) -> Progress:
        """Where long work reports to; it stops there if the visitor cancelled."""
        return Progress(self._listen)

    def _listen(self, task: str, done: int, total: int | None) -> None:
        self.step(task.capitalize(), self.done + done if done else 0, total or 0)

    def look(self, visitor: str) -> None:
        """A visitor has this on the screen."""
        self.visitors.add(visitor)
        self.seen = time.monotonic()

    def left(self) -> bool:
        """Whether all who looked at it have been gone for a while."""
        if not self.visitors or any(self.is_here(visitor) for visitor in tuple(self.visitors)):
            self.seen = time.monotonic()
        return time.monotonic() - self.seen > LEFT_AFTER

    def check(self) -> None:
        """Stop here if the visitor cancelled or left, or if it takes too long.

        Raises:
            Cancelled: nobody wants it any more.
            TookTooLong: it took longer than a job may.
        """
        if self.stop.is_set() or self.left():
            raise Cancelled
        if self.began and time.monotonic() - self.began > 60 * self.limits.minutes:
            raise TookTooLong(
                f"This took longer than the {self.limits.minutes:g} minutes that a job may take here. Give it less to "
                "do, or run it on the command line."
            )


class Jobs:
    """The queue, its worker, and the jobs that ended.

    Args:
        kept: where results outlive the server; nowhere where None.
        limits: what one job may take.
        is_here: tells whether a visitor still has a page open.
    """

    def __init__(
        self, kept: Kept | None = None, limits: Limits | None = None, is_here: Callable[[str], bool] = always
    ) -> None:
        self.kept, self.limits, self._is_here = kept, limits or Limits(), is_here
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="inspector-worker", daemon=True).start()

    def submit(self, label: str, work: Callable[[Job], Any], kind: str = "", of: str = "") -> Job:
        """Put work at the end of the queue; see `Job` for what it is given.

        Raises:
            InspectorError: the queue is full.
        """
        job = Job(label, work, kind, of, self.limits, self._is_here)
        with self._changed:
            for other in [other for other in self._queue if other.left()]:
                self._drop(other)
            if len(self._queue) >= QUEUED:
                raise InspectorError(f"{QUEUED} jobs are waiting already. Try again in a minute.")
            self._known[job.id] = job
            self._queue.append(job)
            self._forget()
            self._changed.notify()
        return job

    def get(self, identity: str | None) -> Job | None:
        """The job of this id, if it is still known, here or on the disk."""
        with self._changed:
            job = self._known.get(identity or "")
        return job or (None if self.kept is None or identity is None else self._again(self.kept, identity))

    def _again(self, kept: Kept, identity: str) -> Job | None:
        """A job that an earlier server did, or that newer ones took the place of."""
        found = kept.read(identity)
        if found is None:
            return None
        job = Job(found.label, _nothing, found.kind, found.of, id=identity, state="done")
        job.result, job.ended = found.result, found.ended
        with self._changed:
            self._forget()
            return self._known.setdefault(identity, job)

    def place(self, job: Job) -> int:
        """How many jobs come before this one; 0 once it runs."""
        with self._changed:
            ahead = list(self._queue).index(job) if job in self._queue else -1
            busy = any(other.state == "running" for other in self._known.values())
            return 0 if ahead < 0 else ahead + busy

    def cancel(self, job: Job) -> None:
        """End it now, for the visitor; a pass stops at its next layer, a model that is loading when it is loaded."""
        with self._changed:
            self._drop(job)

    def clear(self) -> None:
        """Forget every job that ended, here and on the disk."""
        with self._changed:
            for identity in [identity for identity, job in self._known.items() if job.over]:
                del self._known[identity]
        if self.kept is not None:
            self.kept.clear()

    def _drop(self, job: Job) -> None:
        job.stop.set()
        if job in self._queue:
            self._queue.remove(job)
        if not job.over:
            job.state, job.ended = "cancelled", time.time()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                job = self._queue.popleft()
                job.state, job.began = "running", time.monotonic()
            self._end(job, *_outcome(job))
            if self.kept is not None and job.state == "done":
                self.kept.write(job.id, job.label, job.kind, job.of, job.ended, job.result)

    def _end(self, job: Job, state: State, result: Any, error: str) -> None:
        with self._changed:
            if not job.over:  # the visitor may have cancelled just now
                job.state, job.result, job.error, job.ended = state, result, error, time.time()
            job.work = _nothing  # it holds texts and settings

    def _forget(self) -> None:
        over = [identity for identity, job in self._known.items() if job.over]
        for identity in over[: max(0, len(over) - KEPT)]:
            del self._known[identity]


def _outcome(job: Job) -> tuple[State, Any, str]:
    try:
        return "done", job.work(job), ""
    except TookTooLong as error:
        return "failed", None, str(error)
    except Cancelled:
        return "cancelled", None, "" if job.stop.is_set() else "It ended because nobody looked at it for a minute."
    except InspectorError as error:
        return "failed", None, str(error)
    except Exception as error:
        traceback.print_exc()  # on the server; the visitor gets a sentence
        return "failed", None, f"{type(error).__name__} in '{job.doing or job.label}'. The server's output says more."


def _nothing(job: Job) -> None:
    """In place of work that is over."""

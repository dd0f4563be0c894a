"""Work that needs a model: one worker thread, a queue, and what came of it.

Pages run in many threads at once, and hooks on a model are seen by all of them; so models are used by
one thread only. The worker makes no Streamlit call; pages look at the job that they asked for.
"""

import secrets
import threading
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from inspector.errors import InspectorError
from inspector.progress import Progress

KEPT = 24
"""Jobs remembered after they ended, the latest; a result that is older must be measured again."""

QUEUED = 8
"""Most jobs waiting at once."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Cancelled(Exception):
    """The visitor who asked for this work doesn't want it any more."""


@dataclass(eq=False)
class Job:
    """A piece of work and what is known of it; only the worker and `cancel` write to it.

    `id` can't be guessed: whoever knows it may see the result.
    """

    label: str
    work: Callable[["Job"], Any]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    doing: str = ""
    done: int = 0
    total: int = 0
    result: Any = None
    error: str = ""
    ended: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

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

    def check(self) -> None:
        """Stop here if the visitor cancelled.

        Raises:
            Cancelled: they did.
        """
        if self.stop.is_set():
            raise Cancelled


class Jobs:
    """The queue, its worker, and the jobs that ended."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="inspector-worker", daemon=True).start()

    def submit(self, label: str, work: Callable[[Job], Any]) -> Job:
        """Put work at the end of the queue.

        Raises:
            InspectorError: the queue is full.
        """
        job = Job(label, work)
        with self._changed:
            if len(self._queue) >= QUEUED:
                raise InspectorError(f"{QUEUED} jobs are waiting already. Try again in a minute.")
            self._known[job.id] = job
            self._queue.append(job)
            self._forget()
            self._changed.notify()
        return job

    def get(self, identity: str | None) -> Job | None:
        """The job of this id, if it is still known."""
        with self._changed:
            return self._known.get(identity or "")

    def place(self, job: Job) -> int:
        """How many jobs come before this one; 0 once it runs."""
        with self._changed:
            ahead = list(self._queue).index(job) if job in self._queue else -1
            busy = any(other.state == "running" for other in self._known.values())
            return 0 if ahead < 0 else ahead + busy

    def cancel(self, job: Job) -> None:
        """End it now, for the visitor; a pass stops at its next layer, a model that is loading when it is loaded."""
        with self._changed:
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
                job.state = "running"
            self._end(job, *_outcome(job))

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
    except Cancelled:
        return "cancelled", None, ""
    except InspectorError as error:
        return "failed", None, str(error)
    except Exception as error:
        traceback.print_exc()  # on the server; the visitor gets a sentence
        return "failed", None, f"{type(error).__name__} in '{job.doing or job.label}'. The server's output says more."


def _nothing(job: Job) -> None:
    """In place of work that is over."""

"""Progress of long work: it has tasks, a task may have a size, and whoever does it advances it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

Listener = Callable[[str, int, int | None], object]
"""Hears the name of a task, how much of it was just done (0 when it begins), and its size where it is known."""


def _nobody(name: str, done: int, total: int | None) -> None:
    """Progress that goes unreported."""


@dataclass(frozen=True)
class Task:
    """One part of long work.

    Args:
        name: what is done.
        total: how much there is to do; None where that is not known.
        listener: hears of every advance.
    """

    name: str
    total: int | None = None
    listener: Listener = _nobody

    def advance(self, done: int = 1) -> None:
        """Report that so much more of it is done."""
        if done:
            self.listener(self.name, done, self.total)


@dataclass(frozen=True)
class Progress:
    """Where long work reports to: `Progress(print)` prints each step, `Progress()` says nothing.

    Args:
        listener: called as `listener(task, done, total)`.
    """

    listener: Listener = _nobody

    def task(self, name: str, total: int | None = None) -> Task:
        """Begin a task."""
        self.listener(name, 0, total)
        return Task(name, total, self.listener)


SILENT, UNHEARD = Progress(), Task("")
"""Progress, and a task, of which nobody hears."""


Reported = Progress | Callable[[int], object] | None
"""What a caller may give as progress; a callable that counts works for one more release, with a warning."""


def progress_of(progress: Reported, step: Callable[[str, int, int], object] | None = None) -> Progress:
    """What a caller gave as progress: nothing, a `Progress`, or one of the callables that it replaces."""
    if step is not None:
        warnings.warn("`step=` is now `progress=Progress(step)`.", DeprecationWarning, stacklevel=3)
        old = step
        return Progress(lambda name, done, total: old(name, done, total or 0))
    if progress is None or isinstance(progress, Progress):
        return progress or SILENT
    warnings.warn(
        "`progress` is now an `inspector.progress.Progress`, whose listener takes (task, done, total).",
        DeprecationWarning,
        stacklevel=3,
    )
    count = progress
    return Progress(lambda name, done, total: count(done) if done else None)

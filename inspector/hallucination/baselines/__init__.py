"""Scores that need no neuron, which a probe must beat: a file each, with `BASELINE` in it; no list to add it to."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

from inspector.errors import InputError
from inspector.hallucination.baselines.contract import Baseline, MeasuredScore, Passes, Score, Seen
from inspector.progress import Task

__all__ = ["Baseline", "MeasuredScore", "Passes", "Score", "Seen", "baselines", "measure_all", "with_passes"]


@cache
def baselines() -> tuple[Baseline, ...]:
    """Every baseline, by the name of its file."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return tuple(module.BASELINE for module in modules if hasattr(module, "BASELINE"))


def with_passes() -> tuple[MeasuredScore, ...]:
    """The baselines that take passes of their own."""
    return tuple(one for one in baselines() if isinstance(one, MeasuredScore))


def measure_all(passes: Passes, task: Task) -> tuple[dict[str, np.ndarray], list[str]]:
    """What the baselines with passes of their own measure, by name, and why one that could be known is left out."""
    found, notes = {}, []
    for one in with_passes():
        try:
            values = one.measure(passes)
        except InputError as error:  # an answer of which this one can't be measured
            notes.append(f"{one.name} was left out. {error}")
            values = None
        if values is not None and not np.isfinite(values).all():
            count = int((~np.isfinite(values).reshape(len(values), -1).all(axis=1)).sum())
            notes.append(f"{one.name} was left out: of {count} answers it is NaN or infinite.")
        elif values is not None:
            found[one.name] = values
        task.advance()
    return found, notes

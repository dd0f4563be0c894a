"""Scores that need no neuron, which a probe must beat: a file each, with `BASELINE` in it; no list to add it to."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from inspector.hallucination.baselines.contract import Baseline, Score, Seen

__all__ = ["Baseline", "Score", "Seen", "baselines"]


@cache
def baselines() -> tuple[Baseline, ...]:
    """Every baseline, by the name of its file."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return tuple(module.BASELINE for module in modules if hasattr(module, "BASELINE"))

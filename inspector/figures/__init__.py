"""From DataFrames to plotly figures. A title says what is seen; axes carry units.

The names are imported when they are first used. Beside those that stand here, every public function in the module
`figures` of an installed detector's package is one of ours: `from inspector.figures import life_cycle`.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module, util
from types import ModuleType
from typing import Any

_HOMES = {
    "Drawing": "drawing",
    "Source": "drawing",
    "attention_pattern": "patterns",
    "effect_intervals": "effects",
    "error_over_depth": "two_models",
    "lens_map": "lens",
    "pattern_grid": "patterns",
    "settling": "lens",
    "two_over_depth": "comparison",
    "FONT": "style",
    "MAX_SIDE": "style",
    "rounded": "words",
    "token_label": "style",
    "BLUE": "palette",
    "NEUTRAL": "palette",
    "ORANGE": "palette",
    "VIOLET": "palette",
}
_OLD = {"MASSIVE": "ORANGE", "SINK": "BLUE", "NEURON": "VIOLET"}
"""What these were called when each phenomenon's colour had its name."""


def __getattr__(name: str) -> Any:
    if name in _OLD:
        return getattr(import_module("inspector.figures.palette"), _OLD[name])
    if name in _HOMES:
        return getattr(import_module(f"inspector.figures.{_HOMES[name]}"), name)
    if name == "figures":  # all of a record's figures; its home is above
        return import_module("inspector.show.figures").figures
    if name.startswith("_") or util.find_spec(f"inspector.figures.{name}") is not None:
        raise AttributeError(name)
    for module in _of_detectors():
        if name in _public(module):
            return getattr(module, name)
    raise AttributeError(f"No figure '{name}' in inspector.figures. There are: {', '.join(__dir__())}.")


def __dir__() -> list[str]:
    return sorted({*_HOMES, *(name for module in _of_detectors() for name in _public(module))})


def _of_detectors() -> Iterator[ModuleType]:
    """The modules `figures` of installed detectors' packages, as far as there are any and they load."""
    from importlib.metadata import entry_points

    for entry in sorted(entry_points(group="inspector.detectors"), key=lambda one: one.name):
        package = entry.module.rpartition(".")[0] or entry.module
        try:
            yield import_module(f"{package}.figures")
        except Exception:  # a plugin without figures, or one that is broken: it has none to offer
            continue


def _public(module: ModuleType) -> list[str]:
    """Names of the functions that a module defines, or that `__all__` names."""
    named = getattr(module, "__all__", None)
    if named is not None:
        return list(named)
    found = inspect.getmembers(module, inspect.isfunction)
    return [name for name, one in found if one.__module__ == module.__name__ and not name.startswith("_")]

"""What each part of a detector has to return; another type is that part's failure and nobody else's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.shown import Frame, Spares, TextTable, Tile
from inspector.figures.drawing import Drawing
from inspector.printable import kind_of
from inspector.records import Evidence, Finding, Sentence


def check_returned(part: str, given: Any) -> None:
    """Check what a part returned, where its type is known.

    Raises:
        TypeError: it is of another type; the message says which was expected.
    """
    if part.startswith("frame '"):
        if not isinstance(given, bool | np.bool_ | pd.DataFrame):
            raise TypeError(f"it gave {_said(given)}, not a DataFrame")
    elif part in _CHECKS:
        _CHECKS[part](given)


def _reducer(given: Any) -> None:
    kinds = getattr(given, "kinds", None)
    if isinstance(kinds, str) or not isinstance(kinds, Sequence) or not callable(getattr(given, "update", None)):
        raise TypeError(f"it gave {_said(given)}, not a reducer with kinds, update and evidence")


def _figures(given: Any) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"it gave {_said(given)}, not a mapping of names to Drawings")
    for name, drawing in given.items():
        if not isinstance(name, str) or not isinstance(drawing, Drawing):
            raise TypeError(f"it gave {_said(drawing)} for {str(name)[:40]!r}, not a Drawing")


def _spares(given: Any) -> None:
    if not isinstance(given, Spares):
        raise TypeError(f"it gave {_said(given)}, not Spares")


def _all(of: type) -> Callable[[Any], None]:
    def check(given: Any) -> None:
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(f"it gave {_said(given)}, not a sequence of {of.__name__}")
        for one in given:
            if not isinstance(one, of):
                raise TypeError(f"it gave {_said(one)} among its {of.__name__}s")

    return check


def _findings(given: Any) -> None:
    _all(Finding)(given)
    for one in given:
        for name, value in (("layer", one.layer), ("unit", one.unit), ("position", one.position)):
            if not (isinstance(value, int | np.integer) or (value is None and name != "layer")):
                raise TypeError(f"a finding's {name} is {_said(value)}, not a whole number")


def _evidence(given: Any) -> None:
    if not isinstance(given, Evidence):
        raise TypeError(f"it gave {_said(given)}, not Evidence")
    for name, array in given.arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise TypeError(f"array '{name}' is {_said(array)}, not numbers")


def _controls(given: Any) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"it gave {_said(given)}, not a mapping of names to inputs")


def _frames(given: Any) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"it is {_said(given)}, not a mapping of names to Frames")
    for name, one in given.items():
        if not isinstance(one, Frame):
            raise TypeError(f"'{str(name)[:40]}' is {_said(one)}, not a Frame")


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "reducer": _reducer,
    "controls": _controls,
    "evidence": _evidence,
    "judge": _findings,
    "sentences": _all(Sentence),
    "notes": _all(str),
    "figures": _figures,
    "frames": _frames,
    "text_tables": _all(TextTable),
    "tiles": _all(Tile),
    "spares": _spares,
}
"""By the part's name; parts that aren't here are checked where they are used."""


def _said(given: Any) -> str:
    dtype = f" of {given.dtype}" if isinstance(given, np.ndarray) else ""
    return "nothing" if given is None else f"{kind_of(given)}{dtype}"

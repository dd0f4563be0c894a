"""Thresholds as values: default, range and meaning, from which options, sliders and documentation follow."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from numbers import Real
from typing import Any

from inspector.arguments import meant
from inspector.detectors.base import Judge
from inspector.errors import InputError
from inspector.printable import brief


@dataclass(frozen=True)
class Threshold:
    """One threshold of a detector.

    Args:
        name: the field of the detector's thresholds.
        default: in force where nothing else is chosen.
        meaning: in a sentence, for help and documentation.
        low: the smallest value that it takes.
        high: the largest.
        label: beside a slider; the name where empty.
        steps: the values that a slider offers.
    """

    name: str
    default: float
    meaning: str
    low: float = 0.0
    high: float = math.inf
    label: str = ""
    steps: tuple[float, ...] = ()

    @property
    def range(self) -> str:
        """In words."""
        return f"{self.low:g} or more" if math.isinf(self.high) else f"{self.low:g} to {self.high:g}"


def threshold(
    default: float | int,
    meaning: str,
    *,
    low: float | int = 0.0,
    high: float | int = math.inf,
    label: str = "",
    steps: tuple[float | int, ...] = (),
) -> Any:
    """A field of a detector's frozen dataclass of thresholds; see `Threshold`."""
    about = {"meaning": meaning, "low": low, "high": high, "label": label, "steps": tuple(map(float, steps))}
    return field(default=float(default), metadata={"threshold": about})


def thresholds_of(judge: Judge) -> tuple[Threshold, ...]:
    """A detector's thresholds; none where it has none, or keeps them as keyword arguments of `judge`."""
    kind = getattr(judge, "thresholds", None)
    return () if kind is None else tuple(_threshold(one) for one in fields(kind))


def _threshold(one: Any) -> Threshold:
    default = 0.0 if one.default is MISSING else float(one.default)
    return Threshold(one.name, default, **one.metadata.get("threshold", {"meaning": ""}))


def in_force(judge: Judge, chosen: Mapping[str, Any]) -> Any:
    """The thresholds that `judge` gets: the detector's own class, or the chosen ones as a dictionary.

    Raises:
        InputError: one that the detector doesn't have, or a value that it doesn't take.
    """
    kind, numbers = getattr(judge, "thresholds", None), _numbers(judge.name, chosen)
    if kind is None:
        return numbers
    known = {one.name: one for one in thresholds_of(judge)}
    for name, value in numbers.items():
        if name not in known:
            raise InputError(_unknown(judge.name, name, list(known)))
        if not known[name].low <= value <= known[name].high:
            raise InputError(f"Threshold {judge.name}.{name} is {value:g}. Use {known[name].range}.")
    return kind(**numbers)


def judged(judge: Judge, evidence: Any, names: Any, chosen: Mapping[str, Any]) -> list[Any]:
    """A detector's findings under the chosen thresholds.

    Raises:
        InputError: a threshold that it doesn't have, or a value that it doesn't take.
    """
    t = in_force(judge, chosen)
    if getattr(judge, "thresholds", None) is not None:
        return list(judge.judge(evidence, names, t))
    try:
        return list(judge.judge(evidence, names, **t))
    except TypeError as error:
        if not t:
            raise
        raise InputError(f"Detector '{judge.name}': {error}. See its documentation for thresholds.") from error


def _unknown(detector: str, name: str, known: list[str]) -> str:
    return f"Detector '{detector}' has no threshold '{name}'.{meant(name, known)}"


def _numbers(detector: str, chosen: Mapping[str, Any]) -> dict[str, float]:
    """Thresholds as finite floats."""
    for name, value in chosen.items():
        if not _is_finite(value):
            raise InputError(f"Threshold {detector}.{name} is {brief(value)}. Use a finite number.")
    return {name: float(value) for name, value in chosen.items()}


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False

"""Equality of values that hold arrays and tables: by content, a missing number equal to a missing number."""

from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np


class Alike:
    """A dataclass whose values compare by what they hold; equal ones have equal hashes.

    The dataclass is made with `eq=False`. Its hash is of plain fields and of the others' sizes: it costs little.
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(alike(*pair) for pair in zip(_compared(self), _compared(other), strict=True))

    def __hash__(self) -> int:
        return hash((type(self).__name__, *map(_size, _compared(self))))


def alike(first: Any, second: Any) -> bool:
    """Whether two values hold the same: lists and tuples, mappings, arrays and tables by their content."""
    if first is second:
        return True
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and _arrays(first, second)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(alike(value, second[key]) for key, value in first.items())
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(alike, first, second))
    if hasattr(first, "equals") or hasattr(second, "equals"):  # a table, of pandas; nothing here imports it
        return type(first) is type(second) and bool(first.equals(second))
    return bool(first == second) or bool(first != first and second != second)


def _arrays(first: np.ndarray, second: np.ndarray) -> bool:
    if first.shape != second.shape:
        return False
    if first.dtype.kind == "O" or second.dtype.kind == "O":
        return alike(first.tolist(), second.tolist())
    return np.array_equal(first, second, equal_nan=first.dtype.kind in "fc" and second.dtype.kind in "fc")


def _compared(one: Any) -> list[Any]:
    return [getattr(one, field.name) for field in fields(one) if field.compare]


def _size(value: Any) -> Hashable:
    """What equal values have in common, and is quickly found."""
    if isinstance(value, str | int | float | np.generic | None):
        return value if value == value else None
    if isinstance(value, np.ndarray):
        return value.shape
    if isinstance(value, Alike):
        return hash(value)
    return len(value) if hasattr(value, "__len__") else None

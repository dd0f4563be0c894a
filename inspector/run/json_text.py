"""JSON of a run, of which nothing is taken on trust: its size, depth, numbers and characters are limited."""

import json
import math
import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

DEEPEST = 32
LARGEST = 2**63


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, nested too deeply, or holds a number or a character that can't be saved again.
    """
    try:
        value = json.loads(text, parse_constant=_refused)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def _inside(value: Any) -> list[Any]:
    """What is in a list or an object, keys too; of any other value it is checked that it can be saved again."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        if not value.isascii():
            value.encode()  # half a surrogate pair has no UTF-8
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is too large")
    elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise ValueError("a number is too large")
    return []


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def plain(value: Any) -> Any:
    """For JSON: NaN and infinity become null, paths and numpy numbers plain values."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value

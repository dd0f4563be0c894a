"""Figures without markup: plotly obeys links, styles and TeX in any text, so the texts of a run are made text here.

Every figure passes through `as_text` on its way from its function, whoever wrote that: ours or a plugin's.
"""

import re
from typing import Any

import numpy as np
import plotly.graph_objects as go

FORBIDDEN = re.compile(r"<(?=[a-zA-Z/!?])(?!/?(?:b|i|sub|sup|extra)>|br ?/?>)")
"""The beginning of any tag but a line break, bold, italics, raised and lowered letters, and a label's second box."""
TEX = re.compile(r"(%\{[\w.\[\]]+:[^{}\\]{1,12}\})|\$")
"""What begins TeX where a page has MathJax; and first a number's format, as `%{y:$.2f}`, in which it is a currency."""


def as_text(figure: go.Figure) -> go.Figure:
    """The figure, in which every tag that plotly would obey is shown as it is written; changed in place."""
    for part in (*figure.data, figure.layout):
        changes = _changes(part.to_plotly_json())
        if changes is not None:
            part.update(changes)
    return figure


def _changes(value: Any) -> Any:
    """What has to be changed in a value, as plotly's `update` takes it; None where nothing has."""
    if isinstance(value, str):
        made = _text(value)
        return None if made == value else made
    if isinstance(value, dict):
        found = {key: change for key, one in value.items() if (change := _changes(one)) is not None}
        return found or None
    if isinstance(value, np.ndarray):
        return _of_array(value) if value.dtype.kind in "OU" else None
    if isinstance(value, (list, tuple)):
        changes = [_changes(one) for one in value]
        if all(change is None for change in changes):
            return None
        return [_filled(old, change) for old, change in zip(value, changes, strict=True)]
    return None


def _of_array(values: np.ndarray) -> np.ndarray | None:
    changes = _changes(values.reshape(-1).tolist())
    if changes is None:
        return None
    made = np.empty(values.size, dtype=object)
    made[:] = changes
    return made.reshape(values.shape)


def _filled(old: Any, change: Any) -> Any:
    """An item of a list: itself where nothing changes; of an object what changes, which `update` merges."""
    if change is None:
        return {} if isinstance(old, dict) else old
    return change


def _text(text: str) -> str:
    text = text.replace("&quot;", '"').replace("&#x27;", "'")  # plotly would show these as they are written
    if "<" not in text and "$" not in text:
        return text
    return TEX.sub(lambda found: found[1] or "&#36;", FORBIDDEN.sub("&lt;", text))

"""From the attention-sink evidence to findings: numpy and pandas, no model."""

from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.base import Names
from inspector.detectors.sinks.frames import enough, heads
from inspector.detectors.sinks.kinds import DORMANT, LEARNED, SINK, strongest_by_text
from inspector.detectors.sinks.thresholds import Thresholds
from inspector.records import Evidence, Finding
from inspector.stats import mean_interval


def findings(e: Evidence, names: Names, t: Thresholds) -> list[Finding]:
    """A finding for every head that has a sink above ε, those of each kind strongest first.

    An *attention sink*: the head's strongest key receives more than ε on average. A *dormant sink*: it doesn't, and in
    some texts, at least two and one in twenty, a key does; the score is the mean over these. A *learned sink*: the
    head places more than ε of its attention on a learned sink logit, which is no token.
    """
    if not enough(e).any():
        return []
    frame = heads(e, names, t).sort_values(["received", "layer", "head"], ascending=[False, True, True])
    rows = frame.to_dict("records")
    found = [_sink(row, t) for row in rows if row["kind"] == SINK]
    alpha = strongest_by_text(e)[0]
    dormant = [_dormant(e, alpha, row, t) for row in rows if row["kind"] == DORMANT]
    learned = [_learned(e, row, t) for row in rows if row.get("sink_mass", 0.0) > t.epsilon]
    return [*found, *sorted(dormant, key=lambda one: -one.score), *sorted(learned, key=lambda one: -one.score)]


def _sink(row: dict[Any, Any], t: Thresholds) -> Finding:
    key, token = row["key"], row["token"]
    position = None if pd.isna(key) else int(key)
    return _finding(SINK, row, position, token, (row["received"], row["low"], row["high"]), t)


def _dormant(e: Evidence, by_text: np.ndarray, row: dict[Any, Any], t: Thresholds) -> Finding:
    """The finding of a head from α of each text's strongest key [text, layer, head]."""
    alpha = by_text[:, int(row["layer"]), int(row["head"])]
    chosen = enough(e) & (alpha > t.epsilon)
    low, high = mean_interval(alpha[chosen], e["source"][chosen], share=True)
    key = int(row["active_key"]) if not pd.isna(row["active_key"]) else None
    return _finding(DORMANT, row, key, None, (float(row["active_received"]), float(low), float(high)), t)


def _learned(e: Evidence, row: dict[Any, Any], t: Thresholds) -> Finding:
    mass = e["sink_mass"][enough(e), int(row["layer"]), int(row["head"])]
    low, high = mean_interval(mass, e["source"][enough(e)], share=True)
    return _finding(LEARNED, row, None, None, (float(row["sink_mass"]), float(low), float(high)), t)


def _finding(
    kind: str,
    row: dict[Any, Any],
    position: int | None,
    token: object,
    score: tuple[float, float, float],
    t: Thresholds,
) -> Finding:
    return Finding(
        detector="sinks",
        kind=kind,
        layer=int(row["layer"]),
        unit=int(row["head"]),
        position=position,
        token=token if isinstance(token, str) else None,
        score=float(score[0]),
        low=float(np.float64(score[1])),
        high=float(np.float64(score[2])),
        threshold=t.epsilon,
    )

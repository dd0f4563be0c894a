"""Plateaus of the residual stream: which layers have a spike, in which texts and at which token."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from inspector.detectors.agreement import FIXED_SHARE, agreed
from inspector.detectors.base import Names
from inspector.detectors.massive.thresholds import (
    Thresholds,
    entry_flags,
    medians,
    over_median,
    typical_dim_max,
)
from inspector.records import Evidence

PLATEAU_RATIO, PLATEAU_DIM_RATIO = 100.0, 10.0
"""A plateau's entries: at least this many medians of their layer, and times the layer's typical dim maximum."""
PLATEAU_BAND = 0.5
"""A plateau's layers have at least this share of its largest value, and no wider gap parts the texts that have it."""
PLATEAU_LAYERS = 2
"""Layers that it takes where nothing passes the thresholds; a single layer that does is a plateau too."""

COLUMNS = {
    "dim": "int64",
    "first": "int64",
    "last": "int64",
    "step_up": "int64",
    "step_down": "Int64",
    "value": "float64",
    "ratio": "float64",
    "max": "float64",
    "position": "Int64",
    "token": "object",
    "texts": "float64",
    "flagged": "int64",
    "main": "bool",
    "n": "int64",
    "sign_agreement": "float64",
}


@dataclass(frozen=True)
class Plateau:
    """One dim's spike from layer `start` to before `stop`, in the texts `rows` (rows of the evidence).

    `entry` is where each of these texts has its largest: layer, and index among those kept there. `level` is the
    mean |x| over the texts, by layer. An `edge` is a single layer beside a larger plateau of the dim in these texts.
    """

    dim: int
    start: int
    stop: int
    rows: Int[np.ndarray, " text"]
    entry: tuple[Int[np.ndarray, " text"], Int[np.ndarray, " text"]]
    level: Float[np.ndarray, " layer"]
    flagged: int
    edge: bool = False

    def of(self, e: Evidence, name: str) -> np.ndarray:
        """What the evidence has of each text's largest entry."""
        return e[name][self.rows, *self.entry]


def plateaus(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Runs of layers through which one dim of the stream has a spike, from step-up to step-down.

    A text has a spike where an entry passes the thresholds, or stands out from its layer by scale-free criteria, so
    that plateaus too small for the strict definition show as well. Values, ratios and layers are over the texts that
    have it, however few: all whose largest |x| no gap of a factor of two parts from the largest of all. What is
    smaller, in other texts, is a plateau of its own. A plateau's layers have at least half its largest mean |x|.
    `flagged` counts the layers in which an entry of it passes the thresholds. It is `main` if no other dim is larger
    at its tokens, where it peaks; the others co-occur with a main one, or are a single layer at the edge of one.
    """
    median = medians(e)
    found = [_row(e, names, one, median) for one in spans(e, t)]
    frame = pd.DataFrame(found, columns=list(COLUMNS)).astype(COLUMNS)
    return frame.sort_values(["main", "ratio", "dim"], ascending=[False, False, True], ignore_index=True)


def spans(e: Evidence, t: Thresholds) -> Iterator[Plateau]:
    """Every plateau, dim by dim, the largest first."""
    size, passes = np.abs(e["value"]), entry_flags(e, t)
    floor = np.fmax(PLATEAU_RATIO * medians(e), PLATEAU_DIM_RATIO * typical_dim_max(e))
    stands_out = passes | (size >= np.where(floor > 0, floor, np.inf)[:, None])  # nothing stands out from zeros
    for dim in np.unique(e["dim"][stands_out]).tolist():
        yield from _spans_of(e, dim, stands_out, passes)


def _spans_of(
    e: Evidence,
    dim: int,
    stands_out: Bool[np.ndarray, "text layer entry"],
    passes: Bool[np.ndarray, "text layer entry"],
) -> Iterator[Plateau]:
    mine = np.where(e["dim"] == dim, np.abs(e["value"]).astype(np.float64), 0.0)
    entry = mine.argmax(axis=2)  # a text's largest in a layer
    size, free, passing = (
        np.take_along_axis(array, entry[..., None], axis=2)[..., 0] for array in (mine, stands_out & (mine > 0), passes)
    )
    larger: list[Plateau] = []
    while free.any():
        left = np.where(free, size, 0.0)
        rows = _linked(left[:, int(left.max(axis=0).argmax())])
        level = size[rows].mean(axis=0)
        start, stop = _run(np.where(free[rows].any(axis=0), level, 0.0))
        free[rows, start:stop] = False
        flagged = int((passing & (mine.max(axis=2) > 0))[rows, start:stop].any(axis=0).sum())
        if flagged or stop - start >= PLATEAU_LAYERS:
            at = start + size[rows, start:stop].argmax(axis=1)
            edge = stop - start == 1 and any(
                start in (one.stop, one.start - 1) and len(np.intersect1d(rows, one.rows)) for one in larger
            )
            larger.append(Plateau(dim, start, stop, rows, (at, entry[rows, at]), level, flagged, edge))
            yield larger[-1]


def _linked(sizes: Float[np.ndarray, " text"]) -> Int[np.ndarray, " linked"]:
    """The texts that no gap parts from the largest: each is at least `PLATEAU_BAND` of the next larger one."""
    order = np.argsort(-sizes, kind="stable")
    falls = sizes[order][1:] < PLATEAU_BAND * sizes[order][:-1]
    count = int(falls.argmax()) + 1 if falls.any() else len(order)
    linked = order[:count]
    return np.sort(linked[sizes[linked] > 0])


def _run(values: Float[np.ndarray, " layer"]) -> tuple[int, int]:
    """The layers around the largest value that have at least `PLATEAU_BAND` of it: [start, stop)."""
    peak = int(values.argmax())
    floor = PLATEAU_BAND * values[peak]
    start, stop = peak, peak + 1
    while start > 0 and values[start - 1] >= floor:
        start -= 1
    while stop < len(values) and values[stop] >= floor:
        stop += 1
    return start, stop


def _row(e: Evidence, names: Names, one: Plateau, median: Float[np.ndarray, " layer"]) -> dict[str, object]:
    token, value = agreed(one.of(e, "token")), one.of(e, "value")
    size, agreement = magnitude(value)
    part = slice(one.start, one.stop)
    return {
        "dim": one.dim,
        "first": one.start,
        "last": one.stop - 1,
        "step_up": one.start,
        "step_down": one.stop if one.stop < len(one.level) else None,
        "value": size,
        "ratio": _peak(over_median(one.level[part], median[part])),
        "max": float(np.abs(value).max()),
        "position": agreed(one.of(e, "position")),
        "token": None if token is None else names.get(token, f"#{token}"),
        "texts": len(one.rows) / len(e["text"]),
        "flagged": one.flagged,
        "main": not one.edge and _largest_of_its_tokens(e, one),
        "n": len(one.rows),
        "sign_agreement": agreement,
    }


def _peak(ratios: Float[np.ndarray, " layer"]) -> float:
    known = ratios[np.isfinite(ratios)]
    return float(known.max()) if len(known) else float("nan")


def magnitude(values: Float[np.ndarray, " text"]) -> tuple[float, float]:
    """The mean |x|, with the sign that at least nine in ten share (without one where they don't), and that share."""
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return float("nan"), float("nan")
    sign, agreement = common_sign(known)
    return float(np.abs(known).mean()) * sign, agreement


def common_sign(values: Float[np.ndarray, " text"]) -> tuple[int, float]:
    """−1 where at least nine in ten are negative, else 1; and the share of the sign that most have."""
    negative = float((values < 0).mean())
    return -1 if negative >= FIXED_SHARE else 1, max(negative, 1 - negative)


def _largest_of_its_tokens(e: Evidence, one: Plateau) -> bool:
    """Whether in most of its texts no other dim is larger at its token, in the layer where it peaks."""
    peak = one.start + int(one.level[one.start : one.stop].argmax())
    dims, position, size = (e[name][one.rows, peak] for name in ("dim", "position", "value"))
    size = np.abs(np.nan_to_num(size))
    mine = np.where(dims == one.dim, size, -1.0)
    at = mine.argmax(axis=1)[:, None]
    here = position == np.take_along_axis(position, at, axis=1)
    larger = (here & (size > np.take_along_axis(mine, at, axis=1))).any(axis=1)
    return bool((~larger[mine.max(axis=1) > 0]).mean() >= PLATEAU_BAND)

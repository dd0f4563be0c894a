"""Attention sinks over more texts than keep their rows: what is pooled of each, and heads by all texts."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from inspector.detectors.pooled import PerText, interval_of, mean_of
from inspector.records import Evidence

HEADS = ("layer", "head")
EARLY = (*HEADS, "early")
MEANS = ("entropy", "entropy_rest", "self_share", "self_rest", "sink_mass")
"""Numbers of a head whose mean over all texts is kept, without an interval."""


def per_text(e: Evidence, rated: Bool[np.ndarray, " text"], attending: Int[np.ndarray, " layer"]) -> dict[str, PerText]:
    """What each text adds to the means over all: only texts that are in rates add anything.

    Args:
        e: with a row of every text.
        rated: which texts are in rates.
        attending: layers in which attention was seen.
    """
    known = {name: _of(rated, e[name]) for name in (*MEANS, "best", "received", "received_full") if name in e.arrays}
    first = known["received"][:, attending][..., 0].reshape(len(rated), -1)
    seen = np.isfinite(first)
    with np.errstate(invalid="ignore"):
        shares = [np.where(seen, first > one, 0.0).sum(axis=1) / seen.sum(axis=1) for one in e.facts["epsilons"]]
    return {
        "first": PerText(np.stack(shares, axis=1), ("epsilon",)),
        "received": PerText(known["received"], EARLY),
        "best": PerText(np.where(known["best"] >= 0, known["best"], np.nan), HEADS),
        "above": PerText(_above(known["received"], e.facts["epsilons"]), (*EARLY, "epsilon"), drawn=False),
        "received_full": PerText(known["received_full"], EARLY, drawn=False),
        **{name: PerText(known[name], HEADS, drawn=False) for name in MEANS if name in known},
    }


def _of(rated: Bool[np.ndarray, " text"], values: np.ndarray) -> np.ndarray:
    return np.where(rated.reshape(-1, *[1] * (values.ndim - 1)), values.astype(np.float64), np.nan)


def _above(received: np.ndarray, epsilons: list[float]) -> np.ndarray:
    """Whether each early key of each text is a sink, for every ε."""
    above = received[..., None] > np.array(epsilons)
    return np.where(np.isfinite(received)[..., None], above, np.nan)


def heads_of_all(
    e: Evidence, seen: Int[np.ndarray, " layer"], early: Int[np.ndarray, "layer head"], moving: np.ndarray, at: int
) -> Mapping[str, np.ndarray]:
    """Columns of `sinks.heads` over all texts; what is known of the sample alone isn't among them.

    Args:
        e: sampled evidence.
        seen: layers in which attention was seen.
        early: each head's strongest early key.
        moving: which heads' strongest key is a later one.
        at: which ε of the grid is in force.
    """
    layer, head = np.meshgrid(seen, np.arange(early.shape[1]), indexing="ij")
    place, key = (layer, head), (layer, head, early)
    received, best = mean_of(e, "received")[key], mean_of(e, "best")[place]
    ends = interval_of(e, "received", key, share=True)
    ends_best = interval_of(e, "best", place, share=True)
    columns = {
        "received": np.where(moving, best, received),
        "low": np.where(moving, ends_best[0], ends[0]),
        "high": np.where(moving, ends_best[1], ends[1]),
        "early": received,
        "received_full": mean_of(e, "received_full")[key],
        **{name: mean_of(e, name)[place] for name in MEANS if f"pooled_{name}" in e.arrays},
    }
    rate = mean_of(e, "above")[(*key, np.full(early.shape, at))]
    return columns if moving.all() else {**columns, "sink_rate": np.where(moving, np.nan, rate)}

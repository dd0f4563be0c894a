"""What kind of sink a head has: a key in most texts, a key in some, or a learned sink that is no token."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from inspector.detectors.agreement import agreed_by_place
from inspector.detectors.sinks.thresholds import Thresholds
from inspector.records import Evidence, Finding

SINK, DORMANT, LEARNED = "attention sink", "dormant sink", "learned sink"
"""Kinds of findings, the most telling first."""

LEAST_TEXTS, LEAST_SHARE = 2, 0.05
"""A head that is a sink in fewer texts, or a smaller share of them, is no dormant sink: chance can do that."""


def kinds(heads: pd.DataFrame, t: Thresholds) -> list[str]:
    """The kind of each row of `sinks.heads`, empty where it is none: of several the most telling."""
    learned = heads["sink_mass"] > t.epsilon if "sink_mass" in heads else np.zeros(len(heads), dtype=bool)
    dormant = (heads["active"] >= LEAST_SHARE) & (heads["active_texts"] >= LEAST_TEXTS)
    chosen = np.select([heads["received"] > t.epsilon, dormant, learned], [SINK, DORMANT, LEARNED], "")
    return [str(kind) for kind in chosen]


def active_texts(e: Evidence, t: Thresholds, seen: np.ndarray, *, rated: bool) -> dict[str, np.ndarray]:
    """In how many texts each head [layer, head] is a sink at any key, their share, the key, and α there."""
    alpha, key = strongest_by_text(e)
    alpha, key = alpha[:, seen], key[:, seen]
    above = alpha > t.epsilon if rated else np.zeros(alpha.shape, dtype=bool)
    count, known = above.sum(axis=0), np.isfinite(alpha).sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = np.where(known > 0, count / known, np.nan) if rated else np.full(count.shape, np.nan)
        mean = np.where(above, alpha, 0.0).sum(axis=0) / count
    shared = agreed_by_place(key, above)
    return {"active": share, "active_received": mean, "active_texts": count, "active_key": shared}


def strongest_by_text(e: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """α of each text's strongest key [text, layer, head], and that key: over 64 queries where it is an early one."""
    early = np.where(np.isfinite(e["received"]), e["received"], -1.0)
    key = early.argmax(axis=-1)
    full = np.take_along_axis(e["received_full"], key[..., None], axis=-1)[..., 0]
    late = (e["best_key"] >= early.shape[-1]) & (e["best"] > full)
    alpha = np.where(late, e["best"], early.max(axis=-1))
    return np.where(alpha >= 0, alpha, np.nan), np.where(late, e["best_key"], key)


def head_verdicts(heads: pd.DataFrame, found: Sequence[Finding]) -> list[str]:
    """The verdict of each head's finding, of several the most telling one's; empty without any."""
    order = (LEARNED, DORMANT, SINK)
    ranked = sorted((one for one in found if one.kind in order), key=lambda one: order.index(one.kind))
    known = {(one.layer, one.unit): one.verdict for one in ranked}
    return [known.get(place, "") for place in zip(heads["layer"], heads["head"], strict=True)]

"""Direct contributors: what adds a plateau's spike in its step-up block."""

import numpy as np
import pandas as pd

from inspector.detectors.base import Names
from inspector.detectors.massive.plateaus import Plateau, common_sign, spans
from inspector.detectors.massive.thresholds import Thresholds
from inspector.records import Evidence

COLUMNS = ["dim", "layer", "writer", "neuron", "value", "share", "n"]

LEAST_SHARE = 0.005
"""A neuron that adds less of the jump, 0 % in whole numbers, is no direct contributor."""


def writers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Who writes each plateau's spike in its step-up block: attention, MLP, and which neurons.

    `value` is the mean contribution over the texts that have the spike, at its entry, `share` its part of the jump
    (the entry after the block less before it). Of two plateaus of a dim that step up in one block, the larger's are
    given. Where the spike's sign differs between texts, contributions count
    towards each text's own sign. Neurons' values count any norm after the MLP.
    """
    rows: list[dict[str, object]] = []
    if "attn" in e.arrays:
        first: dict[tuple[int, int], Plateau] = {}
        for one in spans(e, t):  # of a dim the largest first
            first.setdefault((one.dim, one.start), one)
        for one in sorted(first.values(), key=lambda one: -float(one.level.max())):
            rows += _writers(e, one.dim, one.start, one.rows)
    return pd.DataFrame(rows, columns=COLUMNS).astype({"neuron": "Int64"})


def _writers(e: Evidence, dim: int, layer: int, texts: np.ndarray) -> list[dict[str, object]]:
    """The contributors to one plateau, in those of its texts in which the step-up block's entry was traced."""
    traced = e["attn"].shape[2]
    here = (e["dim"][texts, layer, :traced] == dim) & np.isfinite(e["attn"][texts, layer])
    size = np.where(here, np.abs(e["value"][texts, layer, :traced]), -1.0)
    known = size.max(axis=1, initial=-1.0) >= 0
    if not known.any():
        return []
    at = (texts[known], np.full(int(known.sum()), layer), size[known].argmax(axis=1))
    after = e["value"][at].astype(np.float64)
    towards = common_sign(after)[0] * np.sign(after)  # 1, but where signs differ
    parts = {name: towards * e[key][at] for name, key in (("attention", "attn"), ("mlp", "mlp"))}
    jump, n = float(np.mean(parts["attention"] + parts["mlp"])), len(after)
    rows = [_row(dim, layer, name, None, float(values.mean()), jump, n) for name, values in parts.items()]
    rows.append(_row(dim, layer, "before", None, float(np.mean(towards * after)) - jump, jump, n))
    if "neuron" in e.arrays:
        means = _neuron_means(e["neuron"][at], towards[:, None] * e["written"][at])
        every = [_row(dim, layer, "neuron", neuron, value, jump, n) for neuron, value in means]
        rows += [row for row in every if not abs(float(str(row["share"]))) < LEAST_SHARE]
    return rows


def _row(dim: int, layer: int, writer: str, neuron: int | None, value: float, jump: float, n: int) -> dict[str, object]:
    share = np.nan if writer == "before" or jump == 0 else value / jump
    return {"dim": dim, "layer": layer, "writer": writer, "neuron": neuron, "value": value, "share": share, "n": n}


def _neuron_means(neuron: np.ndarray, written: np.ndarray) -> list[tuple[int, float]]:
    """Neurons by mean contribution over texts, the eight largest; not kept in a text counts as 0."""
    found, index = np.unique(neuron[neuron >= 0], return_inverse=True)
    sums = np.bincount(index, weights=written[neuron >= 0], minlength=len(found)) / len(neuron)
    order = np.argsort(-np.abs(sums), kind="stable")[: neuron.shape[-1]]
    return [(int(found[i]), float(sums[i])) for i in order]

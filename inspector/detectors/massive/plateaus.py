"""Plateaus of the residual stream: which layers have a spike, at which token, and its direct contributors."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.detectors.base import Names
from inspector.detectors.massive.thresholds import Thresholds, agreed, cutoffs, medians, typical_dim_max
from inspector.records import Evidence

PLATEAU_RATIO, PLATEAU_DIM_RATIO = 100.0, 10.0
"""A plateau's value: at least this many medians of its layer, and times the layer's typical dim maximum."""
PLATEAU_BAND = 0.5
"""A plateau's layers have at least this share of its largest value."""
PLATEAU_LAYERS = 2


def plateaus(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Runs of layers through which one dim of the stream has a spike, from step-up to step-down.

    A plateau's layers have at least half its largest value (the mean over the texts that have
    it), and stand out from their layer by scale-free criteria, so that plateaus too small for the
    strict definition show as well; `flagged` counts the layers that pass the thresholds. A plateau
    is `main` if no other dim is larger where it peaks; the others co-occur at a main one's token.
    """
    top, usual, middle = _carried(e), typical_dim_max(e), medians(e)
    stands_out = (top >= PLATEAU_RATIO * middle[:, None]) & (top >= PLATEAU_DIM_RATIO * usual[:, None])
    cut = cutoffs(e, t)
    rows = []
    for dim in np.nonzero(stands_out.any(axis=0))[0].tolist():
        free = stands_out[:, dim].copy()
        while free.any():
            start, stop = _run(np.where(free, top[:, dim], 0.0))
            free[start:stop] = False
            if stop - start < PLATEAU_LAYERS:
                continue
            position, token, share, value = _carrier(e, dim, start, stop, names)
            values = top[start:stop, dim]
            peak = start + int(values.argmax())
            rows.append(
                {
                    "dim": dim,
                    "first": start,
                    "last": stop - 1,
                    "step_up": start,
                    "step_down": stop if stop < len(top) else None,
                    "value": value,
                    "ratio": float((values / middle[start:stop]).max()),
                    "max": float(e["dim_max"][start:stop, dim].max()),
                    "position": position,
                    "token": token,
                    "texts": share,
                    "flagged": int((values >= cut[start:stop]).sum()),
                    "main": bool(top[peak].argmax() == dim),
                }
            )
    columns = ["dim", "first", "last", "step_up", "step_down", "value", "ratio", "max", "position", "token", "texts"]
    frame = pd.DataFrame(rows, columns=[*columns, "flagged", "main"])
    frame = frame.astype({"step_down": "Int64", "position": "Int64", "main": bool})
    return frame.sort_values(["main", "ratio", "dim"], ascending=[False, False, True], ignore_index=True)


def _carried(e: Evidence) -> Float[np.ndarray, "layer dim"]:
    """Mean over texts of a text's largest |x| in each dim, over the texts where it was kept; else 0."""
    dims, size = e["dim"], np.abs(e["value"])
    kept = dims >= 0
    for entry in range(1, dims.shape[2]):  # a dim's first entry in a text is its largest
        kept[:, :, entry] &= (dims[:, :, :entry] != dims[:, :, entry : entry + 1]).all(axis=2)
    layer = np.broadcast_to(np.arange(dims.shape[1])[None, :, None], dims.shape)
    sums, counts = np.zeros(e["dim_max"].shape), np.zeros(e["dim_max"].shape)
    np.add.at(sums, (layer[kept], dims[kept]), size[kept])
    np.add.at(counts, (layer[kept], dims[kept]), 1.0)
    return sums / np.maximum(counts, 1.0)


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


def _carrier(e: Evidence, dim: int, start: int, stop: int, names: Names) -> tuple[int | None, str | None, float, float]:
    """Position and token at which a plateau's spike occurs in most texts, the share of texts, and the mean value."""
    part = slice(start, stop)
    size = np.abs(np.where(e["dim"][:, part] == dim, e["value"][:, part], np.nan))
    flat = np.nan_to_num(size, nan=-1.0).reshape(len(size), -1)
    best, rows = flat.argmax(axis=1), np.arange(len(size))
    floor = PLATEAU_BAND * flat.max()
    carries = flat[rows, best] >= floor
    position = e["position"][:, part].reshape(len(size), -1)[rows, best][carries]
    token = e["token"][:, part].reshape(len(size), -1)[rows, best][carries]
    value = e["value"][:, part].reshape(len(size), -1)[rows, best][carries]
    name = agreed(token)
    return (
        agreed(position),
        None if name is None else names.get(name, f"#{name}"),
        float(carries.mean()),
        float(value.mean()),
    )


def writers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Who writes each plateau's spike in its step-up block: attention, MLP, and which neurons.

    `value` is the mean contribution over texts at the spike's entry, `share` its part of the jump
    (the entry after the block less before it). Neurons' values count any norm after the MLP.
    """
    columns = ["dim", "layer", "writer", "neuron", "value", "share", "n"]
    rows: list[dict[str, object]] = []
    if "attn" not in e.arrays:
        return pd.DataFrame(rows, columns=columns).astype({"neuron": "Int64"})
    for plateau in plateaus(e, names, t).itertuples():
        layer, dim = int(plateau.first), int(plateau.dim)
        traced = e["attn"].shape[2]
        here = (e["dim"][:, layer, :traced] == dim) & np.isfinite(e["attn"][:, layer])
        size = np.where(here, np.abs(e["value"][:, layer, :traced]), -1.0)
        texts = np.nonzero(size.max(axis=1) >= PLATEAU_BAND * abs(plateau.value))[0]
        if not len(texts):
            continue
        at = (texts, np.full(len(texts), layer), size[texts].argmax(axis=1))
        parts = {"attention": e["attn"][at], "mlp": e["mlp"][at]}
        jump = float(np.mean(parts["attention"] + parts["mlp"]))
        for writer, values in parts.items():
            rows.append(_writer(dim, layer, writer, None, float(values.mean()), jump, len(texts)))
        rows.append(_writer(dim, layer, "before", None, float(np.mean(e["value"][at])) - jump, jump, len(texts)))
        if "neuron" in e.arrays:
            rows += [
                _writer(dim, layer, "neuron", neuron, value, jump, len(texts))
                for neuron, value in _neuron_means(e["neuron"][at], e["written"][at])
            ]
    return pd.DataFrame(rows, columns=columns).astype({"neuron": "Int64"})


def _writer(
    dim: int, layer: int, writer: str, neuron: int | None, value: float, jump: float, n: int
) -> dict[str, object]:
    share = np.nan if writer == "before" or jump == 0 else value / jump
    return {"dim": dim, "layer": layer, "writer": writer, "neuron": neuron, "value": value, "share": share, "n": n}


def _neuron_means(neuron: np.ndarray, written: np.ndarray) -> list[tuple[int, float]]:
    """Neurons by mean contribution over texts, the eight largest; not kept in a text counts as 0."""
    found, index = np.unique(neuron[neuron >= 0], return_inverse=True)
    sums = np.bincount(index, weights=written[neuron >= 0], minlength=len(found)) / len(neuron)
    order = np.argsort(-np.abs(sums), kind="stable")[: neuron.shape[-1]]
    return [(int(found[i]), float(sums[i])) for i in order]

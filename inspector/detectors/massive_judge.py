"""From the massive-activation evidence to findings and tables: numpy and pandas, no model.

Thresholds come in here and nowhere earlier, so that a slider can move them on a saved run.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.detectors.base import Names
from inspector.results import Evidence, Finding
from inspector.stats import bin_edges, bootstrap_mean, excess_kurtosis, histogram_quantile, mean_square, quantisation_error

PLATEAU_RATIO, PLATEAU_DIM_RATIO = 100.0, 10.0
"""A plateau's value: at least so many medians of its layer, and times the layer's typical dim maximum."""
PLATEAU_BAND = 0.5
"""A plateau's layers carry at least this share of its largest value."""
PLATEAU_LAYERS = 2
PREFIX_QUANT_RATIO = 64.0
INT8_LAYERS, INT8_POSITIONS = 0.25, 0.06
FIXED_POSITION_SHARE = 0.9
"""A finding names a position or a token when at least this share of its texts agree on it."""


@dataclass(frozen=True)
class Thresholds:
    """When an entry is massive: all three must hold. 0 switches one off.

    Args:
        ratio: |x| over the median |x| of its layer (all real tokens × dims).
        magnitude: |x| itself.
        dim_ratio: |x| over the layer's other dims (the median of the dims' maxima).
    """

    ratio: float = 1000.0
    magnitude: float = 100.0
    dim_ratio: float = 0.0


SCALE_FREE = {"ratio": 100.0, "magnitude": 0.0, "dim_ratio": 10.0}
"""Thresholds that don't depend on a model's scale; the published ones were set on 7B models."""


def medians(e: Evidence) -> Float[np.ndarray, " layer"]:
    """Median |x| of each layer's stream; NaN where nothing finite was seen."""
    return np.array([histogram_quantile(counts) for counts in e["histogram"]])


def typical_dim_max(e: Evidence) -> Float[np.ndarray, " layer"]:
    """Median over dims of the largest |x| a dim reaches."""
    return np.median(e["dim_max"], axis=1)


def cutoffs(e: Evidence, t: Thresholds) -> Float[np.ndarray, " layer"]:
    """The |x| from which an entry of each layer is massive."""
    bounds = [t.ratio * medians(e), np.full(len(e["histogram"]), t.magnitude), t.dim_ratio * typical_dim_max(e)]
    return np.max(bounds, axis=0)


def _flagged(e: Evidence, t: Thresholds) -> tuple[np.ndarray, ...]:
    """(row, layer, entry) of every kept entry that is massive; strictly larger than the magnitude."""
    size, cut = np.abs(e["value"]), cutoffs(e, t)[:, None]
    return np.nonzero((size >= cut) & (size > t.magnitude))


def entries(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """The flagged entries, of each text and layer the sixteen largest at most."""
    where = _flagged(e, t)
    row, layer, _ = where
    token = e["token"][where]
    return pd.DataFrame(
        {
            "text": e["text"][row],
            "layer": layer,
            "position": e["position"][where],
            "token": _names(token, names),
            "dim": e["dim"][where],
            "value": e["value"][where],
            "ratio": np.abs(e["value"][where]) / medians(e)[layer],
            "source": e["source"][row],
        }
    )


def layers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """A row a layer: its largest entry, median, ratio, tails, and what int8 would cost."""
    size = np.abs(np.nan_to_num(e["value"], nan=-1.0))[:, :, 0]
    top, all_layers = size.argmax(axis=0), np.arange(size.shape[1])
    median, largest = medians(e), np.abs(e["value"][top, all_layers, 0])
    cut, seen = cutoffs(e, t), e["moments"][:, 0]
    with_spikes, without = _int8_errors(e, cut)
    return pd.DataFrame(
        {
            "layer": all_layers,
            "max": largest,
            "position": e["position"][top, all_layers, 0],
            "token": _names(e["token"][top, all_layers, 0], names),
            "dim": e["dim"][top, all_layers, 0],
            "median": median,
            "ratio": largest / median,
            "dim_ratio": largest / typical_dim_max(e),
            "kurtosis": excess_kurtosis(e["moments"]),
            "n_flagged": _flagged_counts(e, t),
            "n_entries": seen.astype(np.int64),
            "int8_error": with_spikes,
            "int8_error_without": without,
            "nonfinite_tokens": e["nonfinite"],
        }
    )


def _flagged_counts(e: Evidence, t: Thresholds) -> np.ndarray:
    """Flagged entries a layer: exact, unless a text has more than were kept; then from the histogram."""
    row, layer, entry = _flagged(e, t)
    counts = np.bincount(layer, minlength=e["value"].shape[1])
    full = np.unique(layer[entry == e["value"].shape[2] - 1])
    above = bin_edges()[:-1]
    for index in full:
        counts[index] = max(counts[index], e["histogram"][index][above >= cutoffs(e, t)[index]].sum())
    return counts


def _int8_errors(e: Evidence, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative error (rms error over rms value) of per-tensor int8, with and without flagged entries."""
    relative: list[tuple[float, float]] = []
    lower = bin_edges()[:-1]
    for layer, counts in enumerate(e["histogram"]):
        largest = float(e["dim_max"][layer].max())
        rest = np.where(lower < cut[layer], counts, 0)
        kept = lower[np.nonzero(rest)[0]]
        below = min(largest, float(kept.max()) * (1 + 1 / 256)) if len(kept) else np.nan
        scale = np.sqrt(mean_square(rest))
        # The same values are judged both times: how much worse the spike makes the others.
        relative.append(
            (np.sqrt(quantisation_error(rest, largest)) / scale, np.sqrt(quantisation_error(rest, below)) / scale)
        )
    return np.array([pair[0] for pair in relative]), np.array([pair[1] for pair in relative])


def plateaus(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Runs of layers through which the stream carries one dim's spike, from step-up to step-down.

    A plateau's layers carry at least half its largest value (the mean over the texts that carry
    it), and stand out from their layer by scale-free criteria, so that plateaus too small for the
    strict definition show as well; `flagged` counts the layers that pass the thresholds. A plateau
    is `main` if no other dim is larger where it peaks; the others ride on a main one's token.
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
    """The layers around the largest value that carry at least `PLATEAU_BAND` of it: [start, stop)."""
    peak = int(values.argmax())
    floor = PLATEAU_BAND * values[peak]
    start, stop = peak, peak + 1
    while start > 0 and values[start - 1] >= floor:
        start -= 1
    while stop < len(values) and values[stop] >= floor:
        stop += 1
    return start, stop


def _carrier(e: Evidence, dim: int, start: int, stop: int, names: Names) -> tuple[int | None, str | None, float, float]:
    """Position and token that carry a plateau's spike in most texts, the share of texts, and the mean value."""
    part = slice(start, stop)
    size = np.abs(np.where(e["dim"][:, part] == dim, e["value"][:, part], np.nan))
    flat = np.nan_to_num(size, nan=-1.0).reshape(len(size), -1)
    best, rows = flat.argmax(axis=1), np.arange(len(size))
    floor = PLATEAU_BAND * flat.max()
    carries = flat[rows, best] >= floor
    position = e["position"][:, part].reshape(len(size), -1)[rows, best][carries]
    token = e["token"][:, part].reshape(len(size), -1)[rows, best][carries]
    value = e["value"][:, part].reshape(len(size), -1)[rows, best][carries]
    name = _agreed(token)
    return _agreed(position), None if name is None else names.get(name, f"#{name}"), float(carries.mean()), float(value.mean())


def _agreed(values: np.ndarray) -> int | None:
    """The value that at least nine in ten share, else None."""
    found, counts = np.unique(values, return_counts=True)
    if not len(found) or counts.max() < FIXED_POSITION_SHARE * len(values):
        return None
    return int(found[counts.argmax()])


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


def _writer(dim: int, layer: int, writer: str, neuron: int | None, value: float, jump: float, n: int) -> dict[str, object]:
    share = np.nan if writer == "before" or jump == 0 else value / jump
    return {"dim": dim, "layer": layer, "writer": writer, "neuron": neuron, "value": value, "share": share, "n": n}


def _neuron_means(neuron: np.ndarray, written: np.ndarray) -> list[tuple[int, float]]:
    """Neurons by mean contribution over texts, the eight largest; not kept in a text counts as 0."""
    found, index = np.unique(neuron[neuron >= 0], return_inverse=True)
    sums = np.bincount(index, weights=written[neuron >= 0], minlength=len(found)) / len(neuron)
    order = np.argsort(-np.abs(sums), kind="stable")[: neuron.shape[-1]]
    return [(int(found[i]), float(sums[i])) for i in order]


def carriers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Which tokens at which positions carry massive entries, and in what share of texts."""
    frame = entries(e, names, t)
    groups = frame.groupby(["layer", "dim", "position", "token"], sort=True)
    table = groups.agg(texts=("text", "nunique"), value=("value", "mean")).reset_index()
    table["share"] = table["texts"] / max(1, len(e["text"]))
    return table.sort_values(["layer", "share"], ascending=[True, False], ignore_index=True)


def outliers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """LLM.int8 outlier dims: |x| ≥ 6 in ≥ 25 % of layers and ≥ 6 % of positions (arXiv 2208.07339)."""
    tokens = e["moments"][:, 0] / e["outliers"].shape[1]
    seen = tokens > 0
    in_layers = (e["outliers"][seen] > 0).mean(axis=0)
    in_positions = e["outliers"][seen].sum(axis=0) / tokens[seen].sum()
    frame = pd.DataFrame({"dim": np.arange(len(in_layers)), "layers": in_layers, "positions": in_positions})
    frame["outlier"] = (frame["layers"] >= INT8_LAYERS) & (frame["positions"] >= INT8_POSITIONS)
    return frame.sort_values(["outlier", "positions"], ascending=False, ignore_index=True)


def token_outliers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """PrefixQuant token outliers: max |z| over 64 medians of it, at the down-projection's input.

    Of each text and layer the four largest tokens at most (arXiv 2410.05265).
    """
    columns = ["text", "layer", "position", "token", "max", "ratio"]
    if "input_max" not in e.arrays:
        return pd.DataFrame(columns=columns)
    median = np.array([histogram_quantile(counts) for counts in e["input_histogram"]])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = e["input_max"] / median[:, None]
    where = np.nonzero(ratio > PREFIX_QUANT_RATIO)
    return pd.DataFrame(
        {
            "text": e["text"][where[0]],
            "layer": where[1],
            "position": e["input_position"][where],
            "token": _names(e["input_token"][where], names),
            "max": e["input_max"][where],
            "ratio": ratio[where],
        },
        columns=columns,
    )


def directions(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """How alike spike tokens of different texts are after the norm that follows, beside last tokens.

    The mean cosine over pairs of texts; `effective_dims` is the participation ratio of the spike
    token's normalised vector. The row's layer is the block whose input it is.
    """
    columns = ["layer", "n", "cosine", "cosine_last_token", "effective_dims"]
    if "directions" not in e.arrays:
        return pd.DataFrame(columns=columns)
    n = e["directions"].astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = [
            np.where(n > 1, ((e[name] ** 2).sum(axis=1) - n) / (n * (n - 1)), np.nan)
            for name in ("spike_direction", "other_direction")
        ]
        effective = e["effective_dims"] / n
    values = [np.arange(len(n)), n.astype(int), *cosines, effective]
    return pd.DataFrame(dict(zip(columns, values, strict=True)))[lambda f: f["n"] > 0].reset_index(drop=True)


def findings(e: Evidence, names: Names, t: Thresholds) -> list[Finding]:
    """NaN and infinity first; then a finding for every layer and dim with a massive entry.

    The score is the ratio: the mean over the texts that carry it of their largest |x| in that dim,
    over the layer's median.
    """
    found = _nonfinite(e)
    row, layer, _ = where = _flagged(e, t)
    median, dim = medians(e), e["dim"][where]
    for at_layer, at_dim in sorted(set(zip(layer.tolist(), dim.tolist(), strict=True))):
        chosen = (layer == at_layer) & (dim == at_dim)
        first = np.unique(row[chosen], return_index=True)[1]  # the largest of each text comes first
        texts = row[chosen][first]
        ratios = np.abs(e["value"][where][chosen][first]) / median[at_layer]
        low, high = bootstrap_mean(ratios, e["source"][texts])
        token = _agreed(e["token"][where][chosen][first])
        found.append(
            Finding(
                detector="massive",
                kind="massive activation",
                layer=at_layer,
                unit=at_dim,
                position=_agreed(e["position"][where][chosen][first]),
                token=None if token is None else names.get(token, f"#{token}"),
                score=float(ratios.mean()),
                low=float(low),
                high=float(high),
                threshold=t.ratio,
            )
        )
    return found


def _nonfinite(e: Evidence) -> list[Finding]:
    bad = np.nonzero(e["nonfinite"])[0]
    first = e.arrays.get("nonfinite_position")
    nan = float("nan")
    return [
        Finding(
            detector="massive",
            kind="nonfinite",
            layer=int(layer),
            unit=None,
            position=None if first is None else _agreed(first[:, layer][first[:, layer] >= 0]),
            token=None,
            score=float(e["nonfinite"][layer]),
            low=nan,
            high=nan,
            threshold=0.0,
            verdict="observed",
        )
        for layer in bad
    ]


def _names(ids: np.ndarray, names: Names) -> list[str]:
    return [names.get(int(i), f"#{i}") for i in ids]


FRAMES = {
    "layers": layers,
    "entries": entries,
    "plateaus": plateaus,
    "writers": writers,
    "carriers": carriers,
    "outliers": outliers,
    "token_outliers": token_outliers,
    "directions": directions,
}
"""Tables of this evidence by name: (evidence, token names, thresholds) → DataFrame."""

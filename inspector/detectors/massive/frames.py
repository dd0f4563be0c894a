"""From the massive-activation evidence to findings and tables: numpy and pandas, no model.

Thresholds come in here and nowhere earlier, so that a slider can move them on a saved run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.base import Names
from inspector.detectors.massive.plateaus import magnitude, plateaus
from inspector.detectors.massive.thresholds import (
    Thresholds,
    cutoffs,
    flagged,
    medians,
    named,
    over_median,
    smallest_of_bins,
    typical_dim_max,
)
from inspector.detectors.massive.writers import writers
from inspector.detectors.measured import Measured
from inspector.detectors.pooled import is_sampled
from inspector.detectors.shown import Frame
from inspector.records import Evidence, Finding
from inspector.stats import (
    BINS_PER_OCTAVE,
    bin_edges,
    excess_kurtosis,
    histogram_quantile,
    mean_square,
    quantisation_error,
)

PREFIX_QUANT_RATIO = 64.0
INT8_LAYERS, INT8_POSITIONS = 0.25, 0.06


def entries(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """The flagged entries, of each text and layer the sixteen largest at most."""
    where = flagged(e, t)
    row, layer, _ = where
    token = e["token"][where]
    return pd.DataFrame(
        {
            "text": e["text"][row],
            "layer": layer,
            "position": e["position"][where],
            "token": named(token, names),
            "dim": e["dim"][where],
            "value": e["value"][where],
            "ratio": over_median(np.abs(e["value"][where]), medians(e)[layer]),
            "source": e["source"][row],
        }
    )


def kept(e: Evidence, names: Names) -> pd.DataFrame:
    """The sixteen largest entries of each text and layer, flagged or not: columns as `entries`."""
    return entries(e, names, Thresholds(ratio=0.0, magnitude=0.0))


def sizes(e: Evidence) -> pd.DataFrame:
    """How |x| is spread in each layer: entries counted in quarter octaves, `size` their lower edge."""
    quarters = e["histogram"].reshape(len(e["histogram"]), -1, BINS_PER_OCTAVE // 4).sum(axis=2)
    layer, step = np.nonzero(quarters)
    edges = bin_edges()[:: BINS_PER_OCTAVE // 4]
    return pd.DataFrame({"layer": layer, "size": edges[step], "entries": quarters[layer, step]})


def layers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """One row per layer: its largest entry, median, ratio, tails, and what int8 would cost."""
    size = np.abs(np.nan_to_num(e["value"], nan=-1.0))[:, :, 0]
    top, all_layers = size.argmax(axis=0), np.arange(size.shape[1])
    median, largest = medians(e), np.abs(e["value"][top, all_layers, 0])
    cut, seen = cutoffs(e, t), e["moments"][:, 0]
    position, token, dim = (e[name][top, all_layers, 0] for name in ("position", "token", "dim"))
    beyond = _beyond_sample(e, largest)
    largest, dim = (
        np.where(beyond, e["dim_max"].max(axis=1), largest),
        np.where(beyond, e["dim_max"].argmax(axis=1), dim),
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # a layer of zeros has no ratios
        ratio, dim_ratio = over_median(largest, median), largest / typical_dim_max(e)
        with_spikes, without = _int8_errors(e, cut)
    return pd.DataFrame(
        {
            "layer": all_layers,
            "max": largest,
            "position": np.where(beyond, -1, position),
            "token": [name if not other else "" for name, other in zip(named(token, names), beyond, strict=True)],
            "dim": dim,
            "median": median,
            "ratio": ratio,
            "dim_ratio": dim_ratio,
            "kurtosis": excess_kurtosis(e["moments"]),
            "n_flagged": _flagged_counts(e, t),
            "n_entries": seen.astype(np.int64),
            "int8_error": with_spikes,
            "int8_error_without": without,
            "nonfinite_tokens": e["nonfinite"],
        }
    )


def _beyond_sample(e: Evidence, largest: np.ndarray) -> np.ndarray:
    """In which layers a text without a row has a larger entry than all that have one."""
    return np.asarray(is_sampled(e) & (e["dim_max"].max(axis=1) > np.nan_to_num(largest, nan=-1.0)))


def _flagged_counts(e: Evidence, t: Thresholds) -> np.ndarray:
    """Flagged entries per layer: exact, unless a text has more than were kept; then from the histogram."""
    _row, layer, entry = flagged(e, t)
    counts = np.bincount(layer, minlength=e["value"].shape[1])
    every = np.arange(len(counts)) if is_sampled(e) else layer[entry == e["value"].shape[2] - 1]
    full = np.unique(every)
    above = smallest_of_bins(e)
    for index in full:
        counts[index] = max(counts[index], e["histogram"][index][above[index] >= cutoffs(e, t)[index]].sum())
    return counts


def _int8_errors(e: Evidence, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative error (rms error over rms value) of per-tensor int8, with and without flagged entries."""
    relative: list[tuple[float, float]] = []
    for layer, (counts, lower) in enumerate(zip(e["histogram"], smallest_of_bins(e), strict=True)):
        largest = float(e["dim_max"][layer].max())
        rest = np.where(lower < cut[layer], counts, 0)
        kept = lower[np.nonzero(rest)[0]]
        below = largest
        if rest.sum() < counts.sum():  # something is flagged
            below = float(kept.max()) * (1 + 1 / 256) if len(kept) else np.nan
        scale = np.sqrt(mean_square(rest))
        # The same values are judged both times: how much worse the spike makes the others.
        relative.append(
            (np.sqrt(quantisation_error(rest, largest)) / scale, np.sqrt(quantisation_error(rest, below)) / scale)
        )
    return np.array([pair[0] for pair in relative]), np.array([pair[1] for pair in relative])


def carriers(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """At which tokens and positions massive entries occur, and in what share of texts."""
    frame = entries(e, names, t)
    groups = frame.groupby(["layer", "dim", "position", "token"], sort=True)
    table = groups.agg(texts=("text", "nunique"), value=("value", _magnitude)).reset_index()
    table["share"] = table["texts"] / max(1, len(e["text"]))
    return table.sort_values(["layer", "share"], ascending=[True, False], ignore_index=True)


def _magnitude(values: "pd.Series[float]") -> float:
    return magnitude(values.to_numpy())[0]


def outliers(e: Evidence) -> pd.DataFrame:
    """LLM.int8 outlier dims: |x| ≥ 6 in ≥ 25 % of layers and ≥ 6 % of positions (arXiv 2208.07339).

    Counted where that method quantises: at a block's input after its first norm.
    """
    if "outliers" not in e.arrays:
        return pd.DataFrame(columns=["dim", "layers", "positions", "outlier"])
    tokens = e["normed_tokens"]
    seen = tokens > 0
    if not seen.any():
        return pd.DataFrame(columns=["dim", "layers", "positions", "outlier"])
    in_layers = (e["outliers"][seen] > 0).mean(axis=0)
    in_positions = e["outliers"][seen].sum(axis=0) / tokens[seen].sum()
    frame = pd.DataFrame({"dim": np.arange(len(in_layers)), "layers": in_layers, "positions": in_positions})
    frame["outlier"] = (frame["layers"] >= INT8_LAYERS) & (frame["positions"] >= INT8_POSITIONS)
    return frame.sort_values(["outlier", "positions"], ascending=False, ignore_index=True)


def token_outliers(e: Evidence, names: Names) -> pd.DataFrame:
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
            "token": named(e["input_token"][where], names),
            "max": e["input_max"][where],
            "ratio": ratio[where],
        },
        columns=columns,
    )


def directions(e: Evidence) -> pd.DataFrame:
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


def size_map(m: Measured) -> pd.DataFrame:
    """Largest |x| of every token and layer, for the first texts: text, layer, position, token, max."""
    e = m.evidence
    text, layer, position = np.nonzero(np.isfinite(e["map"]))
    table = pd.DataFrame({"text": e["text"][text], "layer": layer, "position": position})
    table["max"] = e["map"][text, layer, position]
    tokens = pd.DataFrame(dict(m.record.tokens))[["text", "position", "token"]]
    return table.merge(tokens, on=["text", "position"], how="left")[["text", "layer", "position", "token", "max"]]


def _plateau_verdicts(made: pd.DataFrame, found: Sequence[Finding]) -> list[str]:
    """A plateau is flagged in some of its layers, not always from the first: the first verdict there is."""
    known: dict[Any, str] = {(one.layer, one.unit): one.verdict for one in found}
    spans = zip(made["first"], made["last"], made["dim"], strict=True)
    every = [[known.get((at, dim), "") for at in range(first, last + 1)] for first, last, dim in spans]
    return [next((one for one in verdicts if one), "") for verdicts in every]


FRAMES: Mapping[str, Frame] = {
    "layers": Frame(lambda m: layers(m.evidence, m.names, m.thresholds)),
    "entries": Frame(lambda m: entries(m.evidence, m.names, m.thresholds)),
    "kept": Frame(lambda m: kept(m.evidence, m.names)),
    "sizes": Frame(lambda m: sizes(m.evidence)),
    "plateaus": Frame(lambda m: plateaus(m.evidence, m.names, m.thresholds), verdicts=_plateau_verdicts),
    "writers": Frame(lambda m: writers(m.evidence, m.names, m.thresholds)),
    "carriers": Frame(lambda m: carriers(m.evidence, m.names, m.thresholds)),
    "outliers": Frame(lambda m: outliers(m.evidence)),
    "token_outliers": Frame(lambda m: token_outliers(m.evidence, m.names)),
    "directions": Frame(lambda m: directions(m.evidence)),
    "map": Frame(size_map, present=lambda m: "map" in m.evidence.arrays),
}
"""The detector's frames by name."""

"""From the attention-sink evidence to findings and tables: numpy and pandas, no model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from inspector.detectors.agreement import agreed_by_place
from inspector.detectors.base import Names
from inspector.detectors.measured import Measured
from inspector.detectors.pooled import PerText, interval_of, is_sampled, mean_of
from inspector.detectors.shown import Frame
from inspector.detectors.sinks.kinds import active_texts, head_verdicts, kinds
from inspector.detectors.sinks.pooled import heads_of_all, per_text
from inspector.detectors.sinks.thresholds import DEFAULTS, Thresholds
from inspector.records import Evidence
from inspector.stats import mean_interval

AGREEMENT = 0.5
"""A sink that moves with a token is named by the token that at least half of the texts share."""


def _at(e: Evidence, epsilon: float) -> int:
    return [round(x, 2) for x in e.facts["epsilons"]].index(round(epsilon, 2))


def _rates(e: Evidence) -> np.ndarray:
    """Sink rate [layer, epsilon, key]: the share of texts and heads whose α_k is above ε; NaN unseen."""
    heads = e["received_sum"].shape[1]
    with np.errstate(invalid="ignore"):
        rate = e["hits"] / (e["seen"][:, None, :] * heads)
    rows = _early_rows(e)
    for index, epsilon in enumerate(e.facts["epsilons"] if rows is not None else ()):
        assert rows is not None  # else there are no ε
        above = np.where(np.isfinite(rows), rows > epsilon, np.nan)
        rate[:, index, : rows.shape[-1]] = _nanmean(_nanmean(above), axis=1)
    return np.asarray(rate)


def enough(e: Evidence) -> np.ndarray:
    """Which texts are in rates: long enough, and with finite attention in every layer that has any of long texts."""
    long = e["length"] >= e.facts["shortest"]
    finite = np.isfinite(e["received"][..., 0]).all(axis=2)
    seen = finite[long].any(axis=0)
    return np.asarray(long & finite[:, seen].all(axis=1) & seen.any())


def _early_rows(e: Evidence) -> np.ndarray | None:
    """α of the first keys [text, layer, head, key] in the texts that are in rates, if the sums are over others too.

    Sums were taken layer by layer, and a text can be finite in some. Then the rates of the first keys come from rows.
    A sample's rows say less than the sums do.
    """
    if is_sampled(e):
        return None
    chosen = enough(e)
    same = (e["seen"][_attending(e), 0] == chosen.sum()).all()
    return None if same or not chosen.any() else e["received"][chosen]


def _received(e: Evidence) -> np.ndarray:
    """Mean α_k over texts, [layer, head, key], over the first 64 queries."""
    with np.errstate(invalid="ignore"):
        mean = e["received_sum"] / e["seen"][:, None, :]
    rows = _early_rows(e)
    if rows is not None:
        mean[..., : rows.shape[-1]] = _nanmean(rows)
    return np.asarray(mean)


def _attending(e: Evidence) -> np.ndarray:
    """Layers in which attention was seen."""
    return np.nonzero((e["best_key"] >= 0).any(axis=(0, 2)))[0]


def keys(e: Evidence, t: Thresholds) -> pd.DataFrame:
    """One row per key position: sink rate and received attention, means over texts, layers and heads."""
    seen = _attending(e)
    rate = _nanmean(_rates(e)[seen][:, _at(e, t.epsilon)])
    received = _nanmean(_received(e)[seen].reshape(-1, len(rate)))
    counted = e["seen"][seen].max(axis=0, initial=0)
    if _early_rows(e) is not None:
        counted[: e["received"].shape[-1]] = enough(e).sum()
    frame = pd.DataFrame({"key": np.arange(len(rate)), "sink_rate": rate, "received": received, "n_texts": counted})
    return frame[frame["n_texts"] > 0].reset_index(drop=True)


def heads(e: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """One row per head: its strongest key, how much attention that gets, and what kind of head it is.

    `key` is the early key (of the first four) with the largest mean received attention, and `received` its α over the
    first 64 queries. Where in most texts a later key gets more over the whole text than the early one does, it is that
    key, if nine in ten of these texts agree on it, and empty where it moves with a token; `received` is then that key's
    α over the whole text. `early` and `received_full` are the early key's α over 64 queries and over all. `token` names
    the key. `spread` is the standard deviation over texts: a head with a large one is active on some texts and dormant
    on others: `active` is the share of texts in which any key is a sink, `active_received` what it gets there. `kind`
    says what the head is under ε: a sink, a dormant sink, or a learned sink. Texts too short for a rate are left out,
    unless there are no others: then they are described, with an empty `sink_rate`.
    """
    rated = enough(e).any()
    e = e.of_texts(enough(e)) if rated else e
    seen = _attending(e)
    early, at_early, at_early_full = _early_keys(e, seen)
    best, best_key = e["best"][:, seen], e["best_key"][:, seen]
    late = (best_key >= e["received"].shape[-1]) & (best > at_early_full)
    moving = (late.mean(axis=0) > AGREEMENT) & (_nanmean(best) > _nanmean(at_early))
    strongest = np.where(moving, best, at_early)
    low, high = mean_interval(strongest, e["source"], share=True)
    # Value norms were kept for key 0 and for each text's strongest key.
    at_best = np.where(moving | (best_key == early), e["best_value_ratio"][:, seen], np.nan)
    ratio = np.where(~moving & (early == 0), e["value_ratio"][:, seen], at_best)
    layer, head = np.meshgrid(seen, np.arange(best.shape[2]), indexing="ij")
    with np.errstate(invalid="ignore"):
        above = np.where(np.isfinite(strongest), strongest > t.epsilon, np.nan)
    fixed = agreed_by_place(best_key, late)
    columns: dict[str, np.ndarray] = {
        "layer": layer,
        "head": head,
        "key": np.where(moving, fixed, early),
        "received": _nanmean(strongest),
        "low": low,
        "high": high,
        "sink_rate": _nanmean(above) if rated else np.full(above.shape[1:], np.nan),
        "spread": _nanstd(strongest),
        "early": _nanmean(at_early),
        "received_full": _nanmean(at_early_full),
        "entropy": _nanmean(e["entropy"][:, seen]),
        "entropy_rest": _nanmean(e["entropy_rest"][:, seen]),
        "self_share": _nanmean(e["self_share"][:, seen]),
        "self_rest": _nanmean(e["self_rest"][:, seen]),
        "value_norm_ratio": _nanmean(ratio),
    }
    if "sink_mass" in e.arrays:
        columns["sink_mass"] = _nanmean(e["sink_mass"][:, seen])
    if is_sampled(e) and rated:
        all_texts = heads_of_all(e, seen, early, moving, _at(e, t.epsilon))
        columns |= {name: np.where(np.isfinite(values), values, columns[name]) for name, values in all_texts.items()}
    columns |= active_texts(e, t, seen, rated=bool(rated))
    frame = pd.DataFrame({name: values.reshape(-1) for name, values in columns.items()})
    frame["key"] = frame["key"].astype("Int64").mask(frame["key"] < 0)
    frame["token"] = [
        _token(e, names, int(row.layer), int(row.head), None if pd.isna(row.key) else int(row.key))
        for row in frame.itertuples()
    ]
    frame["active_key"] = frame["active_key"].astype("Int64").mask(frame["active_key"] < 0)
    frame["kind"] = kinds(frame, t)
    return frame


def received(e: Evidence) -> pd.DataFrame:
    """One row per head and key position below 64: α of the key, the mean over the texts that have it."""
    mean = _received(e)
    layer, head, key = np.nonzero(np.isfinite(mean))
    table = pd.DataFrame({"layer": layer, "head": head, "key": key, "received": mean[layer, head, key]})
    return table[np.isin(layer, _attending(e))].reset_index(drop=True)


def _early_keys(e: Evidence, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each head's strongest early key [layer, head], and each text's α of it over 64 queries and over all."""
    means = mean_of(e, "received")[seen] if is_sampled(e) else _nanmean(e["received"][:, seen])
    early = np.where(np.isfinite(means), means, -1.0).argmax(axis=-1)
    at = early[None, :, :, None]
    alphas = [np.take_along_axis(e[name][:, seen], at, axis=-1)[..., 0] for name in ("received", "received_full")]
    return early, alphas[0], alphas[1]


def _token(e: Evidence, names: Names, layer: int, head: int, key: int | None) -> str | None:
    """The token that most texts have at the head's strongest key, or None if they don't agree."""
    token, where = e["best_token"][:, layer, head], e["best_key"][:, layer, head]
    chosen = token[(where == key) if key is not None else (where >= e["received"].shape[-1])]
    found, counts = np.unique(chosen[chosen >= 0], return_counts=True)
    if not len(found) or counts.max() < AGREEMENT * len(chosen):
        return None
    return names.get(int(found[counts.argmax()]), f"#{found[counts.argmax()]}")


def layers(e: Evidence, t: Thresholds) -> pd.DataFrame:
    """One row per layer: sink rate and received attention at key 0, means over texts and heads."""
    seen = _attending(e)
    rate = _rates(e)[seen][:, _at(e, t.epsilon), 0]
    return pd.DataFrame({"layer": seen, "sink_rate": rate, "received": _nanmean(_received(e)[seen][:, :, 0], axis=1)})


def curve(e: Evidence) -> pd.DataFrame:
    """The sink rate at key 0 over ε."""
    rate = _nanmean(_rates(e)[_attending(e)][:, :, 0])
    return pd.DataFrame({"epsilon": list(e.facts["epsilons"]), "sink_rate": rate})


def rates(e: Evidence, epsilon: float) -> np.ndarray:
    """The share of heads whose first key is a sink, for each text that is long enough and has any."""
    received = e["received"][enough(e)][..., 0]
    above = np.where(np.isfinite(received), received > epsilon, np.nan)
    above = above.reshape(len(received), int(np.prod(above.shape[1:])))  # also where no text is long enough
    return _nanmean(above[np.isfinite(above).any(axis=1)], axis=1)


def rate_by_text(e: Evidence) -> dict[int, float]:
    """The share of heads whose first key is a sink by the default ε, by text; NaN where a head has none."""
    received = e["received"][..., 0]
    heads = np.where(np.isfinite(received), received > DEFAULTS.epsilon, np.nan).reshape(len(received), -1)
    return dict(zip(e["text"].tolist(), heads.mean(axis=1).tolist(), strict=True))


def sink_rate(e: Evidence, t: Thresholds) -> tuple[float, float, float]:
    """The sink rate at key 0 with its interval over texts; NaN if all are too short."""
    if is_sampled(e):
        at = _at(e, t.epsilon)
        low, high = interval_of(e, "first", at, share=True)
        return float(mean_of(e, "first")[at]), float(low), float(high)
    e = e.of_texts(enough(e))
    if not len(e["text"]):
        return np.nan, np.nan, np.nan
    first = e["received"][:, _attending(e)][..., 0]
    a_text = np.where(np.isfinite(first), first > t.epsilon, np.nan).reshape(len(first), -1)
    rate = _nanmean(a_text, axis=1)
    low, high = mean_interval(rate, e["source"], share=True)
    return float(_nanmean(rate)), float(low), float(high)


def control_row(name: str, e: Evidence, t: Thresholds) -> dict[str, object]:
    """A row of the controls' table: the sink rate at key 0 on one kind of input."""
    rate, low, high = sink_rate(e, t)
    return {"input": name, "sink_rate": rate, "low": low, "high": high, "n": in_rates(e)}


def in_rates(e: Evidence) -> int:
    """How many texts are in rates."""
    return int(e["pooled_first_count"].max()) if is_sampled(e) else int(enough(e).sum())


def pooled_values(e: Evidence) -> Mapping[str, PerText]:
    """What is kept of all texts where some have no row."""
    return per_text(e, enough(e), _attending(e))


def _nanmean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Mean without NaNs; NaN, and no warning, where there is nothing else."""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(present, values, 0.0).sum(axis=axis) / present.sum(axis=axis))


def _nanstd(values: np.ndarray) -> np.ndarray:
    """Standard deviation over texts; NaN where fewer than two have a value."""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        square = _nanmean((values - _nanmean(values)) ** 2)
    return np.where(present.sum(axis=0) > 1, np.sqrt(square), np.nan)


def controls(m: Measured) -> pd.DataFrame:
    """The sink rate at key 0 on the texts and on each control input: input, sink_rate, low, high, n."""
    inputs = {"texts": m.evidence, **m.controls}
    return pd.DataFrame([control_row(name, evidence, m.thresholds) for name, evidence in inputs.items()])


FRAMES: Mapping[str, Frame] = {
    "keys": Frame(lambda m: keys(m.evidence, m.thresholds)),
    "heads": Frame(lambda m: heads(m.evidence, m.names, m.thresholds), verdicts=head_verdicts),
    "received": Frame(lambda m: received(m.evidence)),
    "layers": Frame(lambda m: layers(m.evidence, m.thresholds)),
    "curve": Frame(lambda m: curve(m.evidence)),
    "controls": Frame(controls),
}
"""The detector's frames by name."""

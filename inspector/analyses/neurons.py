"""Neuron states: what a neuron fires on and how often, what it promotes and suppresses, the spike it writes.

A neuron j is an entry z_j of the input of an MLP's last matrix. It fires at a token where |z_j| is at
least `bar` medians of its layer's |z| (all neurons, all tokens): a firing threshold without a scale, and |z_j| > 0
where most are zero (ReLU). What it adds to the stream is z_j · W_out[j]; read through the final norm
and the unembedding, that promotes some tokens and suppresses others. Where z_j is negative, as it
often is in a gated MLP, it does the opposite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from inspector.analyses.neurons_reducer import NeuronReducer
from inspector.batches import WINDOW, Text, TokenSequence, batches, token_texts, tokenise
from inspector.detectors.massive.detector import Massive
from inspector.detectors.massive.plateaus import plateaus, writers
from inspector.detectors.massive.thresholds import Thresholds
from inspector.detectors.sinks.detector import Sinks
from inspector.detectors.sinks.frames import Thresholds as SinkThresholds
from inspector.detectors.sinks.reducer import SHORTEST
from inspector.errors import InputError, ModelError
from inspector.models import Model, check_readout, direct_logits, written
from inspector.models.observe import Forecast, Progress, forecast, observe
from inspector.records import Evidence, Record
from inspector.stats import histogram_quantile, histogram_share
from inspector.texts import built_in

TEXTS, TOP, BAR, AROUND = 100, 10, 10.0, 8
"""Built-in texts, rows of each kind, medians from which a neuron fires, tokens shown on both sides."""


@dataclass(frozen=True)
class NeuronStates:
    """What `describe_neurons` found.

    Args:
        states: one row per neuron: layer, neuron, fires (share of tokens), positive (share of those with z > 0),
            bar (the firing threshold, as |z|), mean, low, median, high (5 %, 50 %, 95 %), min, max of z,
            norm (‖W_out[j]‖), dim (the spike's dim that it writes most of, where the model has a spike), writes (z_j ·
            W_out[j, dim] at its top token, before a norm after the MLP), dim_share (of ‖W_out[j]‖² in that dim),
            spike_share (its part of the jump by which that spike comes up; empty where it is not a main direct
            contributor), sink_heads (share of heads whose sink is the token on which it activates most, mean over its
            top tokens), n (tokens).
        tokens: rows of three kinds by neuron and rank: `activates` (the token with the largest |z| of a text; value is
            z; text, position, before, after), `promotes` and `suppresses` (value is what a stream in the neuron's
            direction, of root mean square 1, adds to the token's logit; for z > 0).
    """

    states: pd.DataFrame
    tokens: pd.DataFrame


def describe_neurons(
    model: Model,
    neurons: Sequence[tuple[int, int]],
    texts: Sequence[Text] | None = None,
    *,
    top: int = TOP,
    bar: float = BAR,
    report: Record | None = None,
    bos: bool | None = None,
    progress: Progress | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> NeuronStates:
    """Describe MLP neurons by one streaming pass over texts and by what they write.

    Args:
        model: from `load_model`.
        neurons: (layer, neuron) pairs, 0-based.
        texts: strings or token ids; built-in ones where None.
        top: tokens of each kind.
        bar: the firing threshold, in multiples of the median |z| of the neuron's layer.
        report: a scan of this model, whose spikes are taken; where None the same pass looks for them.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        progress: called with the number of tokens just done.
        on_forecast: called once, before the pass, with what it will take.

    Raises:
        InputError: no neurons, one that the model doesn't have, or an option out of range.
        ModelError: the model has no neurons that can be measured, or its stream can't be read as logits.
    """
    wanted = _checked(model, neurons, top, bar, report)
    check_readout(model)
    inputs = built_in(TEXTS) if texts is None else texts
    rows = tokenise(model.tokenizer, inputs, bos=bos, window=min(WINDOW, model.shape.context))
    seen = NeuronReducer(wanted, top)
    scan = Massive().reducer(model) if report is None else None
    attention = Sinks().reducer(model) if model.shape.has("attention") else None
    plan = forecast(model, rows)
    if on_forecast is not None:
        on_forecast(plan)
    listening = [one for one in (seen, scan, attention) if one is not None]
    observe(model, batches(rows, plan.tokens_per_batch, model.pad_id), listening, progress=progress)
    massive = scan.evidence() if scan is not None else (report.evidence.get("massive") if report else None)
    states = pd.DataFrame([_state(seen, number, bar) for number in range(len(wanted))])
    states = _with_spikes(model, states, massive)
    states["sink_heads"] = _sink_heads(seen, rows, None if attention is None else attention.evidence())
    return NeuronStates(states[[*states.columns.drop("n"), "n"]], _tokens(model, seen, rows, top))


def _checked(
    model: Model, neurons: Sequence[tuple[int, int]], top: int, bar: float, report: Record | None
) -> list[tuple[int, int]]:
    if not model.shape.has("neuron"):
        raise ModelError(
            f"{model.card['architecture']} has no MLP with a single last matrix (neuron sites), so it has no neurons "
            "to describe. `inspector models` lists what works."
        )
    if not len(neurons):
        raise InputError("No neurons were given. Pass (layer, neuron) pairs.")
    if top < 1 or not bar > 0:
        raise InputError(
            f"top is {top} and the firing threshold (bar) is {bar}. Use a top of 1 or more and a threshold above 0."
        )
    if report is not None and report.card["fingerprint"] != model.card["fingerprint"]:
        raise InputError("The report is of another model or dtype. Pass a scan of this one, or leave it out.")
    layers = model.shape.layers_of("neuron")
    for layer, neuron in neurons:
        if layer not in layers or not 0 <= neuron < model.shape.d_mlp:
            raise InputError(
                f"No neuron {neuron} in layer {layer}. Layers with neurons are {layers[0]}–{layers[-1]}, "
                f"neurons 0–{model.shape.d_mlp - 1}."
            )
    return list(dict.fromkeys((int(layer), int(neuron)) for layer, neuron in neurons))


def _state(seen: NeuronReducer, number: int, bar: float) -> dict[str, object]:
    """One neuron's numbers over all tokens."""
    layer, neuron = seen.neurons[number]
    above, below = seen.counts[number]
    edge = bar * histogram_quantile(seen.layer_counts[layer])
    edge = max(edge, float(np.finfo(np.float32).tiny))
    tokens = above.sum() + below.sum()
    fires = [histogram_share(side, edge) * side.sum() if side.sum() else 0.0 for side in (above, below)]
    state = {"layer": layer, "neuron": neuron, "fires": sum(fires) / tokens if tokens else np.nan}
    state |= {"positive": fires[0] / sum(fires) if sum(fires) else np.nan, "bar": edge}
    state["mean"] = seen.sums[number] / tokens if tokens else np.nan
    state |= {name: _quantile(above, below, q) for name, q in (("low", 0.05), ("median", 0.5), ("high", 0.95))}
    return state | {"min": seen.lowest[number], "max": seen.highest[number], "n": int(tokens)}


def _quantile(above: np.ndarray, below: np.ndarray, q: float) -> float:
    """The q-quantile of signed values, from histograms of the magnitudes on both sides of zero."""
    n, m = int(above.sum()), int(below.sum())
    target = q * (n + m)
    if target < m:
        return -histogram_quantile(below, 1 - target / m)
    return histogram_quantile(above, (target - m) / n) if n else float("nan")


def _with_spikes(model: Model, states: pd.DataFrame, massive: Evidence | None) -> pd.DataFrame:
    """The states with what each neuron writes into the model's main spikes."""
    found = pd.DataFrame() if massive is None else plateaus(massive, {}, Thresholds())
    dims = found.loc[found["main"], "dim"].unique().tolist() if len(found) else []
    part = pd.DataFrame() if massive is None else writers(massive, {}, Thresholds())
    columns: dict[str, list[object]] = {n: [] for n in ("norm", "dim", "writes", "dim_share", "spike_share")}
    for row in states.itertuples():
        w = model.w_out(row.layer)[row.neuron].detach().float().cpu().numpy()
        peak = row.max if abs(row.max) >= abs(row.min) else row.min
        dim = max(dims, key=lambda d: abs(w[d]), default=None)
        columns["norm"].append(float(np.linalg.norm(w)))
        columns["dim"].append(dim)
        columns["writes"].append(np.nan if dim is None else float(peak * w[dim]))
        columns["dim_share"].append(np.nan if dim is None else float(w[dim] ** 2 / (w**2).sum()))
        mine = part[(part["layer"] == row.layer) & (part["neuron"] == row.neuron)] if len(part) else part
        mine = mine[mine["dim"] == dim] if len(mine) else mine
        columns["spike_share"].append(float(mine["share"].max()) if len(mine) else np.nan)
    return states.assign(**columns).astype({"dim": "Int64"})


def _sink_heads(seen: NeuronReducer, rows: Sequence[TokenSequence], sinks: Evidence | None) -> list[float]:
    """Of each neuron, the share of heads that place more than ε of a text's attention on its top token there.

    The mean over its top tokens; texts too short for a sink rate are left out. NaN without any, or without attention.
    """
    if sinks is None:
        return [float("nan")] * len(seen.neurons)
    long = {row.text for row in rows if len(row.ids) >= SHORTEST}
    row_of = {int(text): row for row, text in enumerate(sinks["text"])}
    received, epsilon = sinks["best"], SinkThresholds().epsilon
    found = []
    for number in range(len(seen.neurons)):
        places = [(row_of[text], position) for _, text, position in seen.top(number) if text in long]
        shares = [((received[row] > epsilon) & (sinks["best_key"][row] == position)).mean() for row, position in places]
        found.append(float(np.mean(shares)) if shares else float("nan"))
    return found


def _tokens(model: Model, seen: NeuronReducer, rows: Sequence[TokenSequence], top: int) -> pd.DataFrame:
    row_of = {row.text: row for row in rows}
    found = [_activating(model, seen, number, row_of) for number in range(len(seen.neurons))]
    found += [_written(model, layer, seen.neurons, top) for layer in sorted({layer for layer, _ in seen.neurons})]
    table = pd.concat(found, ignore_index=True).astype({"text": "Int64", "position": "Int64"})
    order = {pair: number for number, pair in enumerate(seen.neurons)}
    place = [order[pair] for pair in zip(table["layer"], table["neuron"], strict=True)]
    return table.assign(place=place).sort_values(["place", "kind", "rank"], ignore_index=True).drop(columns="place")


def _activating(model: Model, seen: NeuronReducer, number: int, row_of: dict[int, TokenSequence]) -> pd.DataFrame:
    """A neuron's top tokens, one per text, with the words around them."""
    layer, neuron = seen.neurons[number]
    lines = []
    for rank, (value, text, position) in enumerate(seen.top(number)):
        row = row_of[text]
        around = (row.ids[max(0, position - AROUND) : position], row.ids[position + 1 : position + 1 + AROUND])
        before, after = (_text(model, ids) for ids in around)
        (token,) = token_texts(model.tokenizer, row.ids[position : position + 1])
        place = {"text": row.source, "position": row.start + position, "before": before, "after": after}
        lines.append({"rank": rank, "token": token, "value": value, **place})
    columns = ["rank", "token", "value", "text", "position", "before", "after"]
    table = pd.DataFrame(lines, columns=columns)
    return _labelled(table, layer, neuron, "activates")


def _text(model: Model, ids: Sequence[int]) -> str:
    """Tokens as one text: characters of several tokens come out whole."""
    if model.tokenizer is None or not ids:
        return " ".join(token_texts(None, ids))
    return model.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)


def _written(model: Model, layer: int, neurons: Sequence[tuple[int, int]], top: int) -> pd.DataFrame:
    """The tokens that each of a layer's neurons promotes and suppresses."""
    mine = [neuron for where, neuron in neurons if where == layer]
    logits = direct_logits(model, written(model, layer, mine))
    known = model.shape.vocab if model.tokenizer is None else min(len(model.tokenizer), model.shape.vocab)
    parts = []
    for kind, sign in (("promotes", 1), ("suppresses", -1)):
        largest = (sign * logits[:, :known]).topk(min(top, known), dim=-1)
        for neuron, values, ids in zip(mine, largest.values.tolist(), largest.indices.tolist(), strict=True):
            table = pd.DataFrame({"token": token_texts(model.tokenizer, ids), "value": [sign * v for v in values]})
            parts.append(_labelled(table.assign(rank=range(len(ids)), before="", after=""), layer, neuron, kind))
    return pd.concat(parts)


def _labelled(table: pd.DataFrame, layer: int, neuron: int, kind: str) -> pd.DataFrame:
    columns = ["layer", "neuron", "kind", "rank", "token", "value", "text", "position", "before", "after"]
    table = table.assign(layer=layer, neuron=neuron, kind=kind)
    return table.reindex(columns=columns).astype({"text": "Int64", "position": "Int64"})

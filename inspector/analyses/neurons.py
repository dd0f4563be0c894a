"""Neuron states: what a neuron fires on and how often, what it promotes and suppresses, the spike it writes.

A neuron j is an entry z_j of the input of an MLP's last matrix. It fires at a token where |z_j| is at
least `bar` medians of its layer's |z| (all neurons, all tokens): a firing threshold without a scale, and |z_j| > 0
where most are zero (ReLU). What it adds to the stream is z_j · W_out[j]; read through the final norm
and the unembedding, that promotes some tokens and suppresses others. Where z_j is negative, as it
often is in a gated MLP, it does the opposite.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from inspector.alike import Alike
from inspector.analyses.neurons_reducer import NeuronReducer
from inspector.arguments import Count, Finite, takes
from inspector.batches import WINDOW, TokenSequence, batches, tokenise
from inspector.detectors.apart import Apart, without_overwriting
from inspector.detectors.base import Detector, attempt, bytes_kept, load_detectors
from inspector.detectors.neurons import Described, NeuronColumns
from inspector.errors import DetectorError, InputError, ModelError
from inspector.models import Model, check_readout, direct_logits, written
from inspector.models.conversations import texts_for
from inspector.models.observe import Forecast, Observer, forecast, observe
from inspector.pages import page
from inspector.printable import counted, listed
from inspector.progress import Reported, progress_of
from inspector.records import Evidence, Record
from inspector.stats import histogram_quantile, histogram_share
from inspector.texts import Given, built_in
from inspector.token_text import text_of, token_texts

T = TypeVar("T")

TEXTS, TOP, BAR, AROUND = 100, 10, 10.0, 8
"""Built-in texts, rows of each kind, medians from which a neuron fires, tokens shown on both sides."""


@dataclass(frozen=True, repr=False, eq=False)
class NeuronStates(Alike):
    """What `describe_neurons` found.

    Args:
        states: one row per neuron: layer, neuron, fires (share of tokens), positive (share of those with z > 0),
            bar (the firing threshold, as |z|), mean, low, median, high (5 %, 50 %, 95 %), min, max of z,
            norm (‖W_out[j]‖), dim (the spike's dim that it writes most of, where the model has a spike), writes (z_j ·
            W_out[j, dim] at its top token, before a norm after the MLP), dim_share (of ‖W_out[j]‖² in that dim),
            spike_share (its part of the jump by which that spike comes up; empty where it is not a main direct
            contributor), sink_heads (share of heads whose sink is the token on which it activates most, mean over its
            top tokens), n (tokens). Columns from dim on are brought by detectors; a plugin's stand beside them.
        tokens: rows of three kinds by neuron and rank: `activates` (the token with the largest |z| of a text; value is
            z; text, position, before, after), `promotes` and `suppresses` (value is what a stream in the neuron's
            direction, of root mean square 1, adds to the token's logit; for z > 0).
        notes: what detectors failed in.
    """

    states: pd.DataFrame
    tokens: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<NeuronStates of {counted(len(self.states), 'neuron')}, shown at {counted(len(self.tokens), 'token')}>"

    def _repr_html_(self) -> str:
        return page(repr(self), self.notes, {"States": self.states, "Tokens": self.tokens})


@takes
def describe_neurons(
    model: Model,
    neurons: Iterable[Any],
    texts: Given | None = None,
    *,
    top: Count = TOP,
    bar: Finite = BAR,
    report: Record | None = None,
    bos: bool | None = None,
    progress: Reported = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> NeuronStates:
    """Describe MLP neurons by one streaming pass over texts and by what they write.

    Args:
        model: from `load_model`.
        neurons: (layer, neuron) pairs, 0-based: a list, an array, or a table of two columns.
        texts: strings or token ids; built-in ones where None.
        top: tokens of each kind.
        bar: the firing threshold, in multiples of the median |z| of the neuron's layer.
        report: a scan of this model, whose spikes are taken; where None the same pass looks for them.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        progress: hears of the task `describing`, in tokens.
        on_forecast: called once, before the pass, with what it will take.

    Raises:
        InputError: no neurons, one that the model doesn't have, or an option out of range.
        ModelError: the model has no neurons that can be measured, or its stream can't be read as logits.
    """
    wanted = _checked(model, _pairs(neurons), bar, report)
    check_readout(model)
    inputs = built_in(TEXTS) if texts is None else texts_for(model.tokenizer, texts)
    rows = tokenise(model.tokenizer, inputs, bos=bos, window=min(WINDOW, model.shape.context))
    beside = [_Beside.of(one, model, report) for one in load_detectors() if hasattr(one, "neurons")]
    lengths = [len(row.ids) for row in rows]
    plan = forecast(model, rows, kept=sum(bytes_kept(one.apart.reducer, lengths) for one in beside if one.apart))
    if on_forecast is not None:
        on_forecast(plan)
    task = progress_of(progress).task("describing", plan.tokens)
    spoilt: list[str] = []

    def run(left_out: Collection[Detector]) -> tuple[NeuronReducer, list[_Beside]]:
        seen = NeuronReducer(wanted, top, [layer for layer, _ in wanted if model.routed(layer)])
        others = [
            _Beside(one.detector, one.columns) if one.detector in left_out else _Beside.of(one.detector, model, report)
            for one in beside
        ]
        observers: list[Observer] = [seen, *(one.apart for one in others if one.apart)]
        observe(model, batches(rows, plan.tokens_per_batch, model.pad_id), observers, task=task)
        return seen, others

    seen, beside = without_overwriting(run, spoilt.append)
    states = pd.DataFrame([_state(seen, number, bar) for number in range(len(wanted))])
    described = _described(model, seen, states, rows)
    states["norm"] = np.linalg.norm(described.output, axis=1)
    states = pd.concat([states, *(one.frame(described) for one in beside)], axis=1)
    states = states[[*states.columns.drop("n"), "n"]]
    return NeuronStates(states, _tokens(model, seen, rows, top), (*spoilt, *(one.fault for one in beside if one.fault)))


@dataclass
class _Beside:
    """A detector's columns, from an earlier scan or from what `apart` sees; a detector that fails leaves a fault."""

    detector: Detector
    columns: NeuronColumns
    evidence: Evidence | None = None
    apart: Apart | None = None
    fault: str = ""

    @classmethod
    def of(cls, detector: Detector, model: Model, report: Record | None) -> "_Beside":
        columns: NeuronColumns = detector.neurons  # type: ignore[attr-defined]
        if report is not None and not columns.these_texts:
            return cls(detector, columns, report.evidence.get(detector.name))
        found = cls(detector, columns)
        if all(model.shape.has(kind) for kind in detector.kinds):
            reducer = found._tried("reducer", lambda: detector.reducer(model))
            found.apart = None if reducer is None else Apart(detector, reducer)
        return found

    def frame(self, described: Described) -> pd.DataFrame:
        """The columns; empty ones where the model can't be measured, or the detector failed."""
        evidence = self.evidence
        if self.apart is not None:
            self.fault = self.apart.fault
            evidence = None if self.fault else self._tried("evidence", self.apart.reducer.evidence)
        made = self._tried("neurons", lambda: self.columns.frame(evidence, described))
        return self.columns.frame(None, described) if made is None else made

    def _tried(self, part: str, call: Callable[[], T]) -> T | None:
        try:
            return attempt(self.detector, part, call)
        except DetectorError as error:
            self.fault = str(error)
            return None


def _pairs(neurons: Iterable[Any]) -> list[tuple[int, int]]:
    """Neurons, each by its layer and number.

    Raises:
        InputError: one of them isn't.
    """
    given = neurons.to_numpy() if isinstance(neurons, pd.DataFrame) else neurons
    pairs = [one if isinstance(one, Sequence | np.ndarray) else () for one in given]
    if odd := [one for one in pairs if len(one) != 2 or not all(isinstance(part, Integral) for part in one)]:
        raise InputError(f"{listed(odd, 1)} is no neuron. Pass pairs of a layer and a number, such as (17, 843).")
    return [(int(layer), int(neuron)) for layer, neuron in pairs]


def _checked(
    model: Model, neurons: Sequence[tuple[int, int]], bar: float, report: Record | None
) -> list[tuple[int, int]]:
    if not model.shape.has("neuron"):
        raise ModelError(
            f"{model.card['architecture']} has no MLP with a single last matrix (neuron sites), so it has no neurons "
            "to describe. `inspector models` lists what works."
        )
    if not neurons:
        raise InputError("No neurons were given. Pass (layer, neuron) pairs.")
    if not bar > 0:
        raise InputError(f"The firing threshold (bar) is {bar}. Use one above 0.")
    if report is not None and report.card["fingerprint"] != model.current_card()["fingerprint"]:
        raise InputError("The report is of another model or dtype. Pass a scan of this one, or leave it out.")
    layers = model.shape.layers_of("neuron")
    for layer, neuron in neurons:
        if layer not in layers or not 0 <= neuron < model.shape.d_mlp:
            raise InputError(
                f"No neuron {neuron} in layer {layer}. Layers with neurons are {layers[0]}–{layers[-1]}, "
                f"neurons 0–{model.shape.d_mlp - 1}."
            )
    return list(dict.fromkeys(neurons))


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


def _described(model: Model, seen: NeuronReducer, states: pd.DataFrame, rows: Sequence[TokenSequence]) -> Described:
    """What detectors' columns are made from."""
    output = [model.w_out(layer)[neuron].detach().float().cpu().numpy() for layer, neuron in seen.neurons]
    peak = np.where(states["max"].abs() >= states["min"].abs(), states["max"], states["min"])
    top = tuple(
        tuple((text, position) for _, text, position in seen.top(number)) for number in range(len(seen.neurons))
    )
    lengths = {row.text: len(row.ids) for row in rows}
    return Described(np.array(seen.neurons), np.stack(output), peak.astype(np.float32), top, lengths)


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
    return text_of(model.tokenizer, ids)


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

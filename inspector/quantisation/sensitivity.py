"""What a scheme costs: everything at once, each layer and each matrix alone, and what sparing some of it is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.arguments import Number, meant, takes
from inspector.batches import token_table
from inspector.detectors.compression.figures import quantised_parts, remedy_gains
from inspector.detectors.compression.kept import NAME, tables_of
from inspector.detectors.compression.recipe import recipe_of
from inspector.detectors.compression.sentences import AS_IS, HELPS, of_quantisation, worst_first
from inspector.detectors.trials import Outcome
from inspector.errors import InputError
from inspector.models import Model
from inspector.models.conversations import texts_for
from inspector.models.matrices import Matrix, matrices_of
from inspector.pages import page
from inspector.printable import counted
from inspector.progress import Reported, Task, progress_of
from inspector.quantisation.bench import AS_IT_IS, Bench
from inspector.quantisation.bits import bits_spent
from inspector.quantisation.remedies import Found, Remedy, Way, remedies_for
from inspector.quantisation.schemes import Scheme, scheme
from inspector.quantisation.spikes import spikes_of
from inspector.run.measurements import Keepable, Measurements
from inspector.run.report import RECIPE
from inspector.stats import mean_interval
from inspector.texts import Given
from inspector.verification.text_bench import TextBench, over_texts, rows_to_measure
from inspector.verification.trials import p_value
from inspector.verification.verdicts import LEVEL

EACH = ("matrix", "layer", "none")
CONTROLS = 20
"""Random dims, neurons, tokens, layers or matrices beside each remedy: p can be 1/21 at least."""


@dataclass(frozen=True, repr=False, eq=False)
class Sensitivity(Keepable):
    """What quantisation costs, measured on texts without touching a weight.

    Args:
        scheme: what was tried.
        parts: one row per part: what (all, layer, matrix), layer, part, name; loss (its change, nats a token) and kl
            (from the unmodified model, nats a token), each with its interval over texts; n (texts).
        remedies: one row per remedy, and first the scheme as it is on the same texts: kind, remedy, spares (in words),
            loss and kl as above under the scheme with the remedy; gain (how much less the kl is than without it,
            paired), gain_low, gain_high; controls (how many random ones were tried), control_gain (their mean), p (of
            as large a gain among them), verdict; activation_bits, weight_bits, cache_bits (bits a number on average,
            scales not counted). What is spared was chosen on the texts of `parts`; gains are measured on as many
            others.
        facts: the texts, the seed, and what the spikes are that remedies spare.
        card: the model's.
        inputs: the input tokens of `parts`.
    """

    scheme: Scheme
    parts: pd.DataFrame
    remedies: pd.DataFrame
    facts: Mapping[str, Any]
    card: Mapping[str, Any]
    inputs: Mapping[str, np.ndarray]

    @cached_property
    def worst(self) -> pd.DataFrame:
        """The matrices, or where these weren't tried one by one the layers, the one that costs most first."""
        return worst_first(self.parts)

    def sentences(self) -> list[str]:
        """What it costs, where, and what helps, in words."""
        return list(of_quantisation(self.parts, self.remedies, self.scheme.words))

    def recipe(self) -> dict[str, Any]:
        """What to spare, as data: dims, neurons, tokens and modules, named as llm-compressor's `ignore` takes them.

        Each comes with the measurement behind it. Only what helped, more than random ones, is in it.
        """
        kept = self.measurements()
        found = recipe_of(kept.tables, {kept.part: kept.facts})
        return {"version": RECIPE, "model": self.card["fingerprint"], **found}

    def figure(self) -> go.Figure:
        """What each matrix costs alone, over layers; of layers, where matrices weren't tried.

        Raises:
            InputError: nothing was tried alone.
        """
        if not len(self.worst):
            raise InputError("No layer and no matrix was tried alone. Measure with each='layer' or 'matrix'.")
        return quantised_parts(self.parts)

    def remedy_figure(self) -> go.Figure:
        """The KL under each remedy, on texts that it wasn't chosen on, beside the scheme as it is there."""
        return remedy_gains(self.remedies)

    def measurements(self) -> Measurements:
        """What is kept of it in a run."""
        tables = tables_of("quantisation", {"quantisation": self.parts, "remedies": self.remedies})
        facts = {self.scheme.name: {"words": self.scheme.words, **self.facts}}
        return Measurements(NAME, "quantisation", self.card, self.inputs, tables, facts)

    def __repr__(self) -> str:
        whole = self.parts["kl"].iloc[0]
        return f"<Sensitivity to {self.scheme.name}: KL {whole:.3g}, {counted(len(self.parts) - 1, 'part')} alone>"

    def _repr_html_(self) -> str:
        return page(repr(self), self.sentences(), {"Remedies": self.remedies, "Alone, the worst first": self.worst})


@takes
def sensitivity(
    model: Model,
    how: Scheme | str = "w8a8-tensor",
    texts: Given | None = None,
    *,
    each: str = "matrix",
    controls: Number = CONTROLS,
    bos: bool | None = None,
    seed: Number = 0,
    progress: Reported = None,
) -> Sensitivity:
    """What a quantisation scheme would cost: all at once, each layer and matrix alone, and remedies beside random ones.

    Args:
        model: from `load_model`.
        how: the scheme or its name: `w8a8-tensor`, `w8a8-token`, `w4a16-g128`, `kv4`, …
        texts: 16 of 64 tokens or more; built-in ones where None. Parts are measured on one half, on which spikes and
            the worst parts are found as well; remedies are tried on the other.
        each: what is tried alone: `matrix` (and every layer), `layer`, or `none`.
        controls: random ones beside each remedy; fewer than 20 can't give p < 0.05.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        seed: of the controls.
        progress: hears of the tasks `quantising` and `sparing`, in passes.

    Raises:
        InputError: no such scheme, or too few texts.
        ModelError: a model without matrices that can be quantised one by one.
    """
    if each not in EACH:
        raise InputError(f"each is '{each}'.{meant(each, EACH)}")
    plan = scheme(how) if isinstance(how, str) else how
    rows = rows_to_measure(model, None if texts is None else texts_for(model.tokenizer, texts), bos)
    bench, other = (Bench(model, TextBench(model, some, []), plan) for some in (rows.measured, rows.reference))
    every = list(matrices_of(model))
    layers = sorted({matrix.layer for matrix in every})
    if plan.weights is None and plan.activations is None:
        layers = [layer for layer in layers if layer in model.shape.layers_of("attention")]
    alone: list[tuple[str, Sequence[Matrix]]] = []
    if each != "none":
        alone += [("layer", [m for m in every if m.layer == layer]) for layer in layers]
    by_matrix = each == "matrix" and (plan.weights is not None or plan.activations is not None)
    if by_matrix:
        alone += [("matrix", [matrix]) for matrix in every]
    spikes = spikes_of(model, rows.measured)
    task = progress_of(progress).task("quantising", 1 + len(alone))
    parts = [_row("all", None, bench.outcome(task), bench)]
    if alone:
        bench.know_beginnings()
    parts += [_row(what, those, bench.alone(task, those), bench) for what, those in alone]
    bench.beginnings.forget()
    table = pd.DataFrame(parts)
    rng = np.random.default_rng(seed)
    made_from = Found(spikes, table, every, rows.measured)
    remedies = list(remedies_for(model, plan, made_from, controls, rng))
    task = progress_of(progress).task("sparing", 1 + sum(1 + len(one.controls) for one in remedies))
    whole = other.outcome(task)
    spent = _Spent(model, plan, len(rows.measured[0].ids))
    found = [{**_tried(remedy, whole, other, task), **spent.by(remedy.way)} for remedy in remedies]
    facts = {
        "texts": [len(rows.measured), len(rows.reference)],
        "tokens": len(rows.measured[0].ids),
        "seed": seed,
        "controls": controls,
        "dtype": model.card["dtype"],
        "blocks": {str(layer): _block([m.name for m in every if m.layer == layer]) for layer in layers},
        "spikes": {
            "dims": list(spikes.dims),
            "neurons": [list(one) for one in spikes.neurons],
            "tokens": list(spikes.tokens),
            "prefix": [token for one in remedies if one.kind == "prefix" for token in one.way.prefix],
        },
    }
    as_is = {"kind": "", "remedy": AS_IS, "spares": "nothing", "controls": 0, "verdict": ""}
    as_is |= {**over_texts(whole), **spent.by(AS_IT_IS)}
    tried = pd.DataFrame([as_is, *found], columns=COLUMNS).assign(scheme=plan.name)
    inputs = token_table(rows.measured, model.tokenizer)
    return Sensitivity(plan, table.assign(scheme=plan.name), tried, facts, model.current_card(), inputs)


COLUMNS = [
    *("kind", "remedy", "spares", "loss", "loss_low", "loss_high", "kl", "kl_low", "kl_high"),
    *("gain", "gain_low", "gain_high", "controls", "control_gain", "p", "verdict"),
    *("activation_bits", "weight_bits", "cache_bits"),
]


class _Spent:
    """Bits a number under the ways to run a scheme."""

    def __init__(self, model: Model, plan: Scheme, tokens: int) -> None:
        self.plan, self.tokens, self.matrices = plan, tokens, matrices_of(model)

    def by(self, way: Way) -> dict[str, float]:
        """As columns of a table."""
        bits = bits_spent(way.plan or self.plan, way.spared, len(way.prefix), self.matrices, self.tokens)
        return {"activation_bits": bits.activations, "weight_bits": bits.weights, "cache_bits": bits.cache}


def _row(what: str, those: Sequence[Matrix] | None, outcome: Outcome, bench: Bench) -> dict[str, Any]:
    one = those[0] if those else None
    place: dict[str, Any] = {"what": what, "layer": None, "part": "", "name": "all matrices"}
    if one is not None:
        place["layer"], place["name"] = one.layer, f"layer {one.layer}" if what == "layer" else one.name
        place["part"] = "" if what == "layer" else one.part
    return {**place, **over_texts(outcome), "n": len(bench.before)}


def _tried(remedy: Remedy, whole: Outcome, bench: Bench, task: Task) -> dict[str, Any]:
    """The scheme with a remedy, beside the same on random ones."""
    outcome = bench.outcome(task, remedy.way)
    gain = whole["kl"] - outcome["kl"]
    others = np.array([(whole["kl"] - bench.outcome(task, one)["kl"]).mean() for one in remedy.controls])
    known = bool(np.isfinite(gain).all())
    low, high = mean_interval(gain, share=False) if known else (np.nan, np.nan)
    p = p_value("rise", float(gain.mean()), others) if known else float("nan")
    return {
        "kind": remedy.kind,
        "remedy": remedy.name,
        "spares": remedy.words,
        **over_texts(outcome),
        "gain": float(gain.mean()),
        "gain_low": float(low),
        "gain_high": float(high),
        "controls": len(others),
        "control_gain": float(others.mean()) if len(others) else float("nan"),
        "p": p,
        "verdict": _verdict(float(low), float(high), p, len(others)) if known else _unknown(outcome),
    }


def _unknown(outcome: Outcome) -> str:
    """The verdict where a KL isn't finite, with the remedy or without it."""
    finite = bool(np.isfinite(outcome["kl"]).all())
    return "finite, which the scheme alone is not" if finite else "not finite"


def _verdict(low: float, high: float, p: float, controls: int) -> str:
    if high < 0:
        return "makes it worse"
    if low <= 0:
        return "no help shown"
    if not controls:
        return "helps"
    if p < LEVEL:
        return HELPS
    return "helps, but no more than random ones" if 1 / (1 + controls) < LEVEL else "helps; too few random ones to tell"


def _block(names: Sequence[str]) -> str:
    """What a block's matrices are all named by: "model.layers.1."."""
    parts = [name.split(".") for name in names]
    same = takewhile(lambda at: len(set(at)) == 1, zip(*parts, strict=False))
    return "".join(f"{at[0]}." for at in same)

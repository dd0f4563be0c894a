"""What it costs to take parts, neurons or weights out of a model, and what becomes of its spikes and sinks."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.arguments import Number, meant, takes
from inspector.batches import TokenSequence, token_table
from inspector.detectors.compression.figures import part_costs, set_costs
from inspector.detectors.compression.kept import NAME, tables_of
from inspector.detectors.compression.sentences import of_removals
from inspector.errors import InputError, ModelError
from inspector.interventions.apply import intervene
from inspector.interventions.values import zero_ablate
from inspector.models import Model
from inspector.models.conversations import texts_for
from inspector.pages import page
from inspector.printable import counted
from inspector.progress import Reported, progress_of
from inspector.pruning.bench import Bench
from inspector.pruning.neurons import least_first, neuron_scores
from inspector.pruning.parts import Part, parts_of
from inspector.pruning.weights import WAYS, input_norms, sparse
from inspector.run.measurements import Keepable, Measurements
from inspector.sites import Site
from inspector.texts import Given
from inspector.verification.text_bench import BATCH_TOKENS, rows_to_measure

EACH = ("layer", "head")
NEURONS, WEIGHTS = (0.1, 0.25, 0.5), (0.3, 0.5)
"""Shares of each layer's neurons, and of each row's weights, that are taken out."""
DRAWS = 5
"""Random sets of neurons, and of weights, beside each choice."""
COLUMNS = ["loss", "loss_low", "loss_high", "kl", "kl_low", "kl_high", "largest", "sink_rate"]


@dataclass(frozen=True, repr=False, eq=False)
class Removals(Keepable):
    """What taking something out costs, on texts, without touching a weight.

    `loss` is its change and `kl` the divergence from the unmodified model, both in nats a token, with intervals over
    texts; `largest` is the mean over texts of the largest |x| in the residual stream, and `sink_rate` the share of
    heads whose first key is a sink (empty where the model has no attention that can be read).

    Args:
        parts: one row per part: what (layer, attention, mlp, head), layer, head, name.
        neurons: one row per set of neurons: by (least active, smallest weights, random), share of each layer, draw.
        weights: one row per way to take out weights: by (magnitude, wanda, random), share of each row, draw.
        facts: texts, tokens, seed; and the unmodified model's loss, largest and sink_rate.
        card: the model's.
        inputs: the input tokens that costs are measured on.
    """

    parts: pd.DataFrame
    neurons: pd.DataFrame
    weights: pd.DataFrame
    facts: Mapping[str, Any]
    card: Mapping[str, Any]
    inputs: Mapping[str, np.ndarray]

    @cached_property
    def sets(self) -> pd.DataFrame:
        """Neurons and weights in one table, by the column `of`."""
        return pd.concat([self.neurons.assign(of="neurons"), self.weights.assign(of="weights")], ignore_index=True)

    def sentences(self) -> list[str]:
        """What costs most and least, and what makes spikes and sinks go, in words."""
        return list(of_removals(self.parts, self.sets, self.facts))

    def figure(self) -> go.Figure:
        """The KL without each part, over the layers."""
        return part_costs(self.parts)

    def neurons_figure(self) -> go.Figure:
        """The KL over the share of neurons taken out.

        Raises:
            InputError: the model's neurons can't be taken out.
        """
        return set_costs(self._some(self.neurons, "neurons"))

    def weights_figure(self) -> go.Figure:
        """The KL over the share of weights taken out.

        Raises:
            InputError: the model's matrices can't be changed one by one.
        """
        return set_costs(self._some(self.weights, "weights"))

    @staticmethod
    def _some(rows: pd.DataFrame, of: str) -> pd.DataFrame:
        if not len(rows):
            raise InputError(f"No {of} of this model could be taken out, so there is nothing to draw.")
        return rows.assign(of=of)

    def measurements(self) -> Measurements:
        """What is kept of it in a run."""
        tables = tables_of("removals", {"removals": self.parts, "removed_sets": self.sets})
        return Measurements(NAME, "removals", self.card, self.inputs, tables, self.facts)

    def __repr__(self) -> str:
        sets = f"{counted(len(self.neurons), 'set')} of neurons, {len(self.weights)} of weights"
        return f"<Removals: {counted(len(self.parts), 'part')} alone, {sets}>"

    def _repr_html_(self) -> str:
        tables = {"Parts": self.parts, "Neurons": self.neurons, "Weights": self.weights}
        return page(repr(self), self.sentences(), tables)


@takes
def removals(
    model: Model,
    texts: Given | None = None,
    *,
    each: str = "layer",
    bos: bool | None = None,
    seed: Number = 0,
    progress: Reported = None,
) -> Removals:
    """What each part of a model is worth: layers, attention, MLPs, heads alone; neurons and weights in bulk.

    What is taken out writes 0 to the stream. Neurons are taken out of every layer alike: the least active ones (mean
    |activation| · ‖output weights‖), those with the smallest output weights, and random ones. Weights are taken out of
    each output's row in all matrices of the blocks but experts': the smallest, those by Wanda's score, and random ones.
    What scores are measured on are other texts than those on which the cost is.

    Args:
        model: from `load_model`.
        texts: 16 of 64 tokens or more, of which half are to measure scores on; built-in ones where None.
        each: `layer` takes out layers, their attention and their MLPs; `head` also each head.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        seed: of the random sets.
        progress: hears of the task `removing`, in passes.

    Raises:
        InputError: too few texts, or an unknown `each`.
    """
    if each not in EACH:
        raise InputError(f"each is '{each}'.{meant(each, EACH)}")
    rows = rows_to_measure(model, None if texts is None else texts_for(model.tokenizer, texts), bos)
    parts = parts_of(model, heads=each == "head")
    if not parts:
        raise ModelError(f"{model.card['architecture']} has no attention and no MLP that can be taken out.")
    bench = Bench(model, rows.measured)
    neurons = _neuron_sets(model, rows.reference, seed) if model.shape.d_mlp else []
    weights = _weight_sets(model, rows.reference, seed)
    whole = len(parts) + len(neurons) + len(weights)
    bench.task = progress_of(progress).task("removing", whole)
    facts = {
        "texts": [len(rows.measured), len(rows.reference)],
        "tokens": len(rows.measured[0].ids),
        "dtype": model.card["dtype"],
        "experts_apart": any(model.routed(layer) for layer in range(model.shape.layers)),
        "seed": seed,
        **bench.unmodified,
    }
    return Removals(
        pd.DataFrame([{**_place(part), **bench.without(part.removed(model))} for part in parts]),
        pd.DataFrame([{**named, **bench.without(made())} for named, made in neurons], columns=[*SETS, *COLUMNS]),
        pd.DataFrame([{**named, **bench.without(made())} for named, made in weights], columns=[*SETS, *COLUMNS]),
        facts,
        model.current_card(),
        token_table(rows.measured, model.tokenizer),
    )


SETS = ["by", "share", "draw"]
Sets = list[tuple[dict[str, Any], Callable[[], AbstractContextManager[None]]]]


def _place(part: Part) -> dict[str, Any]:
    return {"what": part.what, "layer": part.layer, "head": part.head, "name": part.name}


def _neuron_sets(model: Model, rows: Sequence[TokenSequence], seed: int) -> Sets:
    """Sets of neurons to take out of every layer, by score and at random."""
    orders = {name: least_first(scores) for name, scores in neuron_scores(model, rows, BATCH_TOKENS).items()}
    rng = np.random.default_rng(seed)
    draws = [{layer: rng.permutation(model.shape.d_mlp) for layer in next(iter(orders.values()))} for _ in range(DRAWS)]
    ways = [*((by, -1, order) for by, order in orders.items()), *(("random", i, one) for i, one in enumerate(draws))]

    def without(order: Mapping[int, np.ndarray], share: float) -> AbstractContextManager[None]:
        gone = round(share * model.shape.d_mlp)
        return intervene(
            model, [zero_ablate(Site("neuron", layer), np.sort(one[:gone]).tolist()) for layer, one in order.items()]
        )

    return [
        ({"by": by, "share": share, "draw": draw}, partial(without, order, share))
        for share in NEURONS
        for by, draw, order in ways
    ]


def _weight_sets(model: Model, rows: Sequence[TokenSequence], seed: int) -> Sets:
    """Ways to take out weights; none where the model's matrices can't be changed one by one."""
    try:
        norms = input_norms(model, rows, BATCH_TOKENS)
    except ModelError:  # it has none, or its bridge multiplies by copies of some
        return []
    ways = [(way, draw) for way in WAYS for draw in (range(DRAWS) if way == "random" else [-1])]
    return [
        (
            {"by": way, "share": share, "draw": draw},
            partial(sparse, model, share, way, norms, seed + max(draw, 0)),
        )
        for share in WEIGHTS
        for way, draw in ways
    ]

"""Massive activations, tested: zeroed, set to their mean, and with what writes them left out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inspector.batches import Batch, TokenSequence, batches
from inspector.detectors.agreement import FIXED_SHARE
from inspector.detectors.massive.reducer import MassiveReducer
from inspector.detectors.measured import Measured
from inspector.detectors.trials import Case, Extras, OutcomeOf, Planned, Trials
from inspector.interventions.means import means
from inspector.interventions.trial import Doses, Trial, once
from inspector.interventions.values import Intervention, Target, ablate_output, carry, set_to, zero_ablate
from inspector.models import Model
from inspector.models.observe import observe
from inspector.progress import Progress
from inspector.records import Claim, Evidence, Verdict
from inspector.sites import Site
from inspector.stats import mean_known

PLATEAUS = 3
"""Most plateaus tested, the largest first."""

CONTROLS = 24
"""Matched random controls of each intervention: p can be 1/25 at least."""

BATCH_TOKENS = 1024

FAINT = 0.2
"""A spike shows in a text where its dim holds this share of what the run found."""


@dataclass(frozen=True)
class Spike:
    """A dim that is massive from layer `first` to `last`, at one position or (None) wherever it shows.

    `value` is its size: the mean |x| over the texts that have it, with their sign, which `signs` of them share.
    `edges` are layers around it in which it is smaller than half and passes the thresholds as well.
    """

    dim: int
    first: int
    last: int
    position: int | None
    value: float
    signs: float = 1.0
    edges: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """In words."""
        where = "all positions" if self.position is None else f"position {self.position}"
        return f"dim {self.dim} at {where} after layer {self.first}"

    @property
    def positions(self) -> tuple[int, ...] | None:
        """As interventions name them."""
        return None if self.position is None else (self.position,)

    @property
    def findings(self) -> Verdict:
        """The findings that a verdict on it is on."""
        first, last = min(self.first, *self.edges, self.last), max(self.last, *self.edges, self.first)
        return Verdict("massive", self.dim, first, last, self.position, "undecided")

    @property
    def settled(self) -> bool:
        """Whether one mean stands for it: it is at one position, and of one sign."""
        return self.position is not None and self.signs >= FIXED_SHARE

    def shows(self, evidence: Evidence) -> Bool[np.ndarray, " text"]:
        """In which texts it is there, in the layer after which it is changed."""
        here = evidence["dim"][:, self.first] == self.dim
        if self.position is not None:
            here = here & (evidence["position"][:, self.first] == self.position)
        large = np.abs(evidence["value"][:, self.first]) >= FAINT * abs(self.value)
        return np.asarray((here & large).any(axis=1))


OWN = ("here", "largest")
"""What `gauge` measures of spikes; other detectors measure theirs."""

CHANGE: Claim = "change"
NONE: Claim = "none"


class MassiveTrials(Trials):
    """The trials of a scan's massive activations, and the spike × sink table.

    Controls of a dim are the dims next to it in mean size at the same place. None is nearly as large as a spike, so
    zeroing it is compared a second time, with changes of other dims that are as large as its own. Controls of the
    writing MLPs are as many MLPs of other layers at the same positions.
    """

    claims_are = "spikes"

    def claims(self, measured: Measured) -> Sequence[Spike]:
        """The plateaus that pass the thresholds in force, the largest first."""
        table = measured.frame("plateaus")
        table = table[table["flagged"] > 0]
        found: list[Spike] = []
        for row in table.to_dict("records"):
            beside = [i for i, one in enumerate(found) if _edge(row, one)]
            if beside:
                larger = found[beside[0]]
                found[beside[0]] = replace(larger, edges=(*larger.edges, int(row["first"])))
                continue
            at = None if pd.isna(row["position"]) else int(row["position"])
            dim, first, last = (int(row[name]) for name in ("dim", "first", "last"))
            found.append(Spike(dim, first, last, at, float(row["value"]), float(row["sign_agreement"])))
        return found[:PLATEAUS]

    def present(self, measured: Measured, claim: Spike, evidence: Evidence) -> bool:
        """Whether the spike shows in a text, in the layer after which it is changed."""
        return bool(claim.shows(evidence).any())

    def planned(self, case: Case) -> Planned:
        """Each spike zeroed and at its mean, and all that write spikes left out, on the texts that have it."""
        count, rng, claims = case.settings.twins or CONTROLS, case.rng, dict.fromkeys(case.metrics, CHANGE)
        rows = _rows_with(case)
        typical = {spike: _typical(case.model, rows[spike], spike) for spike in case.claims}
        trials = [
            replace(trial, inputs=_inputs(case, [spike]))
            for spike in case.claims
            for trial in _trials(spike, typical[spike], count, rng, case.metrics)
        ]
        notes = tuple(_unsettled(spike) for spike in case.claims if not spike.settled)
        written = _written(case, rows)
        if not written:
            return Planned(trials, notes=notes)
        dropped = _dropped(case.model, written, count, rng, claims)
        trials.append(replace(dropped, inputs=_inputs(case, case.claims)))
        return Planned(trials, extras=partial(_kept_or_not, case, written), notes=notes)

    def gauge(self, evidence: Evidence, claims: Sequence[Spike], measured: Measured) -> Mapping[str, float]:
        """Largest |x| at the token of the largest spike (`here`), and anywhere: it can come up elsewhere."""
        sizes = np.abs(evidence["value"])
        position = claims[0].position if claims else None
        here = sizes if position is None else np.where(evidence["position"] == position, sizes, 0.0)
        return {"here": float(np.fmax.reduce(here, axis=None)), "largest": float(np.fmax.reduce(sizes, axis=None))}


def _edge(row: Mapping[Any, Any], larger: Spike) -> bool:
    """Whether a plateau is a single layer at the edge of a larger one of the same dim."""
    single = row["first"] == row["last"] and not row["main"] and row["dim"] == larger.dim
    return bool(single and row["first"] in (larger.first - 1, larger.last + 1))


def _unsettled(spike: Spike) -> str:
    differs = "position" if spike.position is None else "sign"
    return (
        f"Mean ablation of {spike.name} was not tried: its {differs} differs between texts, so that no one mean stands "
        "for it."
    )


def _inputs(case: Case, spikes: Sequence[Spike]) -> tuple[int, ...] | None:
    """The texts that have one of these spikes, by number; None where all have."""
    assert case.evidence is not None  # spikes are found by scanning
    return case.inputs(np.any([spike.shows(case.evidence) for spike in spikes], axis=0))


def _rows_with(case: Case) -> dict[Spike, list[TokenSequence]]:
    """The reference texts that have each spike; of the measured ones where none has."""
    assert case.evidence is not None  # spikes are found by scanning
    reducer = MassiveReducer(case.model)
    observe(case.model, batches(case.reference, BATCH_TOKENS, case.model.pad_id), [reducer])
    both = ((case.reference, reducer.evidence()), (case.texts, case.evidence))
    found: dict[Spike, list[TokenSequence]] = {}
    for spike in case.claims:
        for rows, evidence in both:
            texts = set(evidence["text"][spike.shows(evidence)].tolist())
            found[spike] = found.get(spike) or [row for row in rows if row.text in texts]
    return found


def _kept_or_not(case: Case, written: Sequence[tuple[int, int]], outcome: OutcomeOf, progress: Progress) -> Extras:
    """Spike and sinks kept or ablated: the largest |x|, how many heads have a sink, and the loss of each way."""
    ways = dict(_ways(case, written))
    outcomes = [outcome(way, case.metrics) for way in ways.values()]
    gauges = [case.gauges(way) for way in ways.values()]
    own, others = OWN, [name for name in gauges[0] if name not in OWN]
    brought = [name for name in case.metrics if name not in ("loss", "kl")]
    numbers = {name: [one[name] for one in gauges] for name in own}
    numbers |= {name: [mean_known(one[name]) for one in outcomes] for name in brought}
    numbers |= {name: [one[name] for one in gauges] for name in others}
    numbers["loss"] = [mean_known(one["loss"]) for one in outcomes]
    columns = {"done": np.array(list(ways), dtype=object)}
    return Extras({"spike_sink": columns | {name: np.array(values) for name, values in numbers.items()}})


def _ways(case: Case, written: Sequence[tuple[int, int]]) -> Iterator[tuple[str, tuple[Intervention, ...]]]:
    """What is ablated, in words and as interventions."""
    biggest: Spike = case.claims[0]
    dropped = tuple(ablate_output(Site("mlp_out", layer), (position,)) for layer, position in written)
    yield "untouched", ()
    yield "writers dropped", dropped
    yield (
        "spike zeroed after it is written",
        (zero_ablate(Site("resid_post", biggest.first), (biggest.dim,), biggest.positions),),
    )
    for other in case.removals:
        yield other.words, other.interventions
        yield f"writers dropped and {other.words}", (*dropped, *other.interventions)


def _typical(model: Model, rows: Sequence[TokenSequence], spike: Spike) -> Float[np.ndarray, " dim"]:
    """Mean values of every dim where a spike is written, over texts that have it."""
    target = Target(Site("resid_post", spike.first), None, spike.positions)
    (mean,) = means(model, batches(rows, BATCH_TOKENS, model.pad_id), [target])
    return np.array(mean.value).reshape(-1)


def _trials(
    spike: Spike, typical: Float[np.ndarray, " dim"], twins: int, rng: np.random.Generator, metrics: Sequence[str]
) -> list[Trial]:
    """Zeroing the spike matters, more than as large a change of other dims does; setting it to its mean doesn't."""
    matters, harmless = dict.fromkeys(metrics, CHANGE), dict.fromkeys(metrics, NONE)
    site = Site("resid_post", spike.first)
    near = np.argsort(-np.abs(typical), kind="stable")
    pool = near[near != spike.dim][: 2 * twins]
    chosen = rng.choice(pool, min(twins, len(pool)), replace=False).tolist()

    def zeroed(dim: int) -> Doses:
        return once(zero_ablate(site, (dim,), spike.positions))

    def at_mean(dim: int) -> Doses:
        return once(set_to(site, (dim,), (float(typical[dim]),), spike.positions))

    def as_far(dim: int) -> Doses:
        return once(carry(site, (spike.dim, dim), spike.positions))

    trials = [
        Trial(spike.name, "zero", zeroed(spike.dim), tuple(map(zeroed, chosen)), matters, on=spike.findings),
        Trial(spike.name, "zero, as far", zeroed(spike.dim), tuple(map(as_far, chosen)), matters),
    ]
    if spike.settled:
        trials.append(Trial(spike.name, "mean", at_mean(spike.dim), tuple(map(at_mean, chosen)), harmless))
    return trials


def _written(case: Case, rows: Mapping[Spike, Sequence[TokenSequence]]) -> list[tuple[int, int]]:
    """Layers whose MLP writes a spike, and the position each writes at.

    A spike can rise in steps. An MLP writes one where it adds more than half of what the stream holds after it,
    and that is above the threshold of magnitude in force, in most texts that have the spike.
    """
    sites = case.model.shape.sites
    layers = [layer for layer in case.model.shape.layers_of("mlp_out") if Site("resid_post", layer) in sites]
    threshold, written = case.measured.thresholds.magnitude, set()
    for spike in case.claims:
        if spike.position is None:
            continue
        held = _Held(spike.dim, spike.position)
        observe(case.model, batches(rows[spike], BATCH_TOKENS, case.model.pad_id), [held])
        for layer in layers:
            added, after = (torch.cat(held.found[kind, layer]) for kind in ("mlp_out", "resid_post"))
            writes = (after.abs() > threshold) & (added / after > 0.5)
            if float(writes.float().mean()) >= 0.5:
                written.add((layer, spike.position))
    return sorted(written)


class _Held:
    """What the MLPs add to one dim at one position, and what the stream holds after each, by text."""

    kinds: tuple[str, ...] = ("mlp_out", "resid_post")

    def __init__(self, dim: int, position: int) -> None:
        self.dim, self.position = dim, position
        self.found: dict[tuple[str, int], list[Float[Tensor, " text"]]] = defaultdict(list)

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos d"]) -> None:
        """Take in one site's activations."""
        self.found[site.kind, site.layer].append(x[:, self.position, self.dim].float().cpu())


def _dropped(
    model: Model,
    written: Sequence[tuple[int, int]],
    twins: int,
    rng: np.random.Generator,
    matters: Mapping[str, Claim],
) -> Trial:
    """The writing MLPs left out, beside as many MLPs of other layers at the same positions."""
    layers = [layer for layer, _ in written]
    rest = [layer for layer in model.shape.layers_of("mlp_out") if layer not in layers]

    def left_out(those: Sequence[int]) -> Doses:
        placed = zip(those, written, strict=True)
        return once(*(ablate_output(Site("mlp_out", layer), (position,)) for layer, (_, position) in placed))

    draws = _sets(rest, len(layers), twins, rng)
    target = f"what {_mlps(layers)} at position {', '.join(map(str, sorted({at for _, at in written})))}"
    return Trial(target, "drop", left_out(layers), tuple(map(left_out, draws)), matters)


def _sets(layers: Sequence[int], size: int, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """This many different sets of layers, or all there are."""
    if comb(len(layers), size) <= count:
        return list(combinations(layers, size))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found[tuple(sorted(rng.choice(layers, size, replace=False).tolist()))] = None
    return list(found)


def _mlps(layers: Sequence[int]) -> str:
    *but_last, last = map(str, layers)
    return (
        f"the MLPs of layers {', '.join(but_last)} and {last} write" if but_last else f"the MLP of layer {last} writes"
    )

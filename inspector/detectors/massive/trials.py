"""Massive activations, tested: zeroed, set to their mean, and with what writes them left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.batches import TokenSequence, batches
from inspector.detectors.measured import Measured
from inspector.detectors.trials import Case, Extras, OutcomeOf, Planned, Trials
from inspector.interventions.means import means
from inspector.interventions.trial import Doses, Trial, once
from inspector.interventions.values import Intervention, Target, ablate_output, set_to, zero_ablate
from inspector.models import Model
from inspector.progress import Progress
from inspector.records import Claim, Evidence, Verdict
from inspector.sites import Site
from inspector.stats import mean_known

PLATEAUS = 3
"""Most plateaus tested, the largest first."""

CONTROLS = 24
"""Matched random controls of each intervention: p can be 1/25 at least."""

BATCH_TOKENS = 1024

MOSTLY = 0.5
"""Share of the texts in which a spike must show."""

FAINT = 0.1
"""A spike shows where its dim holds this share of what the run found."""


@dataclass(frozen=True)
class Spike:
    """A dim that is massive from layer `first` to `last`, at one position or (None) wherever it shows.

    `value` is its size, the mean over texts.
    """

    dim: int
    first: int
    last: int
    position: int | None
    value: float

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
        return Verdict("massive", self.dim, self.first, self.last, self.position, "undecided")


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
        table = table[table["flagged"] > 0].head(PLATEAUS)
        positions = [None if pd.isna(value) else int(value) for value in table["position"]]
        columns = zip(table["dim"], table["first"], table["last"], positions, table["value"], strict=True)
        return [Spike(int(dim), int(first), int(last), at, float(value)) for dim, first, last, at, value in columns]

    def present(self, measured: Measured, claim: Spike, evidence: Evidence) -> bool:
        """Whether the spike shows in most texts, in the layer after which it is changed."""
        here = evidence["dim"][:, claim.first] == claim.dim
        if claim.position is not None:
            here &= evidence["position"][:, claim.first] == claim.position
        large = np.abs(evidence["value"][:, claim.first]) >= FAINT * abs(claim.value)
        return bool((here & large).any(axis=1).mean() >= MOSTLY)

    def planned(self, case: Case) -> Planned:
        """Each spike zeroed and at its mean, and all that write spikes left out."""
        count, rng, claims = case.settings.twins or CONTROLS, case.rng, dict.fromkeys(case.metrics, CHANGE)
        typical = _typical(case.model, case.reference, case.claims)
        trials = [trial for spike in case.claims for trial in _trials(spike, typical[spike], count, rng, case.metrics)]
        written = _written(case)
        if not written:
            return Planned(trials)
        trials.append(_dropped(case.model, written, count, rng, claims))
        return Planned(trials, extras=partial(_kept_or_not, case, written))

    def gauge(self, evidence: Evidence, claims: Sequence[Spike], measured: Measured) -> Mapping[str, float]:
        """Largest |x| at the token of the largest spike (`here`), and anywhere: it can come up elsewhere."""
        sizes = np.abs(evidence["value"])
        position = claims[0].position if claims else None
        here = sizes if position is None else np.where(evidence["position"] == position, sizes, 0.0)
        return {"here": float(np.nanmax(here)), "largest": float(np.nanmax(sizes))}


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


def _typical(
    model: Model, rows: Sequence[TokenSequence], found: Sequence[Spike]
) -> dict[Spike, Float[np.ndarray, " dim"]]:
    """Mean values of every dim where each spike is written."""
    targets = [Target(Site("resid_post", spike.first), None, spike.positions) for spike in found]
    measured = means(model, batches(rows, BATCH_TOKENS, model.pad_id), targets)
    return {spike: np.array(mean.value).reshape(-1) for spike, mean in zip(found, measured, strict=True)}


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
        return once(set_to(site, (dim,), (float(typical[dim] + typical[spike.dim]),), spike.positions))

    return [
        Trial(spike.name, "zero", zeroed(spike.dim), tuple(map(zeroed, chosen)), matters, on=spike.findings),
        Trial(spike.name, "zero, as far", zeroed(spike.dim), tuple(map(as_far, chosen)), matters),
        Trial(spike.name, "mean", at_mean(spike.dim), tuple(map(at_mean, chosen)), harmless),
    ]


def _written(case: Case) -> list[tuple[int, int]]:
    """Layers whose MLP writes a spike, and the position each writes at.

    A spike can rise in steps. An MLP writes one where it adds more than half of what the stream holds after it,
    and that is above the threshold of magnitude in force.
    """
    model, found = case.model, case.claims
    threshold = case.measured.thresholds.magnitude
    layers = [layer for layer in model.shape.layers_of("mlp_out") if Site("resid_post", layer) in model.shape.sites]
    places = sorted({(spike.dim, spike.position) for spike in found if spike.position is not None})
    targets = [
        Target(Site(kind, layer), (dim,), (position,))
        for dim, position in places
        for layer in layers
        for kind in ("mlp_out", "resid_post")
    ]
    if not targets:
        return []
    measured = means(model, batches(case.reference, BATCH_TOKENS, model.pad_id), targets)
    held = {one.target: float(np.array(one.value).item()) for one in measured}
    written = set()
    for added, after in zip(targets[::2], targets[1::2], strict=True):
        if abs(held[after]) > threshold and held[added] / held[after] > 0.5:
            written.add((added.site.layer, (added.positions or (0,))[0]))
    return sorted(written)


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

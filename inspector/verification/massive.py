"""Massive activations, tested: zeroed, set to their mean, and with what writes them left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.batches import TokenSequence, batches
from inspector.detectors.massive.detector import Massive
from inspector.detectors.sinks.detector import Sinks
from inspector.interventions.apply import intervene
from inspector.interventions.means import means
from inspector.interventions.values import Intervention, Target, ablate_output, knock_out_attention, set_to, zero_ablate
from inspector.models import Model
from inspector.models.observe import Observer, observe
from inspector.records import Claim, Effect, Verdict
from inspector.run.report import Report
from inspector.run.tables import thresholds
from inspector.sites import Site
from inspector.verification.text_bench import BATCH_TOKENS, EPSILON, TextBench
from inspector.verification.trials import Doses, Outcomes, Trial, mean_known, once

PLATEAUS = 3
"""Most plateaus tested, the largest first."""

METRICS = ("loss", "kl", "sink_rate")
MATTERS: dict[str, Claim] = dict.fromkeys(METRICS, "change")
HARMLESS: dict[str, Claim] = dict.fromkeys(METRICS, "none")


@dataclass(frozen=True)
class Spike:
    """A dim that is massive from layer `first` to `last`, at one position or (None) wherever it shows.

    `value` is what it carries, the mean over texts.
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

    def verified(self, verdict: Verdict) -> dict[str, object]:
        """What findings the verdict is of."""
        where = {"unit": self.dim, "first": self.first, "last": self.last, "position": self.position}
        return {"detector": "massive", **where, "verdict": verdict}


def spikes(report: Report) -> list[Spike]:
    """The plateaus that pass the thresholds in force, the largest first."""
    if "massive" not in report.evidence:
        return []
    table = report.frame("massive.plateaus")
    table = table[table["flagged"] > 0].head(PLATEAUS)
    positions = [None if pd.isna(value) else int(value) for value in table["position"]]
    columns = zip(table["dim"], table["first"], table["last"], positions, table["value"], strict=True)
    return [Spike(int(dim), int(first), int(last), at, float(value)) for dim, first, last, at, value in columns]


class MassiveTest:
    """The trials of a scan's massive activations, and the spike × sink table.

    Twins of a dim are the dims next to it in mean size at the same place. None is nearly as large as a spike, so
    zeroing it is compared a second time, with changes of other dims that are as large as its own. Twins of the writing
    MLPs are as many MLPs of other layers at the same positions.
    """

    def __init__(
        self,
        report: Report,
        model: Model,
        outcomes: Outcomes,
        reference: Sequence[TokenSequence],
        found: Sequence[Spike],
        twins: int,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.outcomes = model, outcomes
        self.spikes, self.sinks = found, _hidden(report)
        self.written = _written(report, model, reference, self.spikes)
        typical = _typical(model, reference, self.spikes)
        self.trials = [trial for spike in self.spikes for trial in _trials(spike, typical[spike], twins, rng)]
        if self.written:
            self.trials.append(_dropped(model, self.written, twins, rng))

    def verified(self, effects: Sequence[Effect]) -> list[dict[str, object]]:
        """A spike's verdict is that of zeroing it, by the loss."""
        of = {effect.target: effect.verdict for effect in effects if (effect.op, effect.metric) == ("zero", "loss")}
        return [spike.verified(of[spike.name]) for spike in self.spikes]

    def tables(self) -> dict[str, dict[str, np.ndarray]]:
        """Spike and sinks kept or taken away: the largest |x|, the sink rate and the loss of each way."""
        if not self.written:
            return {}
        biggest = self.spikes[0]
        dropped = tuple(ablate_output(Site("mlp_out", layer), (position,)) for layer, position in self.written)
        ways: dict[str, tuple[Intervention, ...]] = {
            "untouched": (),
            "writers dropped": dropped,
            "spike zeroed after it is written": (
                zero_ablate(Site("resid_post", biggest.first), (biggest.dim,), biggest.positions),
            ),
        }
        if self.sinks:
            ways["key 0 hidden from sink heads"] = self.sinks
            ways["writers dropped and key 0 hidden"] = (*dropped, *self.sinks)
        outcomes = [self.outcomes.of(way, METRICS) for way in ways.values()]
        seen = [self._seen(way) for way in ways.values()]
        columns = {
            "done": np.array(list(ways), dtype=object),
            **{name: np.array([one[name] for one in seen]) for name in ("here", "largest")},
            "sink_rate": np.array([mean_known(outcome["sink_rate"]) for outcome in outcomes]),
            "any_sink": np.array([one["any_sink"] for one in seen]),
            "loss": np.array([mean_known(outcome["loss"]) for outcome in outcomes]),
        }
        return {"spike_sink": columns}

    def _seen(self, interventions: tuple[Intervention, ...]) -> dict[str, float]:
        """Under these interventions: largest |x| at the spike's position (`here`) and anywhere, heads with any sink.

        A spike that is taken away at one token can come up at another, and sinks with it.
        """
        bench, position = self.outcomes.bench, self.spikes[0].position
        assert isinstance(bench, TextBench)
        massive = Massive().reducer(self.model)
        sinks = Sinks().reducer(self.model) if self.model.shape.has("attention") else None
        observers: list[Observer] = [massive] if sinks is None else [massive, sinks]
        with intervene(self.model, interventions):
            observe(self.model, batches(bench.rows, BATCH_TOKENS, self.model.pad_id), observers)
        found = massive.evidence()
        sizes = np.abs(found["value"])
        here = sizes if position is None else np.where(found["position"] == position, sizes, 0.0)
        any_sink = np.nan
        if sinks is not None:
            best = sinks.evidence()["best"]
            any_sink = float(np.nanmean(np.where(np.isfinite(best), best > EPSILON, np.nan)))
        return {"here": float(np.nanmax(here)), "largest": float(np.nanmax(sizes)), "any_sink": any_sink}


def _typical(
    model: Model, rows: Sequence[TokenSequence], found: Sequence[Spike]
) -> dict[Spike, Float[np.ndarray, " dim"]]:
    """Mean values of every dim where each spike is written."""
    targets = [Target(Site("resid_post", spike.first), None, spike.positions) for spike in found]
    measured = means(model, batches(rows, BATCH_TOKENS, model.pad_id), targets)
    return {spike: np.array(mean.value).reshape(-1) for spike, mean in zip(found, measured, strict=True)}


def _trials(spike: Spike, typical: Float[np.ndarray, " dim"], twins: int, rng: np.random.Generator) -> list[Trial]:
    """Zeroing the spike matters, more than as large a change of other dims does; setting it to its mean doesn't."""
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
        Trial(spike.name, "zero", zeroed(spike.dim), tuple(map(zeroed, chosen)), MATTERS),
        Trial(spike.name, "zero, as far", zeroed(spike.dim), tuple(map(as_far, chosen)), MATTERS),
        Trial(spike.name, "mean", at_mean(spike.dim), tuple(map(at_mean, chosen)), HARMLESS),
    ]


def _written(
    report: Report, model: Model, rows: Sequence[TokenSequence], found: Sequence[Spike]
) -> list[tuple[int, int]]:
    """Layers whose MLP writes a spike, and the position each writes at.

    A spike can rise in steps. An MLP writes one where it adds more than half of what the stream holds after it,
    and that is above the threshold of magnitude in force.
    """
    threshold = thresholds(report, "massive").magnitude
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
    measured = means(model, batches(rows, BATCH_TOKENS, model.pad_id), targets)
    held = {one.target: float(np.array(one.value).item()) for one in measured}
    written = set()
    for added, after in zip(targets[::2], targets[1::2], strict=True):
        if abs(held[after]) > threshold and held[added] / held[after] > 0.5:
            written.add((added.site.layer, (added.positions or (0,))[0]))
    return sorted(written)


def _dropped(model: Model, written: Sequence[tuple[int, int]], twins: int, rng: np.random.Generator) -> Trial:
    """The writing MLPs left out, beside as many MLPs of other layers at the same positions."""
    layers = [layer for layer, _ in written]
    rest = [layer for layer in model.shape.layers_of("mlp_out") if layer not in layers]

    def left_out(those: Sequence[int]) -> Doses:
        placed = zip(those, written, strict=True)
        return once(*(ablate_output(Site("mlp_out", layer), (position,)) for layer, (_, position) in placed))

    draws = _sets(rest, len(layers), twins, rng)
    target = f"what {_mlps(layers)} at position {', '.join(map(str, sorted({at for _, at in written})))}"
    return Trial(target, "drop", left_out(layers), tuple(map(left_out, draws)), MATTERS)


def _sets(layers: Sequence[int], size: int, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """So many different sets of layers, or all there are."""
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


def _hidden(report: Report) -> tuple[Intervention, ...]:
    """Key 0 taken from every head that the run calls a sink."""
    heads: dict[int, list[int]] = {}
    for finding in report.findings:
        if finding.detector == "sinks" and finding.position == 0 and finding.unit is not None:
            heads.setdefault(finding.layer, []).append(finding.unit)
    return tuple(knock_out_attention(layer, those, (0,)) for layer, those in sorted(heads.items()))

"""`verify`: tests a scan's findings by intervening beside random twins, and says which hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.batching import Text, TokenSequence, batches, tokenise
from inspector.causal import BATCH_TOKENS, Bench, Outcome, Trial, run
from inspector.detectors.massive import Massive
from inspector.errors import InputError
from inspector.intervening import intervene
from inspector.interventions import Intervention, Target, drop, set_to, unattend, zero
from inspector.models import Model
from inspector.observe import observe
from inspector.reference import means
from inspector.report import Report
from inspector.sites import Site
from inspector.texts import built_in

TEXTS, LENGTH = 16, 96
"""Texts that effects are measured on, and tokens of each; as many others give the reference means."""

TWINS = 40
"""Twins of each intervention: p can be 1/41 at least, which leaves room for several targets."""

PLATEAUS = 3
"""Most plateaus tested, the largest first."""

MOST_DRAWS = 100_000

Step = Callable[[str, int, int], None]


def verify(
    report: Report,
    model: Model,
    texts: Sequence[Text] | None = None,
    *,
    twins: int = TWINS,
    seed: int = 0,
    step: Step = lambda what, done, total: None,
) -> Report:
    """Test the report's massive activations: zeroed, set to their mean, and with what writes them left out.

    Each is done to random twins as well: the dims nearest in size at the same place, the same
    component of other layers. Effects, verdicts and the spike × sink table go into the new report.

    Args:
        report: of a scan with the `massive` detector.
        model: the one that was scanned.
        texts: to measure on, at least 64 tokens each; built-in ones where None.
        twins: random twins of each intervention.
        seed: chooses the twins.
        step: called with what is being done, how much of it was just done, and of how much.

    Raises:
        InputError: nothing to test, another model, too few texts or twins.
    """
    refuse(report, twins)
    if model.card["fingerprint"] != report.card["fingerprint"]:
        raise InputError(
            f"The run was made on {report.card['name']} in {report.card['dtype']}, and the model given has other "
            "weights. Load the run's model and dtype."
        )
    spikes = _spikes(report)
    rows, others = _rows(model, texts)
    typical = _Typical.of(model, others, spikes)
    rng = np.random.default_rng(seed)
    trials = [trial for spike in spikes for trial in typical.trials(spike, twins, rng)]
    written = _written(report, spikes)
    if written:
        trials.append(_dropped(model, written, twins, rng))
    total = 1 + sum(1 + len(trial.twins) for trial in trials)
    step("verifying", 0, total)
    bench = Bench(model, rows)
    step("verifying", 1, total)
    effects = run(bench, trials, seed=seed, step=lambda done: step("verifying", done, total))
    verdicts = {effect.target: effect.verdict for effect in effects if effect.op == "zero" and effect.metric == "loss"}
    verified = [{**spike.key, "verdict": verdicts[spike.name]} for spike in spikes]
    settings = {**report.settings, "verified": verified, "verify": {"twins": twins, "texts": len(rows), "seed": seed}}
    tables = (
        {**report.tables, "spike_sink": _two_by_two(bench, written, spikes, _hidden(report))}
        if written
        else report.tables
    )
    return replace(report, settings=settings, effects=tuple(effects), tables=tables).judge()


@dataclass(frozen=True)
class Spike:
    """A dim that is massive from layer `first` to `last`, at one position or (None) wherever it shows."""

    dim: int
    first: int
    last: int
    position: int | None

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
    def key(self) -> dict[str, object]:
        """What findings it stands for."""
        return {
            "detector": "massive",
            "unit": self.dim,
            "first": self.first,
            "last": self.last,
            "position": self.position,
        }


def _spikes(report: Report) -> list[Spike]:
    """The plateaus that pass the thresholds in force, the largest first."""
    if "massive" not in report.evidence:
        return []
    table = report.frame("massive.plateaus")
    table = table[table["flagged"] > 0].head(PLATEAUS)
    positions = [None if pd.isna(value) else int(value) for value in table["position"]]
    columns = zip(table["dim"], table["first"], table["last"], positions, strict=True)
    return [Spike(int(dim), int(first), int(last), position) for dim, first, last, position in columns]


def refuse(report: Report, twins: int) -> None:
    """Say what stands in the way of a verification; no model is needed.

    Raises:
        InputError: no evidence of massive activations, none that passes the thresholds, too few twins.
    """
    if "massive" not in report.evidence:
        raise InputError("This run has no evidence of massive activations to verify. Scan with 'massive' first.")
    if not _spikes(report):
        raise InputError("No massive activation passes the run's thresholds, so there is nothing to verify.")
    if twins < 20:
        raise InputError(f"{twins} twins can't give a p below {1 / (1 + twins):.2f}. Use 20 or more.")


def _rows(model: Model, texts: Sequence[Text] | None) -> tuple[list[TokenSequence], list[TokenSequence]]:
    """Texts to measure on and others for reference means, cut to 96 tokens; those under 64 are left out."""
    chosen = built_in(2 * TEXTS) if texts is None else texts
    rows = [row for row in tokenise(model.tokenizer, chosen, bos=None, window=LENGTH) if row.start == 0]
    rows = [row for row in rows if len(row.ids) >= 64]
    if len(rows) < 16:
        raise InputError(f"{len(rows)} texts have 64 tokens or more. Give at least 16: half are for reference means.")
    return rows[0::2], rows[1::2]


@dataclass(frozen=True)
class _Typical:
    """Mean values of every dim where spikes are written, from the reference texts."""

    values: dict[Spike, Float[np.ndarray, " dim"]]

    @classmethod
    def of(cls, model: Model, rows: Sequence[TokenSequence], spikes: Sequence[Spike]) -> "_Typical":
        targets = [Target(Site("resid_post", spike.first), None, spike.positions) for spike in spikes]
        found = means(model, batches(rows, BATCH_TOKENS, model.pad_id), targets)
        return cls({spike: np.array(mean.value).reshape(-1) for spike, mean in zip(spikes, found, strict=True)})

    def trials(self, spike: Spike, twins: int, rng: np.random.Generator) -> list[Trial]:
        """Zeroing the spike matters; setting it to its mean doesn't."""
        site, values = Site("resid_post", spike.first), self.values[spike]
        near = np.argsort(-np.abs(values), kind="stable")
        pool = near[near != spike.dim][: 2 * twins]
        chosen = rng.choice(pool, min(twins, len(pool)), replace=False).tolist()

        def zeroed(dim: int) -> tuple[Intervention, ...]:
            return (zero(site, (dim,), spike.positions),)

        def at_mean(dim: int) -> tuple[Intervention, ...]:
            return (set_to(site, (dim,), (float(values[dim]),), spike.positions),)

        return [
            Trial(spike.name, op, change(spike.dim), tuple(change(dim) for dim in chosen), expected)
            for op, change, expected in (("zero", zeroed, True), ("mean", at_mean, False))
        ]


def _written(report: Report, spikes: Sequence[Spike]) -> list[tuple[int, int]]:
    """Layers whose MLP writes a spike's dim, in any of its plateaus, and the position each writes at."""
    plateaus, writers = report.frame("massive.plateaus"), report.frame("massive.writers")
    fixed = {spike.dim: spike.position for spike in spikes if spike.position is not None}
    found = []
    for row in plateaus[plateaus["dim"].isin(fixed)].itertuples():
        mine = writers[(writers["dim"] == row.dim) & (writers["layer"] == row.first)].set_index("writer")
        if "mlp" in mine.index and abs(mine.loc["mlp", "value"]) > abs(mine.loc["before", "value"]):
            found.append((int(row.first), fixed[int(row.dim)]))
    return sorted(set(found))


def _dropped(model: Model, written: Sequence[tuple[int, int]], twins: int, rng: np.random.Generator) -> Trial:
    """The writing MLPs left out, beside as many MLPs of other layers at the same positions."""
    layers = [layer for layer, _ in written]
    rest = [layer for layer in model.shape.layers_of("mlp_out") if layer not in layers]
    named = " and ".join(map(str, layers))

    def left_out(those: Sequence[int]) -> tuple[Intervention, ...]:
        return tuple(
            drop(Site("mlp_out", layer), (position,)) for layer, (_, position) in zip(those, written, strict=True)
        )

    every = list(islice(combinations(rest, len(layers)), MOST_DRAWS))
    draws = [every[i] for i in rng.choice(len(every), min(twins, len(every)), replace=False)]
    target = f"what the MLP of layer {named} writes at position {written[0][1]}"
    return Trial(target, "drop", left_out(layers), tuple(left_out(those) for those in draws), expected=True)


def _hidden(report: Report) -> tuple[Intervention, ...]:
    """Key 0 taken from every head that the run calls a sink."""
    heads: dict[int, list[int]] = {}
    for finding in report.findings:
        if finding.detector == "sinks" and finding.position == 0 and finding.unit is not None:
            heads.setdefault(finding.layer, []).append(finding.unit)
    return tuple(unattend(layer, those, (0,)) for layer, those in sorted(heads.items()))


def _two_by_two(
    bench: Bench, written: Sequence[tuple[int, int]], spikes: Sequence[Spike], sinks: tuple[Intervention, ...]
) -> dict[str, np.ndarray]:
    """Spike and sinks kept or taken away: the largest |x|, the sink rate and the loss of each way."""
    model, biggest = bench.model, spikes[0]
    ways: dict[str, tuple[Intervention, ...]] = {
        "untouched": (),
        "writers dropped": tuple(drop(Site("mlp_out", layer), (position,)) for layer, position in written),
        "spike zeroed after it is written": (
            zero(Site("resid_post", biggest.first), (biggest.dim,), biggest.positions),
        ),
    }
    if sinks:
        ways["key 0 hidden from sink heads"] = sinks
        ways["writers dropped and key 0 hidden"] = (*ways["writers dropped"], *sinks)
    columns: dict[str, list[object]] = {name: [] for name in ("done", "largest", "sink_rate", "loss")}
    for name, interventions in ways.items():
        outcome = bench.outcome(interventions) if interventions else bench.untouched
        reducer = Massive().reducer(model)
        with intervene(model, interventions):
            observe(model, batches(bench.rows, BATCH_TOKENS, model.pad_id), [reducer])
        largest = float(np.nanmax(np.abs(reducer.evidence()["value"])))
        for column, value in zip(columns.values(), (name, largest, *_means(outcome)), strict=True):
            column.append(value)
    return {name: np.array(values) for name, values in columns.items()}


def _means(outcome: Outcome) -> tuple[float, float]:
    known = outcome.sink_rate[np.isfinite(outcome.sink_rate)]
    return (float(known.mean()) if len(known) else float("nan")), float(outcome.loss.mean())

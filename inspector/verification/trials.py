"""Effects of interventions, each beside matched random controls, on the same inputs.

A change of a metric means little by itself: zeroing anything does something. A `Trial` names an
intervention and its controls, the same op on random units like the target's; the target's effect is the
paired change over inputs, with a bootstrap interval, and it is compared with the controls' changes:
p = (1 + controls that change as much) / (1 + controls), adjusted over the targets by Benjamini–Hochberg.

Some interventions come in doses (neurons scaled by 0, ½, 2, 3): then the effect is the slope, the change
per unit of dose. One dose beside the unmodified model is the plain difference.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from inspector.detectors.trials import Bench, Outcome
from inspector.errors import RunError
from inspector.interventions.trial import Doses, Trial
from inspector.interventions.values import Intervention, as_json
from inspector.progress import UNHEARD, Task
from inspector.records import Claim, Effect, VerdictWord
from inspector.stats import bootstrap_mean, mean_known

LEVEL = 0.05
"""Largest q, and p, at which a change counts as the target's own."""

SAID = {"kl": "divergence", "sink_rate": "sink rate", "made_up": "the share of incorrect answers"}
"""A metric in a reason, where its name isn't said so."""


@runtime_checkable
class Grouped(Protocol):
    """A bench some of whose inputs belong together, such as questions on one subject."""

    def clusters(self, metric: str) -> Int[np.ndarray, " _input"] | None:
        """For each input of a metric what it belongs to, as a number; None where each is its own."""
        ...


class Outcomes:
    """A bench's outcomes, each measured once.

    Args:
        bench: measures them.
        log: keeps them in this file, so that a killed verification resumes where it was.

    Raises:
        RunError: the log is damaged or can't be written.
    """

    def __init__(self, bench: Bench, log: Path | None = None) -> None:
        self.bench, self.log = bench, log
        self._known: dict[str, Outcome] = _read(log) if log is not None and log.exists() else {}

    def ahead(self, trials: Sequence[Trial]) -> list[tuple[tuple[Intervention, ...], Collection[str]]]:
        """Passes that these trials still need, each once, whatever shares it: what is done, and what is measured."""
        needed = {
            self._key(interventions, trial.claims.keys()): (interventions, trial.claims.keys())
            for trial in trials
            for interventions in ((), *(each for doses in trial.every for each in doses.values()))
        }
        return [one for key, one in needed.items() if key not in self._known]

    def _key(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> str:
        return f"{self.bench.name} {','.join(sorted(metrics))} {as_json(interventions)}"

    def of(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> Outcome:
        """The outcome under these interventions."""
        key = self._key(interventions, metrics)
        if key not in self._known:
            self._known[key] = self.bench.outcome(interventions, metrics)
            self._note(key)
        return self._known[key]

    def clusters(self, metric: str) -> Int[np.ndarray, " _input"] | None:
        """Which inputs of a metric belong together, and are drawn together; None where none do."""
        return self.bench.clusters(metric) if isinstance(self.bench, Grouped) else None

    def _note(self, key: str) -> None:
        if self.log is None:
            return
        line = json.dumps([key, {name: array.tolist() for name, array in self._known[key].items()}])
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        except OSError as error:
            raise RunError(
                f"'{self.log}' can't be written ({error}). Make room, and resume with the same call."
            ) from error

    def slopes(self, doses: Doses, untouched: float, metrics: Collection[str]) -> Outcome:
        """Change per unit of dose, by ordinary least squares on every input, the unmodified model among the doses."""
        at = np.array([untouched, *doses])
        outcomes = [self.of((), metrics), *(self.of(interventions, metrics) for interventions in doses.values())]
        weights = (at - at.mean()) / ((at - at.mean()) ** 2).sum()
        # Less the baseline: the weights add up to 0 but for rounding, and what never changes has a slope of exactly 0.
        return {
            metric: weights @ np.stack([outcome[metric] - outcomes[0][metric] for outcome in outcomes])
            for metric in metrics
        }


def _read(log: Path) -> dict[str, Outcome]:
    """Outcomes of an earlier, killed verification; a last line that was cut off is left out and measured again."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    known: dict[str, Outcome] = {}
    for number, line in enumerate(lines[:-1], start=1):
        try:
            key, outcome = json.loads(line)
            known[key] = {name: np.array(values, dtype=np.float64) for name, values in outcome.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise RunError(f"'{log}' line {number} is damaged. Delete {log.parent} and start again.") from error
    if lines[-1]:
        log.write_text("\n".join([*lines[:-1], ""]), encoding="utf-8")
    return known


def run(
    outcomes: Outcomes,
    trials: Sequence[Trial],
    *,
    seed: int = 0,
    task: Task = UNHEARD,
    detector: str = "",
) -> list[Effect]:
    """Effects of all trials, each with q (see `judged`) and a verdict."""
    effects = []
    for trial in trials:
        changes = []
        before = outcomes.of((), trial.claims.keys())
        for doses in (trial.doses, *trial.twins):
            changes.append(outcomes.slopes(doses, trial.untouched, trial.claims.keys()))
            task.advance(len(doses))
        for number, doses in trial.elsewhere.items():
            there = outcomes.slopes(doses, trial.untouched, trial.claims.keys())
            for metric, values in there.items():
                changes[0][metric][number] = values[number]
            task.advance(len(doses))
        for metric in trial.claims:
            asked = [_of_inputs(trial, values[metric]) for values in (before, *changes)]
            together = outcomes.clusters(metric)
            together = None if together is None else _of_inputs(trial, together)
            effect = _effect(trial, metric, asked[0], asked[1:], together, seed)
            effects.append(replace(effect, detector=detector))
    return judged(effects)


def _of_inputs(trial: Trial, values: np.ndarray) -> np.ndarray:
    """A metric's values on the inputs that the trial is about."""
    return values if trial.inputs is None else values[list(trial.inputs)]


def _effect(
    trial: Trial,
    metric: str,
    before: np.ndarray,
    changes: Sequence[np.ndarray],
    clusters: Int[np.ndarray, " _input"] | None,
    seed: int,
) -> Effect:
    """The change of one metric, the target's first, beside the controls' changes; and what it is `before`."""
    known = np.isfinite(changes[0])
    nothing = float("nan")
    others = np.array([change[known].mean() for change in changes[1:]] if known.any() else [])
    finite = others[np.isfinite(others)]
    mean = float(changes[0][known].mean()) if known.any() else nothing
    together = None if clusters is None else clusters[known]
    low, high = bootstrap_mean(changes[0][known], together, seed=seed) if known.any() else (nothing, nothing)
    ends = np.quantile(finite, [0.025, 0.975]) if len(finite) else (nothing, nothing)
    return Effect(
        target=trial.target,
        op=trial.op,
        metric=metric,
        change=mean,
        low=float(low),
        high=float(high),
        twin_change=float(finite.mean()) if len(finite) else nothing,
        twin_low=float(ends[0]),
        twin_high=float(ends[1]),
        n=int(known.sum()),
        p=_p(trial.claims[metric], mean, others),
        q=nothing,
        twins=len(others),
        claim=trial.claims[metric],
        margin=trial.margin,
        untouched=mean_known(before),
    )


def _p(claim: Claim, change: float, twins: Float[np.ndarray, " _twin"]) -> float:
    """Share of controls, the target among them, that change as much, or as much in the claimed direction.

    A control whose change isn't known, a model that gives NaN for example, counts as one that changes as much.
    """
    if not len(twins):
        return float("nan")
    if claim in ("change", "none"):
        less = np.abs(twins) < abs(change)
    else:
        less = twins < change if claim == "rise" else twins > change
    return float((1 + (~less).sum()) / (1 + len(twins)))


def judged(effects: Sequence[Effect]) -> list[Effect]:
    """The effects with q, and what each says about its claim, in a word and in a sentence.

    q is p adjusted over all targets of one op, metric and claim.
    """
    from scipy.stats import false_discovery_control

    families: dict[tuple[str, str, Claim], list[int]] = {}
    for i, effect in enumerate(effects):
        if np.isfinite(effect.p):
            families.setdefault((effect.op, effect.metric, effect.claim), []).append(i)
    q = np.full(len(effects), np.nan)
    for family in families.values():
        q[family] = false_discovery_control([effects[i].p for i in family])
    found = []
    for effect, value in zip(effects, q.tolist(), strict=True):
        effect = replace(effect, q=value)
        verdict, reason = _verdict(effect)
        found.append(replace(effect, verdict=verdict, reason=reason))
    return found


def _verdict(effect: Effect) -> tuple[VerdictWord, str]:
    """Whether the claim holds: the change must be there, the target's own, and in the claimed direction.

    Refuted is what was shown not to be so: an effect that merely isn't significant says neither, and its interval
    decides, beside the margin and what the controls do.
    """
    if not np.isfinite(effect.low) or not np.isfinite(effect.q) or 1 / (1 + effect.twins) >= LEVEL:
        return "undecided", f"insufficient data: {effect.n} inputs, {effect.twins} matched random controls"
    said = f"{SAID.get(effect.metric, effect.metric)} changes by {effect.change:+.3g}"
    tiny = max(abs(effect.low), abs(effect.high)) < effect.margin
    below, above = effect.high < 0, effect.low > 0
    if effect.claim == "none":
        return _harmless(effect, said, tiny)
    if (effect.claim == "rise" and below) or (effect.claim == "fall" and above):
        return "refuted", f"{said}, the other way than claimed"
    within = f"within ±{effect.margin:.2g}, too small to matter"
    if (below or above) and effect.p < LEVEL and effect.q < LEVEL:
        size = f"; it is {within}" if tiny else ""
        return "confirmed", f"{said}, more than the controls (q = {effect.q:.2g}){size}"
    if tiny:
        return "refuted", f"{said}, its whole interval {within}"
    if effect.p >= LEVEL and effect.twin_low <= effect.low and effect.high <= effect.twin_high:
        return "refuted", f"{said}, its whole interval within that of 95 % of the controls (p = {effect.p:.2g})"
    if effect.p >= LEVEL:
        return "undecided", f"{said}, not significantly different from the controls (p = {effect.p:.2g})"
    why = "its interval holds 0" if not (below or above) else f"q = {effect.q:.2g} over all targets"
    return "undecided", f"{said}, more than the controls, but {why}"


def _harmless(effect: Effect, said: str, tiny: bool) -> tuple[VerdictWord, str]:
    """Whether nothing changes, as claimed."""
    margin = f"±{effect.margin:.2g}"
    if tiny:
        return "confirmed", f"harmless: {said}, its whole interval within {margin}"
    if effect.low > effect.margin or effect.high < -effect.margin:
        return "refuted", f"not harmless: {said}, its whole interval beyond {margin}"
    return "undecided", f"{said}, an interval neither within {margin} nor beyond"

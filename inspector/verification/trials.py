"""Effects of interventions, each beside matched random controls, on the same inputs.

A change of a metric means little by itself: zeroing anything does something. A `Trial` names an
intervention and its controls, the same op on random units like the target's; the target's effect is the
paired change over inputs, with its interval, and it is compared with the controls' changes:
p = (1 + controls that change as much) / (1 + controls), adjusted over the targets by Benjamini–Hochberg.

Some interventions come in doses (neurons scaled by 0, ½, 2, 3): then the effect is the slope, the change
per unit of dose. One dose beside the unmodified model is the plain difference.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from inspector.detectors.trials import Bench, Outcome
from inspector.errors import RunError
from inspector.interventions.trial import Doses, Trial
from inspector.interventions.values import Intervention, as_json
from inspector.places import write_whole
from inspector.progress import UNHEARD, Task
from inspector.records import Claim, Effect
from inspector.stats import mean_interval, mean_known
from inspector.verification.verdicts import judged, needs_more, with_verdict


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
            self.take(interventions, metrics, self.bench.outcome(interventions, metrics))
        return self._known[key]

    def take(self, interventions: Sequence[Intervention], metrics: Collection[str], outcome: Outcome) -> None:
        """Keep an outcome, which another process may have measured."""
        key = self._key(interventions, metrics)
        self._known[key] = outcome
        self._note(key)

    @cached_property
    def wider(self) -> "Outcomes | None":
        """The same on more inputs, where the bench has more."""
        more = getattr(self.bench, "wider", None)
        return None if more is None else Outcomes(more, self.log)

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
        write_whole(log, "\n".join([*lines[:-1], ""]))
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
    effects, tried = [], []
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
            tried.append(trial)
    return [_on_more(effect, trial, outcomes, seed) for effect, trial in zip(judged(effects), tried, strict=True)]


def _on_more(effect: Effect, trial: Trial, outcomes: Outcomes, seed: int) -> Effect:
    """The effect, measured on more inputs where only their number stands in the way of saying that nothing changes.

    The controls are not measured again: such a claim is not about them.
    """
    wider = outcomes.wider
    if wider is None or trial.inputs is not None or trial.elsewhere or not needs_more(effect):
        return effect
    metrics = trial.claims.keys()
    change = wider.slopes(trial.doses, trial.untouched, metrics)[effect.metric]
    before = wider.of((), metrics)[effect.metric]
    measured = _measured(change, before, wider.clusters(effect.metric), seed)
    return with_verdict(replace(effect, **measured, untouched=mean_known(before)))


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
    measured = _measured(changes[0], before, clusters, seed)
    ends = np.quantile(finite, [0.025, 0.975]) if len(finite) else (nothing, nothing)
    return Effect(
        target=trial.target,
        op=trial.op,
        metric=metric,
        **measured,
        twin_change=float(finite.mean()) if len(finite) else nothing,
        twin_low=float(ends[0]),
        twin_high=float(ends[1]),
        p=p_value(trial.claims[metric], float(measured["change"]), others),
        q=nothing,
        twins=len(others),
        claim=trial.claims[metric],
        margin=trial.margin,
        untouched=mean_known(before),
    )


def _measured(
    change: Float[np.ndarray, " _input"],
    before: Float[np.ndarray, " _input"],
    clusters: Int[np.ndarray, " _input"] | None,
    seed: int,
) -> dict[str, Any]:
    """A change over the inputs: its mean with the interval, how many inputs there are, and the worst of them.

    An input that has no value any more, for infinity or NaN, is the worst there is.
    """
    known = np.isfinite(change)
    if not known.any():
        nothing = float("nan")
        return {"change": nothing, "low": nothing, "high": nothing, "n": 0, "worst": nothing}
    change, together = change[known], None if clusters is None else clusters[known]
    low, high = mean_interval(change, together, share=False, seed=seed)
    n = len(change) if together is None else len(np.unique(together))
    ends = {"change": float(change.mean()), "low": float(low), "high": float(high)}
    lost = bool((np.isfinite(before) & ~known).any())
    return {**ends, "n": n, "worst": float("inf") if lost else float(np.abs(change).max())}


def p_value(claim: Claim, change: float, twins: Float[np.ndarray, " _twin"]) -> float:
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

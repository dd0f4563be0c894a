"""`verify`: tests a run's findings by intervening beside matched random controls, and says which hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from inspector.arguments import Number, takes
from inspector.detectors.base import Detector, attempt
from inspector.detectors.trials import Extras, Settings, Table
from inspector.errors import DetectorError, InputError
from inspector.interventions.apply import changes_recorded
from inspector.interventions.trial import Trial
from inspector.models import Model
from inspector.models.conversations import texts_for
from inspector.printable import kind_of
from inspector.progress import Listener, Progress, progress_of
from inspector.records import Effect, Verdict
from inspector.run.changed import CHANGES, changes_in_words
from inspector.run.report import Report
from inspector.texts import Given
from inspector.verification.on_ray import PassesOnRay
from inspector.verification.plan import Claims, Part, Plan
from inspector.verification.trials import run

HEADS = 10
"""Findings tested one by one, the strongest first: q over more needs more controls than a model has heads."""

FEWEST_CONTROLS = 20


@takes
def verify(
    report: Report,
    model: Model,
    texts: Given | None = None,
    *,
    twins: Number | None = None,
    heads: Number = HEADS,
    samples: Number = 0,
    seed: Number = 0,
    folder: str | Path | None = None,
    engine: PassesOnRay | None = None,
    on_forecast: Callable[[str], object] = lambda line: None,
    progress: Progress | None = None,
    step: Listener | None = None,
) -> Report:
    """Test a run's findings beside matched random controls; effects, verdicts and tables go into the new report.

    Each detector says how its findings are tested. Massive activations are zeroed, set to their mean, and what writes
    them is left out; sink heads lose their sink key, and a window slides over the cache with the first tokens kept or
    not; candidate hallucination neurons are scaled while the model answers questions that their selection never saw,
    and policies of `inspector.guard` are compared on the study's held-out questions.

    Args:
        report: of a scan, or a `Study`.
        model: the one it was made on.
        texts: to measure on, at least 64 tokens each; built-in ones where None.
        twins: matched random controls of each intervention; where None 24 of a spike, 70 of a sink head, 20 of a
            neuron.
        heads: most sink heads tested one by one, the strongest first.
        samples: sampled answers to each question beside the greedy one, with the same random numbers throughout.
        seed: chooses controls, questions and samples.
        folder: keeps what was measured, so that a killed verification can resume.
        engine: `inspector.verification.on_ray.PassesOnRay` measures the trials' passes; this process where None.
        on_forecast: called once, after a pass of each kind, with what is ahead, in words.
        progress: hears of each task: testing, and what detectors measure beside it.
        step: the old name of `progress`, for one release.

    Raises:
        InputError: nothing to test, another model, too few texts or controls.
    """
    progress = progress_of(progress, step)
    settings = Settings(twins, heads, samples, seed)
    claims = refuse(report, twins)
    if model.current_card()["fingerprint"] != report.card["fingerprint"]:
        raise InputError(
            f"The run was made on {report.card['name']} in {report.card['dtype']}, and the model given has other "
            "weights. Load the run's model and dtype."
        )
    _refuse_changed(model, report.settings)
    given = None if texts is None else texts_for(model.tokenizer, texts)
    plan = Plan.of(claims, report, model, given, settings, None if folder is None else Path(folder))
    on_forecast("; then ".join([_forecast(plan), *(what for part in plan.parts for what in part.planned.later)]))
    if engine is not None:
        engine.measure(plan, model, report, given, settings, progress)
    found = _Tested(report, claims)
    found.trials(plan.parts, seed, progress)
    found.extras(plan.parts, progress)
    notes = (*plan.notes, *found.notes, *dict.fromkeys(plan.faults))
    kept = tuple(note for note in report.notes if note not in notes)
    return replace(
        report,
        settings={**report.settings, "verify": {**asdict(settings), "texts": plan.texts}},
        effects=tuple(found.effects),
        verdicts=tuple(found.verdicts),
        tables={**report.tables, **found.tables},
        notes=kept + notes,
    ).judge()


def _refuse_changed(model: Model, settings: Mapping[str, Any]) -> None:
    """Check that a model runs as when these settings were recorded.

    Raises:
        InputError: something else is changed in it now.
    """
    now = changes_recorded(model)
    if any(now.get(name) != (settings.get(name) or None) for name in CHANGES):
        then, here = changes_in_words(settings) or "the unmodified model", changes_in_words(now) or "unmodified"
        raise InputError(f"The run is of {then:.120}, and the model is now {here:.120}. Run it as it was run then.")


def refuse(report: Report, twins: int | None) -> Claims:
    """What there is to test; or what stands in the way of a verification. No model is needed.

    Raises:
        InputError: too few controls, or nothing was found that could be tested.
    """
    if twins is not None and twins < FEWEST_CONTROLS:
        raise InputError(
            f"{twins} matched random controls can't give a p below {1 / (1 + twins):.2f}. Use {FEWEST_CONTROLS} or "
            "more."
        )
    claims = Claims.of(report)
    studies = [name for name in claims.trials if not isinstance(claims.parts[name].detector, Detector)]
    if not studies and not any(claims.claims.values()):
        why = f" {claims.faults[0]}" if claims.faults else ""
        raise InputError(
            "Nothing passes this run's thresholds that could be tested: no finding that its detector can intervene on. "
            f"Lower the thresholds, or scan more texts.{why}"
        )
    return claims


def _forecast(plan: Plan) -> str:
    """How many passes are ahead, and how long they take by one of each kind; those measured for it are kept."""
    parts = [part for part in plan.parts if part.planned.trials]
    if not parts:
        return "nothing to intervene on"
    passes, seconds = 0, 0.0
    for part in parts:
        for _ in range(2):  # What a bench computes once, it computes at its first pass.
            ahead = part.outcomes.ahead(part.planned.trials)
            began = perf_counter()
            if ahead:
                part.outcomes.of(*ahead[0])
            took = perf_counter() - began
        passes, seconds = passes + len(ahead), seconds + len(ahead) * took
    if not passes:
        return "all passes are known"
    wider = any(part.outcomes.wider is not None for part in parts)
    more = ", and a few more on more texts for each change that proves too small to matter" if wider else ""
    return f"{passes} passes, about {max(1, round(seconds / 60))} min{more}"


@dataclass
class _Tested:
    """What was tested so far. A detector that fails loses its own part, and a note says so."""

    report: Report
    claims: Claims
    effects: list[Effect] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def trials(self, parts: Sequence[Part], seed: int, progress: Progress) -> None:
        """Effects of all trials, and what they say of which findings."""
        task = progress.task("testing", sum(trial.passes for part in parts for trial in part.planned.trials))
        for part in parts:
            detector = self.claims.parts[part.detector].detector
            tried = partial(run, part.outcomes, part.planned.trials, seed=seed, task=task, detector=part.detector)
            try:
                effects = attempt(detector, "trials", tried)
            except DetectorError as error:
                self.notes.append(str(error))
                continue
            self.effects += effects
            self.verdicts += [one for trial in part.planned.trials for one in _verdicts(trial, effects)]

    def extras(self, parts: Sequence[Part], progress: Progress) -> None:
        """Tables beside the effects."""
        for part in parts:
            detector = self.claims.parts[part.detector].detector
            try:
                more = attempt(detector, "extras", partial(_extras, part, progress))
            except DetectorError as error:
                self.notes.append(str(error))
                continue
            self.tables |= more.tables
            self.notes += more.notes


def _extras(part: Part, progress: Progress) -> Extras:
    """What a detector measures beside its trials.

    Raises:
        TypeError: it is no `Extras` of tables.
    """
    more = part.planned.extras(part.outcomes.of, progress)
    if not isinstance(more, Extras):
        raise TypeError(f"it gave {kind_of(more)}, not Extras")
    for name, table in more.tables.items():
        if not isinstance(table, Mapping) or not all(isinstance(column, np.ndarray) for column in table.values()):
            raise TypeError(f"table '{name}' is no mapping of names to arrays")
    return more


def _verdicts(trial: Trial, effects: Sequence[Effect]) -> list[Verdict]:
    """What a trial says of the findings that its verdict is on."""
    if trial.on is None:
        return []
    return [
        replace(trial.on, verdict=effect.verdict)
        for effect in effects
        if (effect.target, effect.op, effect.metric) == (trial.target, trial.op, trial.by)
    ]

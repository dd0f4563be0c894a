"""`Plan`: what a verification tests, what it leaves out and why; worked out once, before anything is tried."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from inspector.batches import TokenSequence, batches
from inspector.detectors.apart import Apart, without_overwriting
from inspector.detectors.base import Detector, attempt, resolve
from inspector.detectors.measured import Measured
from inspector.detectors.trials import Case, Planned, Settings, Trials
from inspector.errors import DetectorError
from inspector.interventions.apply import intervene
from inspector.interventions.values import Intervention
from inspector.models import Model
from inspector.models.observe import observe
from inspector.printable import kind_of
from inspector.records import Evidence
from inspector.run.report import Report
from inspector.texts import Text
from inspector.verification.text_bench import BATCH_TOKENS, Rows, TextBench, rows_to_measure
from inspector.verification.trials import Outcomes

BOS = {"as the tokenizer does": None, "one": True, "none": False}


@dataclass(frozen=True)
class Claims:
    """What a run has to be tested, by detector; no model is needed.

    Args:
        trials: how each detector tests its findings.
        claims: what there is to test, as the detector names it.
        parts: the detectors' parts of the run.
        faults: which detectors couldn't say.
    """

    trials: Mapping[str, Trials]
    claims: Mapping[str, Sequence[Any]]
    parts: Mapping[str, Measured]
    faults: tuple[str, ...]

    @classmethod
    def of(cls, report: Report) -> "Claims":
        """The claims of a run."""
        trials: dict[str, Trials] = {}
        claims: dict[str, Sequence[Any]] = {}
        faults: list[str] = []
        parts = {part.name: part for part in report.parts if getattr(part.detector, "trials", None) is not None}
        for name, part in parts.items():
            try:
                trials[name], claims[name] = attempt(part.detector, "trials", partial(_claims_of, part))
            except DetectorError as error:
                faults.append(str(error))
        return cls(trials, claims, parts, tuple(faults))


def _claims_of(part: Measured) -> tuple[Trials, tuple[Any, ...]]:
    """How a detector tests its findings, and which there are."""
    trials: Trials = resolve(getattr(part.detector, "trials", None))()
    return trials, tuple(trials.claims(part))


@dataclass(frozen=True)
class Part:
    """What is tested of one detector, and where.

    Args:
        detector: its name.
        planned: its trials and what it measures beside them.
        outcomes: of its bench.
    """

    detector: str
    planned: Planned
    outcomes: Outcomes


@dataclass(frozen=True)
class Plan:
    """What is tested of a run.

    Args:
        parts: of each detector.
        notes: what is left out and why, and what to know of the trials.
        texts: how many texts effects are measured on.
        faults: which detectors failed; measuring beside the trials can still add to them.
    """

    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    texts: int
    faults: list[str]

    @classmethod
    def of(
        cls,
        claims: Claims,
        report: Report,
        model: Model,
        texts: Sequence[Text] | None,
        settings: Settings,
        folder: Path | None,
    ) -> "Plan":
        """The plan of a verification; one pass over the texts tells which claims show in them.

        Raises:
            InputError: too few texts.
        """
        return _Planner(claims, report, model, texts, settings, folder, list(claims.faults)).plan()


@dataclass(frozen=True)
class _Planner:
    claims: Claims
    report: Report
    model: Model
    texts: Sequence[Text] | None
    settings: Settings
    folder: Path | None
    faults: list[str]

    def plan(self) -> Plan:
        shown = {name: self._present(name) for name in self.claims.claims}
        absent = [
            f"{len(self.claims.claims[name]) - len(shown[name])} {self.claims.trials[name].claims_are}"
            for name in shown
            if len(shown[name]) < len(self.claims.claims[name])
        ]
        notes = []
        if absent:
            notes.append(
                f"Not tested: {' and '.join(absent)}, which show in none or too few of the "
                f"{len(self.bench.rows)} texts that effects were measured on. Give texts that have them."
            )
        parts = []
        for name, present in shown.items():
            planned = self._planned(name, present, shown)
            if planned is not None:
                bench = planned.bench or self.bench
                log = self.folder and self.folder / f"{'texts' if planned.bench is None else name}.jsonl"
                outcomes = self.outcomes if planned.bench is None else Outcomes(bench, log)
                parts.append(Part(name, planned, outcomes))
                notes += planned.notes
        return Plan(tuple(parts), tuple(notes), len(self.bench.rows), self.faults)

    @cached_property
    def bos(self) -> bool | None:
        return BOS.get(self.report.settings.get("bos", ""))

    @cached_property
    def rows(self) -> tuple[Rows, Mapping[str, Evidence]]:
        """Texts to measure on, others for reference means, and what detectors measure on the former.

        Of the others that alone have a claim, every second is measured on too.
        """
        rows = rows_to_measure(self.model, self.texts, self.bos)
        measured, reference = rows.measured, rows.reference
        names = tuple(name for name, claims in self.claims.claims.items() if claims)
        evidence = self._measured(names, (), measured)
        absent = [(name, one) for name in evidence for one in self._absent(name, evidence[name])]
        beside = self._measured(tuple({name: None for name, _ in absent}), (), reference) if absent else {}
        moved: set[int] = set()
        for name, one in absent:
            if name in beside:
                moved |= set(self._texts_with(name, one, beside[name])[::2])
        if not moved:
            return rows, evidence
        measured = sorted([*measured, *(row for row in reference if row.text in moved)], key=lambda row: row.text)
        rest = [row for row in reference if row.text not in moved] or reference
        return replace(rows, measured=measured, reference=rest), self._measured(names, (), measured)

    def _absent(self, name: str, evidence: Evidence) -> Sequence[Any]:
        present, part = self.claims.trials[name].present, self.claims.parts[name]
        lacking = lambda: tuple(one for one in self.claims.claims[name] if not present(part, one, evidence))  # noqa: E731
        return self._tried(name, "present", lacking) or ()

    def _texts_with(self, name: str, claim: Any, evidence: Evidence) -> list[int]:
        """The texts of the evidence in which a claim shows."""
        present, part = self.claims.trials[name].present, self.claims.parts[name]
        every = evidence["text"].tolist()
        shows = lambda: [text for i, text in enumerate(every) if present(part, claim, evidence.of_texts([i]))]  # noqa: E731
        return self._tried(name, "present", shows) or []

    @cached_property
    def bench(self) -> TextBench:
        return TextBench(self.model, self.rows[0].measured, more=self.rows[0].more)

    @cached_property
    def outcomes(self) -> Outcomes:
        return Outcomes(self.bench, self.folder and self.folder / "texts.jsonl")

    def _planned(self, name: str, present: Sequence[Any], shown: Mapping[str, Sequence[Any]]) -> Planned | None:
        """A detector's trials, if there is anything to test or to measure beside them."""
        part = self.claims.parts[name]
        if not present and isinstance(part.detector, Detector):
            return None
        others = [one for other in shown if other != name for one in self._removals(other)]
        case = Case(
            part,
            self.model,
            present,
            self.bench,
            self.bench.metrics,
            self.bench.rows,
            self.rows[0].reference,
            self.settings,
            self.texts,
            self.bos,
            tuple(others),
            lambda interventions: self._gauges(interventions, shown),
            self.evidence.get(name),
        )
        return self._tried(name, "trials", lambda: checked_plan(name, self.claims.trials[name].planned(case)))

    def _removals(self, name: str) -> Sequence[Any]:
        removals = self.claims.trials[name].removals
        return self._tried(name, "removals", lambda: removals(self.claims.claims[name])) or ()

    def _present(self, name: str) -> tuple[Any, ...]:
        """The claims that show in the texts; all of them where the detector doesn't scan texts."""
        every, evidence = self.claims.claims[name], self.evidence.get(name)
        if evidence is None:
            return tuple(every)
        present, part = self.claims.trials[name].present, self.claims.parts[name]
        shows = lambda: tuple(one for one in every if present(part, one, evidence))  # noqa: E731
        return self._tried(name, "present", shows) or ()

    @property
    def evidence(self) -> Mapping[str, Evidence]:
        """What detectors measure on the texts."""
        return self.rows[1]

    def _gauges(self, interventions: tuple[Intervention, ...], shown: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        """What all detectors measure on the texts under interventions."""
        found: dict[str, float] = {}
        for name, evidence in self._measured(tuple(self.claims.claims), interventions, self.bench.rows).items():
            gauge = partial(self.claims.trials[name].gauge, evidence, shown[name], self.claims.parts[name])
            found |= self._tried(name, "gauge", gauge) or {}
        return found

    def _measured(
        self, names: Sequence[str], interventions: tuple[Intervention, ...], texts: Sequence[TokenSequence]
    ) -> dict[str, Evidence]:
        """The evidence of these detectors on texts, as far as they scan texts and the model has what they need."""
        run = partial(self._pass, names, interventions, texts)
        return without_overwriting(run, self.faults.append)

    def _pass(
        self,
        names: Sequence[str],
        interventions: tuple[Intervention, ...],
        texts: Sequence[TokenSequence],
        left_out: Collection[Detector],
    ) -> dict[str, Evidence]:
        apart: dict[str, Apart] = {}
        for name in names:
            detector = self.claims.parts[name].detector
            if detector in left_out:
                continue
            if isinstance(detector, Detector) and all(map(self.model.shape.has, detector.kinds)):
                reducer = self._tried(name, "reducer", partial(detector.reducer, self.model))
                apart |= {} if reducer is None else {name: Apart(detector, reducer)}
        if apart:
            with intervene(self.model, interventions):
                rows = batches(texts, BATCH_TOKENS, self.model.pad_id)
                observe(self.model, rows, list(apart.values()))
        self.faults.extend(one.fault for one in apart.values() if one.fault)
        measured = {n: self._tried(n, "evidence", one.reducer.evidence) for n, one in apart.items() if not one.fault}
        return {name: evidence for name, evidence in measured.items() if evidence is not None}

    def _tried(self, name: str, part: str, call: Any) -> Any:
        try:
            return attempt(self.claims.parts[name].detector, part, call)
        except DetectorError as error:
            self.faults.append(str(error))
            return None


def checked_plan(name: str, planned: Any) -> Planned:
    """What a detector plans, if effects can be told apart by it.

    Raises:
        TypeError, ValueError: it is no plan, two trials are called alike, or a verdict is on another's finding.
    """
    if not isinstance(planned, Planned):
        raise TypeError(f"it planned {kind_of(planned)}, not Planned")
    trials = tuple(planned.trials)
    known: set[tuple[str, str]] = set()
    for trial in trials:
        if (trial.target, trial.op) in known:
            raise ValueError(f"two trials of {trial.op!r} have the target {trial.target!r}")
        known.add((trial.target, trial.op))
        if trial.on is not None and trial.on.detector != name:
            raise ValueError(f"the verdict on {trial.target!r} is on a finding of '{trial.on.detector}'")
    return replace(planned, trials=trials)

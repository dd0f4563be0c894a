"""Candidate hallucination neurons, tested: scaled by α while the model answers questions that selection never saw."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inspector.detectors.trials import Bench, Case, Extras, Outcome, OutcomeOf, Planned, Table, Trials
from inspector.errors import InputError
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.answers.resume import Answered, mark_all
from inspector.hallucination.compare_guards import compare_policies, verdict
from inspector.hallucination.grading.graders import Judge, WholeWords
from inspector.hallucination.grading.normalise import words
from inspector.hallucination.grading.recorded import as_settings, judge_of
from inspector.hallucination.guard import questions_of, sampling_of
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question, built_in, subjects
from inspector.hallucination.study import Study
from inspector.interventions.apply import intervene
from inspector.interventions.trial import Trial
from inspector.interventions.values import Intervention, scale
from inspector.models import Model
from inspector.progress import Progress
from inspector.records import Claim, Finding, Verdict
from inspector.resume import digest
from inspector.sites import Site
from inspector.stats import mean_interval

ALPHAS = (0.0, 0.5, 1.5, 2.0, 3.0)
"""What the candidates together are scaled by, beside 1; the paper's range."""

ENDS = (0.0, 3.0)
"""What a candidate alone is scaled by."""

QUESTIONS = 200
"""Questions that the model is asked; every built-in false premise comes beside them."""

FEWEST_UNSEEN = 100

CONTROLS = 20
"""Matched random controls of each neuron (fewer than of spikes, for each takes longer): p can be 1/21 at least."""

MAKES_UP: dict[str, Claim] = {
    "made_up": "rise",
    "accuracy": "fall",
    "compliance": "rise",
    "loss": "none",
    "unparsed": "none",
}
"""The claims about a hallucination neuron scaled up; prose isn't to suffer, and answers are to stay answers."""


class AnswerBench:
    """Questions on which outcomes are measured.

    Its metrics: `accuracy`, a question's share of right answers; `compliance`, the share of answers given to a
    question with a false premise, not declined and not denied; `made_up`, over both kinds, the share of
    answers that are neither correct nor abstentions; `unparsed`, over both, the share of answers without a word or
    that had not ended at the length limit: such count as incorrect too; `loss`, that of ordinary prose (nats per
    token).

    Args:
        model: from `load_model`.
        form: how questions are put.
        questions: with right answers.
        premises: without any.
        prose: texts.
        sampling: answers per question; the draws are the same under every intervention.
        judge: what marks answers; whole-word aliases where None.
    """

    def __init__(
        self,
        model: Model,
        form: Form,
        questions: Sequence[Question],
        premises: Sequence[Question],
        prose: Bench,
        sampling: Sampling,
        judge: Judge | None = None,
    ) -> None:
        self.model, self.questions, self.premises, self.prose = model, questions, premises, prose
        asked = [[one.question, one.answers] for one in (*questions, *premises)]
        self.judge = judge or WholeWords()
        marker = [] if judge in (None, WholeWords()) else [as_settings(self.judge)]
        self.name = f"answers {digest([prose.name, asdict(form), asdict(sampling), asked, *marker])}"
        self.asker = Asker(model, form, sampling)
        self.metrics = tuple(MAKES_UP)

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> Outcome:
        """All questions asked, and the prose read, under these interventions."""
        with intervene(self.model, interventions):
            answered = self._ask(self.questions)
            denied = self._ask(self.premises)
        right, wrong = _shares(answered, "right"), _shares(answered, "wrong")
        given = _shares(denied, "wrong")
        found = {
            "accuracy": right,
            "compliance": given,
            "made_up": np.concatenate([wrong, given]),
            "unparsed": np.array([self._unparsed(one) for one in (*answered, *denied)]),
            "loss": self.prose.outcome(interventions, ["loss"])["loss"],
        }
        return {metric: found[metric] for metric in metrics}

    def clusters(self, metric: str) -> Int[np.ndarray, " question"] | None:
        """Questions on one subject are drawn together, as in a study; texts of prose each alone."""
        both = (*self.questions, *self.premises)
        of = {"accuracy": self.questions, "compliance": self.premises, "made_up": both, "unparsed": both}
        return subjects(of[metric]) if metric in of else None

    def _unparsed(self, one: Answered) -> float:
        """Share of a question's answers that have no word, or hadn't ended at the length limit."""
        longest = self.asker.sampling.longest
        odd = [len(ids) >= longest or not words(text) for ids, text in zip(one.ids, one.texts, strict=True)]
        return float(np.mean(odd))

    def _ask(self, questions: Sequence[Question]) -> list[Answered]:
        asked = {one.id: one for batch in self.asker.batches(questions) for one in self.asker.ask(batch)}
        return mark_all(self.model, questions, [asked[question.id] for question in questions], self.judge)


def _shares(answered: Sequence[Answered], mark: str) -> Float[np.ndarray, " question"]:
    """Share of each question's answers that have this mark."""
    return np.array([np.mean([one == mark for one in each.marks]) for each in answered])


class NeuronTrials(Trials):
    """The trials of a study's candidates, together and one by one, their curve over α, and policies of guards.

    Controls of a neuron are neurons of its layer next to it in mean contribution (CETT) to the study's answers;
    controls of all candidates together are as many neurons, one for each.
    """

    def planned(self, case: Case) -> Planned:
        """All candidates together and one by one; then, whether or not there are any, policies of guards."""
        study, settings = case.measured.record, case.settings
        assert isinstance(study, Study)
        judge_of(study.settings)  # guards are marked by it at the very end: what can't be is refused before
        if not case.claims:
            note = "No neuron passes the thresholds as a candidate, so none was tested."
            return Planned(extras=partial(_extras, study, case, None, None), later=("guard policies",), notes=(note,))
        questions, where = unseen_questions(study, settings.seed)
        bench = answer_bench(study, case.model, questions, case.bench, settings.samples, settings.seed)
        trials = _trials(study, case)
        note = f"Candidates were tested on {len(questions)} {where}, and on all built-in false premises."
        extras = partial(_extras, study, case, trials[0], bench)
        return Planned(trials, bench, extras, ("guard policies",), (note,))


def _trials(study: Study, case: Case) -> list[Trial]:
    candidates, count, rng = case.claims, case.settings.twins or CONTROLS, case.rng
    layers_of = case.model.shape.layers_of("neuron")
    pools = [_near(study, layers_of, one, 2 * count) for one in candidates]
    drawn = [rng.choice(pool, min(count, len(pool)), replace=False).tolist() for pool in pools]
    places = [(one.layer, _unit(one)) for one in candidates]
    each = [[(layer, neuron) for neuron in neurons] for (layer, _), neurons in zip(places, drawn, strict=True)]
    together = list(zip(*each, strict=True))
    alone = _findings(*places[0]) if len(places) == 1 else None
    trials = [scaling(_together(places), "scale", places, together, ALPHAS, alone)]
    if len(places) > 1:
        trials += [
            scaling(_name(*place), "scale alone", [place], [[control] for control in controls], ENDS, _findings(*place))
            for place, controls in zip(places, each, strict=True)
        ]
    return trials


def _extras(
    study: Study, case: Case, trial: Trial | None, bench: AnswerBench | None, outcome: OutcomeOf, progress: Progress
) -> Extras:
    """The curve over α, and what guards are worth on held-out questions."""
    tables: dict[str, Table] = {}
    if trial is not None and bench is not None:
        tables["alpha"] = _over_alpha(trial, bench, outcome, case.settings.seed)
    try:
        guarded = compare_policies(study, case.model, seed=case.settings.seed, progress=progress)
    except InputError as error:  # what was measured until here is kept
        return Extras(tables, (f"Policies of guards were not compared. {error}",))
    return Extras({**tables, **guarded}, (verdict(pd.DataFrame(guarded["guard"])),))


def _over_alpha(trial: Trial, bench: AnswerBench, outcome: OutcomeOf, seed: int) -> Table:
    """Each metric at every α, the candidates together beside their controls."""
    rows: list[tuple[object, ...]] = []
    for alpha in sorted([trial.untouched, *trial.doses]):
        mine = outcome(trial.doses.get(alpha, ()), trial.claims.keys())
        controls = [outcome(doses.get(alpha, ()), trial.claims.keys()) for doses in trial.twins]
        for metric in trial.claims:
            low, high = mean_interval(mine[metric], bench.clusters(metric), seed=seed)
            others = np.array([one[metric].mean() for one in controls])
            ends = np.quantile(others, [0.025, 0.975])
            value, count = float(mine[metric].mean()), len(mine[metric])
            rows.append((alpha, metric, value, float(low), float(high), others.mean(), *ends, count))
    names = ("alpha", "metric", "value", "low", "high", "twin_value", "twin_low", "twin_high", "n")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _findings(layer: int, unit: int) -> Verdict:
    """The finding that a verdict on a neuron is on."""
    return Verdict("hneurons", unit, layer, layer, None, "undecided")


def unseen_questions(study: Study, seed: int) -> tuple[list[Question], str]:
    """Questions that the study didn't ask, and where they come from, in words.

    Where it asked nearly all that are built in, those it held out and those it couldn't use are taken: the
    probe wasn't fitted on them, but candidates were tested on the former.

    Raises:
        InputError: not even these are enough.
    """
    table = study.frame("hneurons.answers")
    asked = {_plain(question) for question in table["question"]}
    unseen = [question for question in built_in("world_facts") if _plain(question.question) not in asked]
    where = "world_facts that the study did not ask"
    if len(unseen) < FEWEST_UNSEEN:
        kept = table[(table["split"] != "fit") & (table["accepted"] != "")]
        unseen = questions_of(kept)
        where = "questions of the study that the probe was not fitted on"
    if len(unseen) < FEWEST_UNSEEN:
        raise InputError(f"insufficient data: {len(unseen)} questions that selection never saw. Study more questions.")
    chosen = np.random.default_rng(seed).permutation(len(unseen))[:QUESTIONS]
    return [unseen[i] for i in sorted(chosen.tolist())], where


def answer_bench(
    study: Study, model: Model, questions: Sequence[Question], prose: Bench, samples: int, seed: int
) -> AnswerBench:
    """A bench of these questions and the built-in false premises, asked as the study asked its own."""
    sampling, judge = sampling_of(study, samples, seed), judge_of(study.settings)
    return AnswerBench(model, study.form, questions, built_in("false_premises"), prose, sampling, judge)


def scaling(
    target: str,
    op: str,
    places: Sequence[tuple[int, int]],
    twins: Sequence[Sequence[tuple[int, int]]],
    alphas: Sequence[float],
    on: Verdict | None = None,
) -> Trial:
    """A trial of neurons `(layer, neuron)` scaled by every α, beside matched random controls."""

    def scaled(those: Sequence[tuple[int, int]]) -> Mapping[float, tuple[Intervention, ...]]:
        return {alpha: tuple(scale(Site("neuron", layer), (unit,), alpha) for layer, unit in those) for alpha in alphas}

    return Trial(target, op, scaled(places), tuple(map(scaled, twins)), MAKES_UP, untouched=1.0, on=on, by="made_up")


def _near(study: Study, layers: Sequence[int], finding: Finding, count: int) -> Int[np.ndarray, " neuron"]:
    """Neurons of the finding's layer that are next to it in mean CETT, the probe's left out."""
    evidence = study.evidence["hneurons.contributions"]
    probe = study.probe.neurons
    mean = np.asarray(evidence["answer"][:, layers.index(finding.layer)], np.float32).mean(axis=0)
    order = np.argsort(np.abs(mean - mean[_unit(finding)]), kind="stable")
    taken = set(probe[probe[:, 0] == finding.layer, 1].tolist()) | {_unit(finding)}
    return np.array([neuron for neuron in order.tolist() if neuron not in taken][:count])


def _unit(finding: Finding) -> int:
    assert finding.unit is not None  # a neuron has a number
    return finding.unit


def _name(layer: int, unit: int) -> str:
    return f"neuron {unit} of layer {layer}"


def _together(places: Sequence[tuple[int, int]]) -> str:
    return _name(*places[0]) if len(places) == 1 else f"the {len(places)} candidates together"


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())

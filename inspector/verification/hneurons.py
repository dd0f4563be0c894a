"""Candidate hallucination neurons, tested: scaled by α while the model answers questions that selection never saw."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Float, Int

from inspector.errors import InputError
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.answers.resume import Answered, mark_all
from inspector.hallucination.grading.graders import WholeWords
from inspector.hallucination.guard import questions_of, sampling_of
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question, built_in, subjects
from inspector.hallucination.study import Study
from inspector.interventions.apply import intervene
from inspector.interventions.values import Intervention, scale
from inspector.models import Model
from inspector.records import Claim, Effect, Finding
from inspector.resume import digest
from inspector.sites import Site
from inspector.stats import bootstrap_mean
from inspector.verification.text_bench import TextBench
from inspector.verification.trials import Doses, Outcome, Outcomes, Trial

ALPHAS = (0.0, 0.5, 1.5, 2.0, 3.0)
"""What the candidates together are scaled by, beside 1; the paper's range."""

ENDS = (0.0, 3.0)
"""What a candidate alone is scaled by."""

QUESTIONS = 200
"""Questions that the model is asked; every built-in false premise comes beside them."""

FEWEST_UNSEEN = 100

MAKES_UP: dict[str, Claim] = {"made_up": "rise", "accuracy": "fall", "compliance": "rise", "loss": "none"}
"""The claims about a hallucination neuron scaled up, and that ordinary prose doesn't suffer."""


class AnswerBench:
    """Questions on which outcomes are measured.

    Its metrics: `accuracy`, a question's share of right answers; `compliance`, the share of answers given to a
    question with a false premise, not declined and not denied; `made_up`, over both kinds, the share of
    answers that are neither right nor declined; `loss`, that of ordinary prose (nats a token).

    Args:
        model: from `load_model`.
        form: how questions are put.
        questions: with right answers.
        premises: without any.
        prose: texts.
        sampling: answers a question; the draws are the same under every intervention.
    """

    def __init__(
        self,
        model: Model,
        form: Form,
        questions: Sequence[Question],
        premises: Sequence[Question],
        prose: TextBench,
        sampling: Sampling,
    ) -> None:
        self.model, self.questions, self.premises, self.prose = model, questions, premises, prose
        asked = [[one.question, one.answers] for one in (*questions, *premises)]
        self.name = f"answers {digest([prose.name, asdict(form), asdict(sampling), asked])}"
        self.asker = Asker(model, form, sampling)
        self.judge = WholeWords()

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
            "loss": self.prose.outcome(interventions, ["loss"])["loss"],
        }
        return {metric: found[metric] for metric in metrics}

    def clusters(self, metric: str) -> Int[np.ndarray, " question"] | None:
        """Questions on one subject are drawn together, as in a study; texts of prose each alone."""
        of = {"accuracy": self.questions, "compliance": self.premises, "made_up": (*self.questions, *self.premises)}
        return subjects(of[metric]) if metric in of else None

    def _ask(self, questions: Sequence[Question]) -> list[Answered]:
        asked = {one.id: one for batch in self.asker.batches(questions) for one in self.asker.ask(batch)}
        return mark_all(self.model, questions, [asked[question.id] for question in questions], self.judge)


def _shares(answered: Sequence[Answered], mark: str) -> Float[np.ndarray, " question"]:
    """Share of each question's answers that have this mark."""
    return np.array([np.mean([one == mark for one in each.marks]) for each in answered])


class NeuronTest:
    """The trials of a study's candidates, together and one by one, and their curve over α.

    Twins of a neuron are neurons of its layer next to it in mean contribution (CETT) to the study's answers; twins of
    all candidates together are as many neurons, one for each.
    """

    def __init__(self, study: Study, model: Model, outcomes: Outcomes, twins: int, seed: int) -> None:
        self.outcomes, self.candidates, self.seed = outcomes, candidates(study), seed
        rng = np.random.default_rng(seed)
        layers_of = model.shape.layers_of("neuron")
        pools = [_near(study, layers_of, one, 2 * twins) for one in self.candidates]
        drawn = [rng.choice(pool, min(twins, len(pool)), replace=False).tolist() for pool in pools]
        places = [(one.layer, _unit(one)) for one in self.candidates]
        each = [[(layer, neuron) for neuron in neurons] for (layer, _), neurons in zip(places, drawn, strict=True)]
        together = list(zip(*each, strict=True))
        self.trials = [scaling(_together(places), "scale", places, together, ALPHAS)]
        if len(places) > 1:
            self.trials += [
                scaling(_name(*place), "scale alone", [place], [[twin] for twin in mine], ENDS)
                for place, mine in zip(places, each, strict=True)
            ]

    def verified(self, effects: Sequence[Effect]) -> list[dict[str, object]]:
        """A candidate's verdict is that of scaling it alone, by the share of made-up answers."""
        of = {effect.target: effect.verdict for effect in effects if effect.metric == "made_up"}
        found: list[dict[str, object]] = []
        for one in self.candidates:
            unit = _unit(one)
            where = {"unit": unit, "first": one.layer, "last": one.layer, "position": None}
            found.append({"detector": "hneurons", **where, "verdict": of[_name(one.layer, unit)]})
        return found

    def tables(self) -> dict[str, dict[str, np.ndarray]]:
        """Each metric at every α, the candidates together beside their twins."""
        trial = self.trials[0]
        rows: list[tuple[object, ...]] = []
        for alpha in sorted([trial.untouched, *trial.doses]):
            mine = self._at(trial.doses, alpha, trial.claims)
            twins = [self._at(doses, alpha, trial.claims) for doses in trial.twins]
            for metric in trial.claims:
                low, high = bootstrap_mean(mine[metric], self.outcomes.clusters(metric), seed=self.seed)
                others = np.array([twin[metric].mean() for twin in twins])
                ends = np.quantile(others, [0.025, 0.975])
                value, count = float(mine[metric].mean()), len(mine[metric])
                rows.append((alpha, metric, value, float(low), float(high), others.mean(), *ends, count))
        names = ("alpha", "metric", "value", "low", "high", "twin_value", "twin_low", "twin_high", "n")
        return {"alpha": {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}}

    def _at(self, doses: Doses, alpha: float, metrics: Collection[str]) -> Outcome:
        return self.outcomes.of(doses.get(alpha, ()), metrics)


def candidates(study: Study) -> list[Finding]:
    """The candidates under the thresholds in force, the heaviest first."""
    return [one for one in study.findings if one.detector == "hneurons"]


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
    study: Study, model: Model, questions: Sequence[Question], prose: TextBench, samples: int, seed: int
) -> AnswerBench:
    """A bench of these questions and the built-in false premises, asked as the study asked its own."""
    sampling = sampling_of(study, samples, seed)
    return AnswerBench(model, study.form, questions, built_in("false_premises"), prose, sampling)


def scaling(
    target: str,
    op: str,
    places: Sequence[tuple[int, int]],
    twins: Sequence[Sequence[tuple[int, int]]],
    alphas: Sequence[float],
) -> Trial:
    """A trial of neurons `(layer, neuron)` scaled by every α, beside twins of them."""

    def scaled(those: Sequence[tuple[int, int]]) -> Mapping[float, tuple[Intervention, ...]]:
        return {alpha: tuple(scale(Site("neuron", layer), (unit,), alpha) for layer, unit in those) for alpha in alphas}

    return Trial(target, op, scaled(places), tuple(map(scaled, twins)), MAKES_UP, untouched=1.0)


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

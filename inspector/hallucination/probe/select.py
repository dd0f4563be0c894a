"""Which neurons distinguish incorrect from correct answers, and how well: everything that is fitted in a study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.detectors.hneurons.arrays import EXPLAINED, Added, Curve, Domains, Elastic, Tested, Transfer
from inspector.errors import InputError
from inspector.hallucination.probe import k_curve as over_k
from inspector.hallucination.probe import nested_cv as evaluation
from inspector.hallucination.probe.domains import between_domains, with_enough
from inspector.hallucination.probe.headline import Headline, headline
from inspector.hallucination.probe.lasso import Fit
from inspector.hallucination.probe.nested_cv import (
    OUTER,
    Answers,
    Nested,
    choose,
    combined,
    stability,
)
from inspector.hallucination.probe.splits import Folds, split
from inspector.hallucination.probe.transfer import between_relations
from inspector.progress import Task
from inspector.stats import association, auroc, auroc_interval, flexible, stratified_auroc

HELD_OUT = 3
"""One answer in this many is held out from selection; on those the candidates are tested."""

L1_RATIO = 0.5
"""Of the elastic net beside the probe."""

LEVEL = 0.05
"""A neuron whose p beyond one plain score is at least this is said to be explained by it."""

BOOTSTRAPS, RANDOM_DRAWS, SHUFFLES = 50, 20, 10


@dataclass(frozen=True)
class Sample:
    """The usable answers with all that was measured of them; a row an answer.

    Args:
        answers: CETTs, labels and keys.
        question: mean CETT over the questions' tokens.
        residual: mean residual stream over the answers' tokens, `[row, depth, d_model]`.
        plain: scores that need no probe, by name: length, entropy, logprob.
        certainty: self-certainty, another.
        relation: what kind of fact is asked for; empty where that isn't known.
        domain: the relation, or where none is known the group that own answers name; none without either.
        asked: the questions, in plain words.
        rivals: out-of-fold log-odds of every row by what needs no neuron, by name, given the folds.
    """

    answers: Answers
    question: Float[np.ndarray, "row neuron"]
    residual: Float[np.ndarray, "row depth d_model"]
    plain: Mapping[str, Float[np.ndarray, " row"]]
    relation: Sequence[str]
    certainty: Float[np.ndarray, " row"]
    domain: Sequence[str] = ()
    asked: Sequence[str] = ()
    rivals: Callable[[Folds], Mapping[str, Float[np.ndarray, " row"]]] = lambda folds: {}

    @property
    def cheap(self) -> Mapping[str, Float[np.ndarray, " row"]]:
        """What the headline risk may look at beside the probe."""
        return {**self.plain, "self-certainty": self.certainty}


@dataclass(frozen=True)
class Selection:
    """What was found.

    Args:
        folds: the outer folds.
        odds: each predictor's out-of-fold log-odds of every row.
        neurons: how many neurons each outer fold's probe has.
        random, shuffled: AUROCs of random neurons, and on shuffled labels.
        fit: the final probe, fitted on `fitted`.
        fitted, held_out: the rows that the final probe was fitted on, and those it is tested on.
        tested: its neurons, one by one.
        added: what they add to `plain` scores.
        transfers: from the other relations to each relation.
        curve: AUROC over the number of neurons, chosen and random.
        headline: the risk that new answers get, which `odds` has a row of too.
        domains: names of single domains, and their probes tried on each.
        elastic: an elastic net beside the final probe.
    """

    folds: Folds
    odds: Mapping[str, Float[np.ndarray, " row"]]
    neurons: tuple[int, ...]
    random: Float[np.ndarray, " draw"]
    shuffled: Float[np.ndarray, " shuffle"]
    fit: Fit
    fitted: Bool[np.ndarray, " row"]
    held_out: Bool[np.ndarray, " row"]
    tested: Tested
    added: Added
    transfers: tuple[Transfer, ...]
    curve: Curve
    headline: Headline
    domains: tuple[tuple[str, ...], Domains]
    elastic: Elastic


def steps(sample: Sample) -> int:
    """How many steps `select` takes, for a progress bar."""
    relations = len(set(sample.relation) - {""}) + _domains_of(sample)
    return 3 * OUTER + BOOTSTRAPS + RANDOM_DRAWS + SHUFFLES + 1 + over_k.DRAWS + relations


def _domains_of(sample: Sample) -> int:
    return len(with_enough(sample.domain, sample.answers.made_up)) if sample.domain else 0


def select(sample: Sample, seed: int, task: Task) -> Selection:
    """Score the method by nested cross-validation beside its baselines, then fit the final probe and test it.

    Raises:
        InputError: too few answers, or measurements that nothing can be fitted on.
    """
    answers = sample.answers
    _refuse(sample)
    folds = split(answers.keys, answers.made_up, OUTER, seed)
    probe = evaluation.nested(answers, folds, seed, task)
    fit, fitted, held_out, tested, added = final(sample, seed, task)
    risk = headline(sample.cheap, probe, answers.made_up, answers.keys, folds, seed)
    return Selection(
        folds,
        {**_predictors(sample, folds, probe, seed, task), "headline": risk.odds},
        probe.neurons,
        evaluation.random_neurons(answers, folds, probe.neurons, RANDOM_DRAWS, seed, task),
        np.array([evaluation.shuffled(answers, folds, probe.steps, seed + i, task) for i in range(SHUFFLES)]),
        fit,
        fitted,
        held_out,
        tested,
        added,
        between_relations(answers, sample.relation, sample.plain["logprob"], seed, task),
        over_k.k_curve(answers, folds, seed, task),
        risk,
        _domains(sample, seed, task),
        _elastic(answers, fit, fitted, held_out, seed),
    )


def _elastic(
    answers: Answers, fit: Fit, fitted: Bool[np.ndarray, " row"], held: Bool[np.ndarray, " row"], seed: int
) -> Elastic:
    """An elastic net on the rows that the final probe was fitted on, tried on those that it is tested on."""
    found, _, _ = choose(replace(answers, l1_ratio=L1_RATIO), fitted, seed)
    weight = dict(zip(found.columns.tolist(), found.weight.tolist(), strict=True))
    odds, made_up = found.log_odds(answers.x[np.ix_(held, found.columns)]), answers.made_up[held]
    area = auroc(odds, made_up), *auroc_interval(odds, made_up, answers.subject[held])
    return Elastic(
        np.array([weight.get(column, 0.0) for column in fit.columns.tolist()]),
        np.array([len(found.columns)]),
        *(np.array([float(value)]) for value in area),
    )


def _domains(sample: Sample, seed: int, task: Task) -> tuple[tuple[str, ...], Domains]:
    names = sample.domain or [""] * len(sample.answers.made_up)
    questions = None if any(sample.relation) or not sample.asked else np.unique(sample.asked, return_inverse=True)[1]
    return between_domains(sample.answers, names, seed, task, questions=questions)


def _refuse(sample: Sample) -> None:
    measured = {"neurons' contributions": sample.answers.x, "residual streams": sample.residual, **sample.plain}
    for name, values in measured.items():
        lost = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if lost.any():
            raise InputError(
                f"The {name} of {lost.sum()} of {len(lost)} answers are NaN or infinite, so nothing can be fitted on "
                "them. Try dtype float32, or leave these questions out."
            )
    if not (sample.answers.x != sample.answers.x[:1]).any():
        raise InputError("No neuron's contribution differs between two answers. Ask other questions, or another model.")


def _predictors(
    sample: Sample, folds: Folds, probe: Nested, seed: int, task: Task
) -> dict[str, Float[np.ndarray, " row"]]:
    """Out-of-fold log-odds by the probe, its rivals, and both together."""
    answers = sample.answers
    odds = {"probe": probe.log_odds}
    odds["probe 3-vs-1"] = evaluation.nested(replace(answers, question=sample.question), folds, seed, task).log_odds
    odds |= sample.rivals(folds)
    odds["residual"] = evaluation.residual_probe(sample.residual, answers, folds, seed, task)
    odds["combined"] = combined(probe, sample.plain["entropy"].astype(np.float64), answers, folds)
    return odds


def final(
    sample: Sample, seed: int, task: Task, bootstraps: int | None = None
) -> tuple[Fit, Bool[np.ndarray, " row"], Bool[np.ndarray, " row"], Tested, Added]:
    """The probe fitted on two thirds of the answers, and its neurons tested on the last third."""
    answers = sample.answers
    folds = split(answers.keys, answers.made_up, HELD_OUT, seed + 1)
    fitted, held = folds.fit_on(0), folds.held_out(0)
    fit, step, _ = choose(answers, fitted, seed)
    share = stability(answers, fitted, fit, step, bootstraps or BOOTSTRAPS, seed, task)
    alone = HeldOut.of(sample, held, fit)
    return fit, fitted, held, alone.tested(share), alone.added()


@dataclass(frozen=True)
class HeldOut:
    """The probe's neurons on answers that selection never saw.

    Args:
        values: CETTs.
        made_up: whether an answer is incorrect.
        subject, accepted: numbers of what answers can have in common.
        relation: what kind of fact is asked for.
        plain: scores that need no probe, by name.
        towards: the sign of each neuron's weight.
    """

    values: Float[np.ndarray, "row neuron"]
    made_up: Bool[np.ndarray, " row"]
    subject: Int[np.ndarray, " row"]
    accepted: Int[np.ndarray, " row"]
    relation: Int[np.ndarray, " row"]
    plain: Mapping[str, Float[np.ndarray, " row"]]
    towards: Float[np.ndarray, " neuron"]

    @classmethod
    def of(cls, sample: Sample, held: Bool[np.ndarray, " row"], fit: Fit) -> "HeldOut":
        """These rows of a sample, and the columns of a fit."""
        answers = sample.answers
        numbers = np.unique(np.array(sample.relation), return_inverse=True)[1] if len(sample.relation) else None
        return cls(
            answers.x[np.ix_(held, fit.columns)],
            answers.made_up[held],
            answers.subject[held],
            answers.accepted[held],
            np.zeros(int(held.sum()), int) if numbers is None else numbers[held],
            {name: values[held] for name, values in sample.plain.items()},
            np.sign(fit.weight),
        )

    def tested(self, share: Float[np.ndarray, " neuron"]) -> Tested:
        """Each neuron alone."""
        low, high = auroc_interval(self.values, self.made_up, self.subject)
        within, p = stratified_auroc(self._turned, self.made_up, self.relation), self._p(())
        within = np.where(self.towards > 0, within, 1 - within)
        return Tested(share, auroc(self.values, self.made_up), low, high, within, p, self._adjusted(p))

    def added(self) -> Added:
        """What each neuron says beyond the plain scores."""
        together = self._p(tuple(self.plain))
        largest, explained = np.full(len(together), LEVEL), np.full(len(together), len(EXPLAINED) - 1)
        for name in self.plain:
            alone = np.nan_to_num(self._p((name,)), nan=1.0)
            explained[alone >= largest] = EXPLAINED.index(name)
            largest = np.maximum(alone, largest)
        return Added(together, self._adjusted(together), explained)

    @property
    def _turned(self) -> Float[np.ndarray, "row neuron"]:
        """Values that are larger where a neuron's weight says that the risk is."""
        return self.values * self.towards

    def _p(self, beyond: Sequence[str]) -> Float[np.ndarray, " neuron"]:
        covariates = np.column_stack([flexible(self.plain[name]) for name in beyond]) if beyond else None
        together = (self.subject, self.accepted)
        return association(self._turned, self.made_up, self.relation, together, covariates)

    def _adjusted(self, p: Float[np.ndarray, " neuron"]) -> Float[np.ndarray, " neuron"]:
        """p adjusted over neurons whose weight has the same sign: a candidate is among those that raise the risk."""
        from scipy.stats import false_discovery_control

        q = np.full(len(p), np.nan)
        for side in (self.towards > 0, self.towards < 0):
            known = side & np.isfinite(p)
            if known.any():
                q[known] = false_discovery_control(p[known])
        return q

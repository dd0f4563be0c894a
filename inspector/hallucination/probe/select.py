"""Which neurons distinguish incorrect from correct answers, and how well: everything that is fitted in a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from inspector.detectors.hneurons.schema import Tested, Transfer
from inspector.hallucination.probe import nested_cv as evaluation
from inspector.hallucination.probe.lasso import Fit
from inspector.hallucination.probe.nested_cv import (
    OUTER,
    Answers,
    Nested,
    choose,
    combined,
    out_of_fold,
    stability,
)
from inspector.hallucination.probe.splits import Folds, split
from inspector.hallucination.probe.transfer import between_relations
from inspector.progress import Task
from inspector.stats import auroc, auroc_interval, stratified_auroc

HELD_OUT = 3
"""One answer in this many is held out from selection; on those the candidates are tested."""

BOOTSTRAPS, RANDOM_DRAWS, SHUFFLES = 50, 20, 10


@dataclass(frozen=True)
class Sample:
    """The usable answers with all that was measured of them; a row an answer.

    Args:
        answers: CETTs, labels and keys.
        question: mean CETT over the questions' tokens.
        residual: mean residual stream over the answers' tokens, `[row, depth, d_model]`.
        plain: scores that need no probe, by name: length, entropy, logprob.
        relation: what kind of fact is asked for; empty where that isn't known.
    """

    answers: Answers
    question: Float[np.ndarray, "row neuron"]
    residual: Float[np.ndarray, "row depth d_model"]
    plain: Mapping[str, Float[np.ndarray, " row"]]
    relation: Sequence[str]


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
        transfers: from the other relations to each relation.
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
    transfers: tuple[Transfer, ...]


def steps(sample: Sample) -> int:
    """How many steps `select` takes, for a progress bar."""
    return 3 * OUTER + BOOTSTRAPS + RANDOM_DRAWS + SHUFFLES + len(set(sample.relation) - {""})


def select(sample: Sample, seed: int, task: Task) -> Selection:
    """Score the method by nested cross-validation beside its baselines, then fit the final probe and test it."""
    answers = sample.answers
    folds = split(answers.keys, answers.made_up, OUTER, seed)
    probe = evaluation.nested(answers, folds, seed, task)
    fit, fitted, held_out, tested = final(answers, seed, task, relation=sample.relation)
    return Selection(
        folds,
        _predictors(sample, folds, probe, seed, task),
        probe.neurons,
        evaluation.random_neurons(answers, folds, probe.neurons, RANDOM_DRAWS, seed, task),
        np.array([evaluation.shuffled(answers, folds, probe.steps, seed + i, task) for i in range(SHUFFLES)]),
        fit,
        fitted,
        held_out,
        tested,
        between_relations(answers, sample.relation, sample.plain["logprob"], seed, task),
    )


def _predictors(
    sample: Sample, folds: Folds, probe: Nested, seed: int, task: Task
) -> dict[str, Float[np.ndarray, " row"]]:
    """Out-of-fold log-odds by the probe, its rivals, and both together."""
    answers = sample.answers
    odds = {"probe": probe.log_odds}
    odds["probe 3-vs-1"] = evaluation.nested(replace(answers, question=sample.question), folds, seed, task).log_odds
    for name, values in sample.plain.items():
        odds[name] = out_of_fold(values[:, None].astype(np.float64), answers.made_up, folds)
    if any(sample.relation):
        names = np.unique(np.array(sample.relation), return_inverse=True)[1]
        odds["relation"] = out_of_fold(np.eye(names.max() + 1)[names], answers.made_up, folds)
    odds["residual"] = evaluation.residual_probe(sample.residual, answers, folds, seed, task)
    odds["combined"] = combined(probe, sample.plain["entropy"].astype(np.float64), answers, folds)
    return odds


def final(
    answers: Answers,
    seed: int,
    task: Task,
    bootstraps: int | None = None,
    relation: Sequence[str] = (),
) -> tuple[Fit, Bool[np.ndarray, " row"], Bool[np.ndarray, " row"], Tested]:
    """The probe fitted on two thirds of the answers, and its neurons tested on the last third."""
    folds = split(answers.keys, answers.made_up, HELD_OUT, seed + 1)
    fitted, held = folds.fit_on(0), folds.held_out(0)
    fit, step, _ = choose(answers, fitted, seed)
    share = stability(answers, fitted, fit, step, bootstraps or BOOTSTRAPS, seed, task)
    values, subject = answers.x[np.ix_(held, fit.columns)], answers.subject[held]
    kinds = np.unique(np.array(relation), return_inverse=True)[1] if len(relation) else np.zeros(len(held), int)
    return fit, fitted, held, test(values, answers.made_up[held], subject, kinds[held], fit, share, seed)


def test(
    values: Float[np.ndarray, "row neuron"],
    made_up: Bool[np.ndarray, " row"],
    subject: Int[np.ndarray, " row"],
    relation: Int[np.ndarray, " row"],
    fit: Fit,
    share: Float[np.ndarray, " neuron"],
    seed: int,
) -> Tested:
    """Each neuron alone, on answers that selection never saw."""
    from scipy.stats import false_discovery_control

    low, high = auroc_interval(values, made_up, subject)
    towards = np.sign(fit.weight)
    within, p = stratified_auroc(values * towards, made_up, relation)
    q = np.full(len(p), np.nan)
    for side in (towards > 0, towards < 0):  # only a neuron that raises the risk can be a candidate
        known = side & np.isfinite(p)
        if known.any():
            q[known] = false_discovery_control(p[known])
    return Tested(share, auroc(values, made_up), low, high, np.where(towards > 0, within, 1 - within), p, q)

"""Measured answers with their labels, and what a study finds in them as evidence."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inspector.detectors.hneurons.arrays import LABELS, Scores, as_facts, axes_of
from inspector.hallucination.answers.measure import Measured
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.baselines import Seen, baselines
from inspector.hallucination.grading.graders import Mark, WholeWords
from inspector.hallucination.grading.labels import AGREEMENTS, Label, Labelled, label
from inspector.hallucination.notes import words_alone
from inspector.hallucination.probe.nested_cv import Answers
from inspector.hallucination.probe.probe import Probe, risk_of
from inspector.hallucination.probe.select import Sample, Selection
from inspector.hallucination.probe.splits import Folds, keys_of
from inspector.models import Model
from inspector.records import Combine, Evidence
from inspector.stats import auroc, auroc_interval, balanced_mean_interval, balanced_weights, calibration_error

Same = Callable[[str, str, str], bool]
"""Of a question and two answers: whether they say the same."""


def say_the_same(question: str, one: str, other: str) -> bool:
    """Whether one answer is right by the other, by whole words whatever the study's judge; abstentions are alike."""
    judge = WholeWords()
    marks = [judge(question, [known], said) for known, said in ((one, other), (other, one))]
    return "right" in marks or marks == ["abstained", "abstained"]


@dataclass(frozen=True)
class Found:
    """Measured answers with their labels; a row an answer that has tokens.

    Args:
        answered, labels, measured: of each answer.
        also: what baselines with passes of their own measured of each, by their names.
        same: whether two answers to a question say the same.
    """

    answered: Sequence[Answered]
    labels: np.ndarray
    measured: Measured
    also: Mapping[str, np.ndarray] = field(default_factory=dict)
    same: Same = say_the_same

    @property
    def usable(self) -> np.ndarray:
        """Numbers of the rows that are correct or incorrect."""
        return np.flatnonzero((self.labels == Label.right) | (self.labels == Label.wrong))

    def sample(self) -> Sample:
        """What selection may see."""
        rows, m = self.usable, self.measured
        keys = keys_of(
            [one.question.question for one in self.answered],
            [one.question.subject for one in self.answered],
            [one.question.answers for one in self.answered],
            [one.texts[0] for one in self.answered],
        )
        answer, question = (np.asarray(_flat(part)[rows], np.float32) for part in (m.answer, m.question))
        return Sample(
            Answers(answer, self.labels[rows] == Label.wrong, keys[rows]),
            question,
            m.residual[rows],
            {"length": m.tokens[rows].astype(np.float64), "entropy": m.entropy[rows], "logprob": m.logprob[rows]},
            [self.answered[row].question.relation or "" for row in rows],
            m.certainty[rows].astype(np.float64),
            _domains([self.answered[row] for row in rows]),
            [" ".join(self.answered[row].question.question.casefold().split()) for row in rows],
            self._rivals,
        )

    def _rivals(self, folds: Folds) -> dict[str, np.ndarray]:
        """Out-of-fold log-odds of the usable answers by every baseline that can be known of them."""
        rows, m = self.usable, self.measured
        used = [self.answered[row] for row in rows]
        seen = Seen(
            [one.question.question for one in used],
            [one.texts[0] for one in used],
            [one.texts[1:] for one in used],
            [one.question.relation or "" for one in used],
            m.tokens[rows].astype(np.float64),
            m.entropy[rows],
            m.logprob[rows],
            m.certainty[rows],
            self.same,
            {name: values[rows] for name, values in self.also.items()},
        )
        made_up = self.labels[rows] == Label.wrong
        found = {one.name: one.odds(seen, made_up, folds) for one in baselines()}
        return {name: odds for name, odds in found.items() if odds is not None}

    def by_text(self, answers: Answers, selection: Selection) -> list[str]:
        """That labels can be told from the words alone, where they can: a probe needn't know more than these."""
        return words_alone(selection.odds["text alone"], selection.odds["probe"], answers.made_up, answers.subject)

    def evidence(
        self,
        answers: Answers,
        selection: Selection,
        model: Model,
        labelled: Labelled,
        marks: Sequence[Sequence[Mark]],
    ) -> Evidence:
        """Everything found, as arrays."""
        probe = Probe.of(selection.fit, model.shape.layers_of("neuron"), model.shape.d_mlp)
        m = self.measured
        scores = self._scores(answers, selection)
        domains, between = selection.domains
        tested = (probe, selection.tested, selection.added, selection.elastic)
        groups = (*tested, selection.curve, selection.headline.fit, scores, between)
        arrays = {name: array for group in groups for name, array in group.arrays().items()}
        arrays |= self._answers(selection, probe)
        arrays |= {"tokens": m.tokens, "entropy": m.entropy, "logprob": m.logprob, "certainty": m.certainty}
        arrays |= {"label": self.labels}
        arrays |= {"random_auroc": selection.random, "shuffled_auroc": selection.shuffled}
        shares = sorted({*AGREEMENTS, labelled.agreement}, reverse=True)
        arrays |= {"agreements": np.array(shares), "counts": _counts(marks, shares)}
        facts = {
            "predictors": list(selection.odds),
            "baselines": [one.words() for one in baselines() if one.name in selection.odds],
            "neurons_by_fold": list(selection.neurons),
            "grouped_by": selection.folds.by,
            "agreement": labelled.agreement,
            "headline": selection.headline.chosen,
            "domains": list(domains),
            **as_facts(selection.transfers),
            "model": model.current_card()["fingerprint"],
        }
        return as_evidence(arrays, facts)

    def _scores(self, answers: Answers, selection: Selection) -> Scores:
        """Each predictor's measures over the usable answers, by its out-of-fold log-odds."""
        rows = [_measures(odds, answers) for odds in selection.odds.values()]
        measured = Scores(*(np.array(column) for column in zip(*rows, strict=True)))
        # Its odds are against correct answers and all questions together, so only their order means something here.
        says = np.array(list(selection.odds)) != "probe 3-vs-1"
        by_risk = ("accuracy", "accuracy_low", "accuracy_high", "brier", "calibration_error")
        return replace(measured, **{name: np.where(says, getattr(measured, name), np.nan) for name in by_risk})

    def _answers(self, selection: Selection, probe: Probe) -> dict[str, np.ndarray]:
        """By answer: risk (never by a probe that was fitted on it), side of the split, and out-of-fold log-odds."""
        rows, count = self.usable, len(self.answered)
        risk = probe.risk(_flat(self.measured.answer)[:, probe.fit.columns].astype(np.float32))
        risk[rows[selection.fitted]] = risk_of(selection.odds["probe"][selection.fitted])
        side = np.full(count, 2, dtype=np.int8)
        side[rows[selection.fitted]], side[rows[selection.held_out]] = 0, 1
        odds = np.full((len(selection.odds), count), np.nan)
        odds[:, rows] = np.stack(list(selection.odds.values()))
        agreeing = [_share(one.marks) for one in self.answered]
        return {"risk": risk, "split": side, "odds": odds, "agreeing": np.array(agreeing)}


def _measures(odds: np.ndarray, answers: Answers) -> tuple[float, ...]:
    """AUROC, accuracy at log-odds 0, Brier score, calibration error; correct and incorrect answers weigh the same."""
    made_up = answers.made_up
    low, high = auroc_interval(odds, made_up, answers.subject)
    weights = balanced_weights(made_up)
    right = ((odds > 0) == made_up).astype(float)
    ends = balanced_mean_interval(right, made_up, answers.subject)
    risks = risk_of(odds)
    brier = float((weights * (risks - made_up) ** 2).mean())
    error = calibration_error(risks, made_up, weights)
    area = float(auroc(odds, made_up))
    interval = (float(low), float(high))
    accuracy = (float((right * weights).mean()), *ends)
    return (area, *interval, *accuracy, brier, error, float(len(odds)))


def _share(marks: Sequence[Mark]) -> float:
    """Share of the samples whose mark is the greedy answer's; NaN without samples."""
    return float(np.mean([mark == marks[0] for mark in marks[1:]])) if len(marks) > 1 else float("nan")


def _domains(answered: Sequence[Answered]) -> list[str]:
    """Each answer's relation, or its group where no answer has a relation."""
    relations = [one.question.relation or "" for one in answered]
    return relations if any(relations) else [one.question.subject or "" for one in answered]


def _flat(part: np.ndarray) -> np.ndarray:
    return part.reshape(len(part), -1)


def _counts(marks: Sequence[Sequence[Mark]], shares: Sequence[float]) -> np.ndarray:
    """Questions of each label, by agreement."""
    labels = [[label(one, share) for one in marks] for share in shares]
    return np.array([[row.count(Label[name]) for name in LABELS] for row in labels])


def answers_table(answered: Sequence[Answered]) -> dict[str, np.ndarray]:
    """The questions and answers as text."""
    columns: dict[str, list[Any]] = {
        "id": [one.question.id for one in answered],
        "question": [one.question.question for one in answered],
        "answer": [one.texts[0] for one in answered],
        "mark": [one.marks[0] for one in answered],
        "accepted": ["; ".join(one.question.answers) for one in answered],
        "aliases": [json.dumps(one.question.answers, ensure_ascii=False) for one in answered],
        "samples": ["; ".join(one.texts[1:]) for one in answered],
        "relation": [one.question.relation or "" for one in answered],
        "subject": [one.question.subject or "" for one in answered],
    }
    for name in ("context", "prompt"):
        values = [getattr(one, name) or "" for one in answered]
        if any(values):
            columns[name] = values
    return {name: np.array(values, dtype=object) for name, values in columns.items()}


def as_evidence(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Evidence:
    """Arrays with their axes; studies can't be added up, so none says how shards combine but by text."""
    count = len(arrays["answer"]) if "answer" in arrays else len(arrays["label"])
    arrays = {"text": np.arange(count), **arrays}
    axes = {name: axes_of(name) for name in arrays}
    combine: dict[str, Combine] = {name: "text" if axes[name][0] == "text" else "max" for name in arrays}
    return Evidence("hneurons", arrays, axes, combine, facts)

"""`study_hallucination`: ask, judge, measure, select; what comes out is a `Study`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inspector.batches import token_table
from inspector.detectors.hneurons.detector import HNeurons
from inspector.detectors.hneurons.schema import LABELS, Scores, as_facts, axes_of
from inspector.errors import InputError
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.answers.measure import Measured, Meter
from inspector.hallucination.answers.own import OwnAnswer, OwnAnswers, own_answers
from inspector.hallucination.answers.own_tokens import as_answered, counts_of, refuse_own
from inspector.hallucination.answers.resume import Answered, ask_all, mark_all, refuse
from inspector.hallucination.baselines import Seen, baselines
from inspector.hallucination.grading.called import as_judge
from inspector.hallucination.grading.graders import Judge, Mark, WholeWords
from inspector.hallucination.grading.labels import AGREEMENTS, Label, Labelled, label, label_all
from inspector.hallucination.grading.recorded import as_settings
from inspector.hallucination.neuron_states import with_states
from inspector.hallucination.probe.nested_cv import Answers
from inspector.hallucination.probe.probe import Probe, risk_of
from inspector.hallucination.probe.select import Sample, Selection, select, steps
from inspector.hallucination.probe.splits import Folds, keys_of
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.progress import Listener, Progress, progress_of
from inspector.records import Combine, Evidence
from inspector.run.report import judged
from inspector.stats import auroc, auroc_interval, balanced_mean_interval, balanced_weights, calibration_error


def study_hallucination(
    model: Model,
    questions: Sequence[Question] = (),
    *,
    answers: OwnAnswers | None = None,
    sampling: Sampling | None = None,
    form: Form | None = None,
    judge: Judge | Callable[[str, Sequence[str], str], Any] | None = None,
    agreement: float | None = None,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
    step: Listener | None = None,
) -> Study:
    """Find the MLP neurons whose contribution predicts that the model's answer is incorrect (hallucinated).

    The method of Gao et al. 2025 ("H-Neurons", arXiv 2512.01797), with grouped nested
    cross-validation, baselines and nulls beside it. What it finds are candidates.

    Args:
        model: from `load_model`.
        questions: from `inspector.hallucination.questions.sets.load`; the model is asked them.
        answers: instead of questions, answers that exist already, with labels or accepted answers: from
            `inspector.own_answers`, or anything that it takes. Nothing is asked then.
        sampling: how many samples, and how they are drawn.
        form: few-shot or chat.
        judge: what marks answers, a `Judge` or any function of question, accepted answers and answer that gives a mark
            or whether it is correct; whole-word aliases where None.
        agreement: share of the samples that must agree with the greedy answer's mark for a question
            to be used; 1 is the paper's rule. Where None, the strictest that leaves enough.
        seed: of splits, bootstraps and shuffles; `sampling` has its own.
        folder: keeps the answers, so that a killed study needn't ask again, and holds CETTs while it runs; both
            are in memory where None.
        progress: hears of each task: asking, judging, measuring, selecting, describing.
        step: the old name of `progress`, for one release.

    Raises:
        ModelError: the model has no neurons that can be measured.
        InputError: too few correct or incorrect answers, an option out of range, or both questions and answers.
    """
    sampling, form, judge = sampling or Sampling(), form or Form(), as_judge(judge or WholeWords())
    progress = progress_of(progress, step)
    if answers is None:
        refuse(model, questions)
        asked = ask_all(model, questions, form, sampling, folder, progress)
        everything = mark_all(model, questions, asked, judge, progress, folder)
        given: dict[str, Any] = {}
    else:
        if questions:
            raise InputError("Questions to ask and answers that exist were both given. Give one of them.")
        own = own_answers(answers)
        refuse_own(model, own)
        sampling = replace(sampling, samples=max(len(one.samples) if one.question.answers else 0 for one in own))
        everything = as_answered(Meter(model, form), own, judge, folder, progress.task("judging", len(own)))
        given = {"answers": counts_of(own)}
    labelled = label_all([one.marks for one in everything], agreement)
    spoken = [number for number, one in enumerate(everything) if one.ids[0]]
    answered = [everything[number] for number in spoken]
    labels = np.array([labelled.labels[number] for number in spoken], dtype=np.int8)
    meter = Meter(model, form)
    fed = meter.feed([one.put for one in answered], [one.ids[0] for one in answered], [one.prompt for one in answered])
    tokens = sum(len(row.ids) for row in fed.rows)
    layers = list(model.shape.layers_of("neuron"))
    measured = meter.measure(fed, folder, progress.task("measuring", tokens))
    found = _Found(answered, labels, measured, seed, judge)
    sample = found.sample()
    selection = select(sample, seed, progress.task("selecting", steps(sample)))
    settings = {
        "detectors": ["hneurons"],
        "seed": seed,
        "study": {
            **asdict(sampling),
            "form": asdict(form),
            **as_settings(judge),
            "agreement": labelled.agreement,
            "questions": len(everything),
            **given,
        },
    }
    study = Study(
        model.card,
        settings,
        {
            "hneurons": found.evidence(sample.answers, selection, model, labelled, [one.marks for one in everything]),
            "hneurons.contributions": _evidence({"answer": measured.answer}, {"layers": layers}),
        },
        (),
        token_table(fed.whole(), model.tokenizer),
        notes=(
            *_notes(labelled, [one.marks for one in everything], len(everything) - len(answered)),
            *(_merged(questions) if answers is None else [*_given(own), *found.by_text(sample.answers, selection)]),
        ),
        tables={"answers": _table(answered)},
    )
    return with_states(replace(study, findings=judged(study, [HNeurons()])), model, progress)


@dataclass(frozen=True)
class _Found:
    """Measured answers with their labels; a row an answer that has tokens."""

    answered: Sequence[Answered]
    labels: np.ndarray
    measured: Measured
    seed: int
    judge: Judge

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
            _same_by(self.judge),
        )
        made_up = self.labels[rows] == Label.wrong
        found = {one.name: one.odds(seen, made_up, folds) for one in baselines()}
        return {name: odds for name, odds in found.items() if odds is not None}

    def by_text(self, answers: Answers, selection: Selection) -> list[str]:
        """That labels can be told from the words alone, where they can: a probe needn't know more than these."""
        return _words_alone(selection.odds["text alone"], selection.odds["probe"], answers.made_up, answers.subject)

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
        groups = (probe, selection.tested, selection.added, self._scores(answers, selection))
        arrays = {name: array for group in groups for name, array in group.arrays().items()}
        arrays |= self._answers(selection, probe)
        arrays |= {"tokens": m.tokens, "entropy": m.entropy, "logprob": m.logprob, "label": self.labels}
        arrays |= {"random_auroc": selection.random, "shuffled_auroc": selection.shuffled}
        shares = sorted({*AGREEMENTS, labelled.agreement}, reverse=True)
        arrays |= {"agreements": np.array(shares), "counts": _counts(marks, shares)}
        facts = {
            "predictors": list(selection.odds),
            "baselines": [one.words() for one in baselines() if one.name in selection.odds],
            "neurons_by_fold": list(selection.neurons),
            "grouped_by": selection.folds.by,
            "agreement": labelled.agreement,
            **as_facts(selection.transfers),
            "model": model.card["fingerprint"],
        }
        return _evidence(arrays, facts)

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


def _same_by(judge: Judge) -> Callable[[str, str, str], bool]:
    """Whether two answers say the same, by the judge; by whole words where asking it takes long."""
    marker = WholeWords() if getattr(judge, "kept", False) else judge
    return lambda question, one, other: marker(question, [one], other) == "right"


def _share(marks: Sequence[Mark]) -> float:
    """Share of the samples whose mark is the greedy answer's; NaN without samples."""
    return float(np.mean([mark == marks[0] for mark in marks[1:]])) if len(marks) > 1 else float("nan")


def _flat(part: np.ndarray) -> np.ndarray:
    return part.reshape(len(part), -1)


def _counts(marks: Sequence[Sequence[Mark]], shares: Sequence[float]) -> np.ndarray:
    """Questions of each label, by agreement."""
    labels = [[label(one, share) for one in marks] for share in shares]
    return np.array([[row.count(Label[name]) for name in LABELS] for row in labels])


def _table(answered: Sequence[Answered]) -> dict[str, np.ndarray]:
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


def _evidence(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Evidence:
    """Arrays with their axes; studies can't be added up, so none says how shards combine but by text."""
    count = len(arrays["answer"]) if "answer" in arrays else len(arrays["label"])
    arrays = {"text": np.arange(count), **arrays}
    axes = {name: axes_of(name) for name in arrays}
    combine: dict[str, Combine] = {name: "text" if axes[name][0] == "text" else "max" for name in arrays}
    return Evidence("hneurons", arrays, axes, combine, facts)


def _merged(questions: Sequence[Question]) -> list[str]:
    """That questions of the same words were asked once, where some were."""
    copies = sum(question.copies for question in questions)
    times = sum(question.copies > 0 for question in questions)
    said = f"{times} questions stood in the set several times, {copies} copies in all: each was asked once, and a name "
    return [f"{said}that any copy accepts is right."] if copies else []


def _given(own: Sequence[OwnAnswer]) -> list[str]:
    """What a reader must know of answers that weren't asked for here."""
    notes = []
    unmarked = sum(bool(one.samples) and not one.question.answers for one in own)
    if unmarked:
        notes.append(
            f"The samples of {unmarked:,} answers were left out: no accepted answers are known to mark them by."
        )
    elsewhere = sum(one.prompt is not None and one.question.question not in one.prompt for one in own)
    if elsewhere:
        notes.append(
            f"{elsewhere:,} prompts don't have their question in them word for word, so all of such a prompt counts as "
            "the question (for the probe 3-vs-1)."
        )
    if not any(one.samples for one in own):
        notes.append("No samples were given, so how often the model would answer otherwise is not known.")
    return notes


def _words_alone(words: np.ndarray, probe: np.ndarray, made_up: np.ndarray, subject: np.ndarray) -> list[str]:
    """What the words alone say by their log-odds, where it is clearly more than nothing, beside the probe's."""
    low, high = (float(end) for end in auroc_interval(words, made_up, subject))
    if low <= 0.5:
        return []
    said = (
        "The words of question and answer alone, without a model, say which answers are incorrect: AUROC "
        f"{auroc(words, made_up):.2f} [{low:.2f}, {high:.2f}] by TF-IDF"
    )
    mine = float(auroc(probe, made_up))
    if high < mine:
        return [f"{said}; the probe's is {mine:.2f}."]
    return [f"{said}, and the probe's {mine:.2f} is not clearly more: it may have learnt the words."]


def _notes(labelled: Labelled, marks: Sequence[Sequence[Mark]], empty: int) -> tuple[str, ...]:
    """What a reader must know before trusting a number."""
    counts = [sum(label(one, 1.0) == which for one in marks) for which in Label]
    words = {Label.right: "correct", Label.wrong: "incorrect", Label.mixed: "inconsistent"}
    counted = ", ".join(f"{n:,} {words.get(which, which.name)}" for n, which in zip(counts, Label, strict=True))
    notes = [f"By the paper's rule (every sample agrees): {counted}."]
    if max(map(len, marks)) == 1:
        notes = [f"No samples were drawn, so labels are the answers' own marks: {counted}."]
    elif labelled.agreement < 1:
        used = f"{labelled.count(Label.right):,} correct and {labelled.count(Label.wrong):,} incorrect"
        notes.append(
            f"Used were {used}, whose greedy answer at least {labelled.agreement:.0%} of the samples agree with."
        )
    if empty:
        notes.append(f"{empty} greedy answers were empty and can't be measured.")
    return tuple(notes)

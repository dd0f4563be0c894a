"""`study_hallucination`: ask, judge, measure, select; what comes out is a `Study`."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inspector.arguments import Number, Share, takes
from inspector.batches import token_table
from inspector.errors import InputError
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.answers.engine import AnswerEngine, Helpers
from inspector.hallucination.answers.measure import Fed, Measured, Meter
from inspector.hallucination.answers.own import OwnAnswer, OwnAnswers, own_answers
from inspector.hallucination.answers.own_tokens import as_answered, counts_of, refuse_own
from inspector.hallucination.answers.resume import Answered, ask_all, mark_all, refuse
from inspector.hallucination.baselines import Passes, measure_all, with_passes
from inspector.hallucination.found import Found, Same, answers_table, as_evidence, say_the_same
from inspector.hallucination.grading.called import Function, as_judge
from inspector.hallucination.grading.graders import Judge, WholeWords
from inspector.hallucination.grading.labels import label_all
from inspector.hallucination.grading.recorded import as_settings
from inspector.hallucination.neuron_states import with_states
from inspector.hallucination.notes import given_answers, merged, of_labels
from inspector.hallucination.probe.select import select, steps
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question, Questions, as_questions
from inspector.hallucination.study import Study
from inspector.interventions.apply import changes_recorded
from inspector.models import Entailment, Model
from inspector.progress import Listener, Progress, progress_of
from inspector.records import Findings


@takes
def study_hallucination(
    model: Model,
    questions: Questions = (),
    *,
    answers: OwnAnswers | None = None,
    sampling: Sampling | None = None,
    form: Form | None = None,
    judge: Judge | Function | None = None,
    agreement: Share | None = None,
    every_score: bool = False,
    same: Same = say_the_same,
    seed: Number = 0,
    folder: str | Path | None = None,
    engine: AnswerEngine | None = None,
    progress: Progress | None = None,
    step: Listener | None = None,
) -> Study:
    """Find the MLP neurons whose contribution predicts that the model's answer is incorrect (hallucinated).

    The method of Gao et al. 2025 ("H-Neurons", arXiv 2512.01797), with grouped nested
    cross-validation, baselines and nulls beside it. What it finds are candidates.

    Args:
        model: from `load_model`.
        questions: what the model is asked: a built-in set's name, a file, a DataFrame, dicts, pairs of question and
            answer, or strings; see `inspector.hallucination.questions.sets.as_questions`.
        answers: instead of questions, answers that exist already, with labels or accepted answers: from
            `inspector.own_answers`, or anything that it takes. Nothing is asked then.
        sampling: how many samples, and how they are drawn.
        form: few-shot or chat.
        judge: what marks answers, a `Judge` or any function of question, accepted answers and answer that gives a mark
            or whether it is correct; whole-word aliases where None.
        agreement: share of the samples that must agree with the greedy answer's mark for a question
            to be used; 1 is the paper's rule. Where None, the strictest that leaves enough.
        every_score: also measure the scores that take passes of their own: P(True), RAUQ, the predictive entropy of
            the samples, and of answers with a context the lookback ratio.
        same: of a question and two answers whether they say the same, for semantic entropy: by whole words, or
            `inspector.Entailment`.
        seed: of splits, bootstraps and shuffles; `sampling` has its own.
        folder: keeps the answers, so that a killed study needn't ask again, and holds CETTs while it runs; both
            are in memory where None.
        engine: what asks and measures: `inspector.hallucination.answers.engine.AnswersOnRay`; this process where None.
        progress: hears of each task: asking, judging, measuring, selecting, describing.
        step: the old name of `progress`, for one release.

    Raises:
        ModelError: the model has no neurons that can be measured.
        InputError: too few correct or incorrect answers, an option out of range, or both questions and answers.
    """
    sampling, form = sampling or Sampling(), form or Form()
    if isinstance(same, Entailment):
        same.load()  # what can't be loaded is said before anything is asked
    judge = judge or WholeWords()
    progress = progress_of(progress, step)
    folder = None if folder is None else Path(folder)
    questions = as_questions(questions)
    own = _refused(model, questions, answers)
    meter = Meter(model, form)
    with nullcontext() if engine is None else engine.helpers(model, form, sampling) as helpers:
        if own is None:
            given = _asked(model, questions, sampling, form, judge, folder, progress, helpers)
        else:
            given = _existing(meter, own, sampling, judge, folder, progress)
        marks = [one.marks for one in given.answers]
        labelled = label_all(marks, agreement)
        spoken = [number for number, one in enumerate(given.answers) if one.ids[0]]
        answered = [given.answers[number] for number in spoken]
        fed = meter.feed(
            [one.put for one in answered], [one.ids[0] for one in answered], [one.prompt for one in answered]
        )
        measured = _measured(meter, fed, folder, progress, helpers)
    labels = np.array([labelled.labels[number] for number in spoken], dtype=np.int8)
    also, left_out = _measured_also(meter, answered, fed, progress) if every_score else ({}, [])
    found = Found(answered, labels, measured, also, same)
    sample = found.sample()
    selection = select(sample, seed, progress.task("selecting", steps(sample)))
    layers = list(model.shape.layers_of("neuron"))
    asked = {**given.settings, "form": asdict(form), "agreement": labelled.agreement, "questions": len(given.answers)}
    if same is not say_the_same:
        asked["same"] = str(getattr(same, "name", getattr(same, "__name__", "a function")))
    study = Study(
        model.current_card(),
        {"detectors": ["hneurons"], "seed": seed, "study": asked, **changes_recorded(model)},
        {
            "hneurons": found.evidence(sample.answers, selection, model, labelled, marks),
            "hneurons.contributions": as_evidence({"answer": measured.answer}, {"layers": layers}),
        },
        Findings(),
        token_table(fed.whole(), model.tokenizer),
        notes=(
            *of_labels(labelled, marks, len(given.answers) - len(answered)),
            *given.notes,
            *left_out,
            *(found.by_text(sample.answers, selection) if answers is not None else ()),
        ),
        tables={"answers": answers_table(answered)},
    )
    return with_states(study.judge(), model, progress)


def _refused(model: Model, questions: Sequence[Question], answers: OwnAnswers | None) -> Sequence[OwnAnswer] | None:
    """The answers that exist already, None where questions are to be asked; what stands in the way is said."""
    if answers is None:
        refuse(model, questions)
        return None
    if questions:
        raise InputError("Questions to ask and answers that exist were both given. Give one of them.")
    own = own_answers(answers)
    refuse_own(model, own)
    return own


def _measured(meter: Meter, fed: Fed, folder: Path | None, progress: Progress, helpers: Helpers | None) -> Measured:
    task = progress.task("measuring", sum(len(row.ids) for row in fed.rows))
    if helpers is None:
        return meter.measure(fed, folder, task)
    return meter.joined(fed, helpers.measured(fed), folder, task)


def _measured_also(
    meter: Meter, answered: Sequence[Answered], fed: Fed, progress: Progress
) -> tuple[Mapping[str, np.ndarray], Sequence[str]]:
    return measure_all(Passes(meter, answered, fed), progress.task("scoring otherwise", len(with_passes())))


@dataclass(frozen=True)
class _Given:
    """Answers with their marks, how they came about, and what to know of that."""

    answers: Sequence[Answered]
    settings: Mapping[str, Any]
    notes: Sequence[str]


def _asked(
    model: Model,
    questions: Sequence[Question],
    sampling: Sampling,
    form: Form,
    judge: Judge | Function,
    folder: Path | None,
    progress: Progress,
    helpers: Helpers | None,
) -> _Given:
    """The model's answers to questions."""
    judge = as_judge(judge, *_to_try(questions))
    asked = ask_all(model, questions, form, sampling, folder, progress, helpers)
    answers = mark_all(model, questions, asked, judge, progress, folder)
    return _Given(answers, {**asdict(sampling), **as_settings(judge)}, merged(questions))


def _existing(
    meter: Meter,
    own: Sequence[OwnAnswer],
    sampling: Sampling,
    judge: Judge | Function,
    folder: Path | None,
    progress: Progress,
) -> _Given:
    """Answers that exist already."""
    judge = as_judge(judge, *_to_try([one.question for one in own]))
    drawn = max(len(one.samples) if one.question.answers else 0 for one in own)
    settings = {**asdict(replace(sampling, samples=drawn)), **as_settings(judge), "answers": counts_of(own)}
    marked = as_answered(meter, own, judge, folder, progress.task("judging", len(own)))
    return _Given(marked, settings, given_answers(own))


def _to_try(questions: Sequence[Question]) -> Sequence[tuple[str, Sequence[str], str]]:
    """What a judge can be tried on: the first question that has an accepted answer, with that; nothing without one."""
    return [(one.question, one.answers, one.answers[0]) for one in questions if one.answers][:1]

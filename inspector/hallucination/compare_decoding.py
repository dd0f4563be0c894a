"""The decoding family on one set of questions: accuracy, inconsistent answers and risk of each way to decode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inspector.arguments import Count, Number, takes
from inspector.detectors.hneurons.sentences import decoding
from inspector.detectors.shown import TextTable
from inspector.errors import InputError
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.answers.cett import Uncertainty
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.answers.samplers import GREEDY, SOFTMAX, SPARSEMAX, Member
from inspector.hallucination.grading.graders import Judge, Mark
from inspector.hallucination.grading.recorded import judge_of
from inspector.hallucination.guard import questions_of, sampling_of
from inspector.hallucination.held_out import held_out
from inspector.hallucination.questions.sets import Question
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.progress import Listener, Progress, progress_of
from inspector.stats import mean_interval

SAMPLES = 5
"""Answers drawn for each question; also the k of best of k, which reranks them."""
SCORED = 256
"""Answers measured at once."""
MEASURES = ("accuracy", "wrong", "mixed", "risk", "accuracy_change", "risk_change")

Answers = tuple[tuple[int, ...], ...]
"""Answers to one question, as token ids, the greedy one first."""


@dataclass(frozen=True)
class _Told:
    """What is known of an answer; risk and mean log-probability are NaN of an empty one."""

    mark: Mark
    risk: float = float("nan")
    logprob: float = float("nan")


@takes
def compare_decoding(
    study: Study,
    model: Model,
    *,
    members: Sequence[Member] | None = None,
    samples: Count = SAMPLES,
    judge: Judge | None = None,
    seed: Number = 0,
    progress: Progress | None = None,
    step: Listener | None = None,
) -> Study:
    """The study with a table `decoding`: each member's answers to the same questions, which its probe wasn't fitted on.

    All members draw with the same random numbers, which aren't those that made the study's labels. Best of k reranks:
    it keeps one of k answers drawn as the study drew its own, the one with the largest mean log-probability, or with
    the least risk.

    Columns: member, omega, strength (λ), support, k (answers drawn per question), kept (of these); then, each with its
    interval `_low`, `_high` over questions of one subject together: accuracy and wrong (shares of answers,
    the mean over questions), mixed (share of inconsistent questions, whose answers differ in their marks; NaN where
    one is kept of several), risk (mean, of answers that aren't empty), accuracy_change and risk_change (less greedy's,
    question by question); empty (share of answers), n (questions).

    Args:
        study: from `study_hallucination` or `open_run`.
        model: the one the study was made on.
        members: beside greedy; softmax, top-k, top-p, both as in the study, and sparsemax where None.
        samples: answers drawn a question; k.
        judge: what marks answers; the study's own where None.
        seed: of the draws, and of the random choice among inconsistent questions.
        progress: hears of each task: what each member says, and measuring it.
        step: the old name of `progress`, for one release.

    Raises:
        InputError: another model, no samples, or two members of one name.
    """
    study.check_model(model)
    marker = judge or judge_of(study.settings)
    progress = progress_of(progress, step)
    own = _own(study)
    shown = _members(own) if members is None else list(members)
    if study.unaskable:
        raise InputError(f"This study's questions can't be asked again: {study.unaskable}.")
    if len({GREEDY.name, *(member.name for member in shown)}) <= len(shown):
        raise InputError("Two members have the same name (greedy is there by itself). Give each its own.")
    questions, subjects = _questions(study, seed)
    drawn = {one: _drawn(study, model, questions, one, samples, seed, progress) for one in dict.fromkeys([*shown, own])}
    known = _known(study, model, questions, list(drawn.values()), marker, progress)
    told = {one: [[known[n, ids] for ids in mine] for n, mine in enumerate(drawn[one])] for one in drawn}
    table = _Table([mine[:1] for mine in told[own]], subjects, seed)
    rows = [table.row(GREEDY, 1, table.greedy)]
    rows += [table.row(one, samples, [mine[1:] for mine in told[one]]) for one in shown]
    for by in ("logprob", "risk"):
        best = [[_best(mine[1:], by)] for mine in told[own]]
        rows.append(table.row(replace(own, name=f"best of {samples} by {by}"), samples, best))
    return replace(study, tables={**study.tables, "decoding": _columns(pd.DataFrame(rows))})


def _own(study: Study) -> Member:
    """How the study drew its own samples."""
    made = {name: study.settings["study"][name] for name in ("temperature", "top_p", "top_k")}
    return replace(Sampling(**made).member, name=f"top-k {made['top_k']}, top-p {made['top_p']:g}")


def _members(own: Member) -> list[Member]:
    top_k = Member(f"top-k {own.top_k}", own.strength, top_k=own.top_k)
    top_p = Member(f"top-p {own.top_p:g}", own.strength, top_p=own.top_p)
    return [SOFTMAX, top_k, top_p, own, SPARSEMAX]


def _questions(study: Study, seed: int) -> tuple[list[Question], Int[np.ndarray, " question"]]:
    """Questions that the probe was not fitted on, and their subjects as numbers."""
    table = study.frame("hneurons.answers").iloc[held_out(study, seed)]
    subjects = np.array([name or f"#{row}" for row, name in enumerate(table["subject"])], dtype=str)
    return questions_of(table), np.unique(subjects, return_inverse=True)[1]


def _drawn(
    study: Study,
    model: Model,
    questions: Sequence[Question],
    member: Member,
    samples: int,
    seed: int,
    progress: Progress,
) -> list[Answers]:
    """The greedy answer and a member's samples to each question."""
    # With the draws that made the study's labels no held-out question would be inconsistent: `sampling_of` has others.
    asker = Asker(model, study.form, sampling_of(study, samples, seed), member)
    task = progress.task(f"decoding: {member.name}", len(questions))
    found: dict[str, Answers] = {}
    for batch in asker.batches(questions):
        found |= {one.id: one.answers for one in asker.ask(batch)}
        task.advance(len(batch))
    return [found[question.id] for question in questions]


def _known(
    study: Study,
    model: Model,
    questions: Sequence[Question],
    given: Sequence[Sequence[Answers]],
    judge: Judge,
    progress: Progress,
) -> Mapping[tuple[int, tuple[int, ...]], _Told]:
    """What is known of every answer to every question; each is judged and measured once."""
    pairs = list(dict.fromkeys((n, ids) for answers in given for n, mine in enumerate(answers) for ids in mine))
    told = {}
    for number, ids in pairs:
        question = questions[number]
        told[number, ids] = _Told(judge(question.question, question.answers, model.tokenizer.decode(list(ids)).strip()))
    spoken = [pair for pair in pairs if pair[1]]
    meter = Meter(model, study.form)
    task = progress.task("measuring", len(spoken))
    for start in range(0, len(spoken), SCORED):
        part = spoken[start : start + SCORED]
        fed = meter.feed([questions[number].question for number, _ in part], [ids for _, ids in part])
        uncertainty = Uncertainty(fed.spans)
        risk = study.probe.risk(meter.contributions_of(study.probe.neurons, fed, [uncertainty]))
        for pair, one, logprob in zip(part, risk.tolist(), uncertainty.logprob.tolist(), strict=True):
            told[pair] = _Told(told[pair].mark, one, logprob)
        task.advance(len(part))
    return told


def _best(answers: Sequence[_Told], by: str) -> _Told:
    """The answer with the largest log-probability or the least risk; the first where all are empty."""
    worth = np.array([one.logprob if by == "logprob" else -one.risk for one in answers])
    return answers[int(np.nanargmax(worth)) if np.isfinite(worth).any() else 0]


@dataclass(frozen=True)
class _Table:
    """Makes the rows; `greedy` are the answers that all others are compared with, by question."""

    greedy: Sequence[Sequence[_Told]]
    subjects: Int[np.ndarray, " question"]
    seed: int

    def row(self, member: Member, k: int, answers: Sequence[Sequence[_Told]]) -> dict[str, object]:
        """A member's row, from its answers by question."""
        kept = len(answers[0])
        mine, plain = _by_question(answers), _by_question(self.greedy)
        mine[:, 2] = np.nan if kept < k else mine[:, 2]
        values = np.concatenate([mine, (mine - plain)[:, [0, 3]]], axis=1)
        shares = mean_interval(values[:, :4], self.subjects, share=True)
        changes = mean_interval(values[:, 4:], self.subjects, share=False, seed=self.seed)
        ends = [np.concatenate(both) for both in zip(shares, changes, strict=True)]
        row: dict[str, object] = {"member": member.name, "omega": member.omega, "strength": member.strength}
        row |= {"support": member.support, "k": k, "kept": kept}
        for column, name in enumerate(MEASURES):
            known = values[np.isfinite(values[:, column]), column]
            row[name] = float(known.mean()) if len(known) else np.nan
            row[f"{name}_low"], row[f"{name}_high"] = (float(end[column]) for end in ends)
        row["empty"] = float(np.mean([np.isnan(one.risk) for mine_too in answers for one in mine_too]))
        return row | {"n": len(answers)}


def _by_question(answers: Sequence[Sequence[_Told]]) -> Float[np.ndarray, "question 4"]:
    """Share correct, share incorrect, whether marks differ, mean risk."""
    rows = []
    for mine in answers:
        marks = [one.mark for one in mine]
        risks = [one.risk for one in mine if np.isfinite(one.risk)]
        risk = float(np.mean(risks)) if risks else np.nan
        rows.append((marks.count("right") / len(marks), marks.count("wrong") / len(marks), len(set(marks)) > 1, risk))
    return np.array(rows, dtype=np.float64)


def _columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    return {str(name): table[name].to_numpy(object if table[name].dtype.kind not in "if" else None) for name in table}


def text_table(study: Study) -> TextTable:
    """The comparison (frame `decoding`) for a terminal."""
    return decoding(study.frame("decoding"))

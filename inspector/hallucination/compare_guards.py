"""What guarding is worth: each policy on questions the probe was not fitted on, beside greedy and cheaper scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from inspector.hallucination.answers.cett import Uncertainty
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.grading.graders import Judge
from inspector.hallucination.grading.recorded import judge_of
from inspector.hallucination.guard import Guard, guard, questions_of
from inspector.hallucination.held_out import held_out
from inspector.hallucination.questions.sets import Question, subjects
from inspector.hallucination.risk_coverage import Selective, answered_crosswise, best_threshold, curve
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.progress import SILENT, Progress
from inspector.stats import interval

MEASURES = ("coverage", "accuracy", "wrong", "aurc", "accuracy_50", "accuracy_80")

GREEDY = ("greedy", "nothing")

AGAINST = {"aurc_change": ("abstain", "entropy"), "aurc_change_logprob": ("abstain", "logprob")}
"""Differences of areas, and the policy each is taken from: the cheapest score, and the best of the cheap ones."""


@dataclass(frozen=True)
class _Asked:
    """The held-out questions, and what the study knows of the greedy answers to them."""

    questions: list[Question]
    risk: Float[np.ndarray, " question"]
    uncertainty: Mapping[str, Float[np.ndarray, " question"]]
    wrong: Bool[np.ndarray, " question"]
    right: Bool[np.ndarray, " question"]
    subject: Int[np.ndarray, " question"]


def compare_policies(
    study: Study, model: Model, *, judge: Judge | None = None, seed: int = 0, progress: Progress = SILENT
) -> dict[str, dict[str, np.ndarray]]:
    """Tables `guard` and `guard_curve` of every policy on the same questions.

    `guard`: policy, by (what gives the risk), n, threshold, then with `_low` and `_high`: coverage, accuracy of what
    is answered, share of all questions answered wrongly, area under the risk–coverage curve (smaller is better),
    accuracy at 50 % and 80 % coverage; and `aurc_change` and `aurc_change_logprob`, the area less that of the first
    token's entropy alone and of the mean log-probability alone. Thresholds are chosen
    on one half of the questions and used on the other; the one shown is over all. `least` answers everything.

    `guard_curve`: policy, by, coverage, error.
    """
    marker, asked = judge or judge_of(study.settings), _asked(study, seed)
    watched = guard(model, study, seed=seed)
    always = _always(np.zeros(len(asked.wrong)), asked.wrong, asked.right, asked.subject)
    policies: dict[tuple[str, str], Selective] = {GREEDY: always}
    for by, risk in {"probe": asked.risk, **asked.uncertainty}.items():
        answered = answered_crosswise(risk, asked.wrong, seed)
        policies["abstain", by] = replace(always, risk=risk, answered=answered)
    if study.unaskable:
        return {"guard": _table(policies, seed), "guard_curve": _curves(policies)}
    task = progress.task("guarding", 3 * len(asked.questions))
    if study.findings:
        again = watched.again(asked.questions)
        task.advance(len(again))
        policies |= _again(study, model, asked, again, marker, seed)
    samples = watched.samples(asked.questions)
    task.advance(len(samples))
    policies |= _least(study, model, watched, asked, samples, marker)
    task.advance(len(samples))
    return {"guard": _table(policies, seed), "guard_curve": _curves(policies)}


def verdict(table: pd.DataFrame) -> str:
    """In a sentence, whether guarding helped."""
    rows = table.set_index(["policy", "by"])
    greedy = rows.loc[GREEDY]
    each = [
        f"by {said} {row['coverage']:.0%} are answered, {row['accuracy']:.0%} of these correctly, {row['wrong']:.0%} "
        f"of all incorrectly (area under the risk–coverage curve {row['aurc']:.3f})"
        for said, row in ((SAID[by], rows.loc["abstain", by]) for by in SAID)
    ]
    mine = rows.loc["abstain", "probe"]
    compared = " and ".join(
        f"{_better(mine, change)} {SAID[reference[1]]} ({mine[change]:+z.3f} [{mine[f'{change}_low']:+z.3f}, "
        f"{mine[f'{change}_high']:+z.3f}])"
        for change, reference in AGAINST.items()
    )
    return (
        f"Guarding, on {int(greedy['n'])} questions the probe was not fitted on, of which greedy answers "
        f"{greedy['wrong']:.0%} incorrectly. Abstaining {'; '.join(each)}. By its area the probe is {compared}."
    )


SAID = {"probe": "the probe", "entropy": "the first token's entropy", "logprob": "the mean log-probability"}


def _better(row: pd.Series, change: str) -> str:
    better, worse = row[f"{change}_high"] < 0, row[f"{change}_low"] > 0
    return "better than" if better else "worse than" if worse else "not significantly different from"


def _asked(study: Study, seed: int) -> _Asked:
    table = study.frame("hneurons.answers").iloc[held_out(study, seed)]
    uncertainty = {"entropy": table["entropy"].to_numpy(np.float64), "logprob": -table["logprob"].to_numpy(np.float64)}
    wrong, right = ((table["mark"] == mark).to_numpy() for mark in ("wrong", "right"))
    questions = questions_of(table)
    return _Asked(questions, table["risk"].to_numpy(np.float64), uncertainty, wrong, right, subjects(questions))


def _always(risk: np.ndarray, wrong: np.ndarray, right: np.ndarray, subject: np.ndarray) -> Selective:
    return Selective(risk, wrong.astype(np.float64), right.astype(np.float64), np.ones(len(wrong)), subject)


def _again(
    study: Study, model: Model, asked: _Asked, answers: Sequence[tuple[int, ...]], judge: Judge, seed: int
) -> dict[tuple[str, str], Selective]:
    """Risky questions answered again with the candidates scaled down.

    By the probe the less risky of both answers is kept. The entropy of the first token is that of the question, the
    same for both, so by entropy the second answer is always taken.
    """
    spoken = np.array([bool(ids) for ids in answers])
    risk, marks = asked.risk.copy(), [""] * len(answers)
    rows = np.flatnonzero(spoken).tolist()
    risk[rows] = study.scores(
        model, [asked.questions[i].question for i in rows], [answers[i] for i in rows], by="probe"
    )
    for i in rows:
        marks[i] = _mark(model, asked.questions[i], answers[i], judge)
    second = {mark: np.where(spoken, np.array(marks) == mark, getattr(asked, mark)) for mark in ("wrong", "right")}
    entropy, always = asked.uncertainty["entropy"], np.ones(len(risk))
    risky = {"probe": asked.risk, "entropy": entropy}
    taken = {by: 1 - answered_crosswise(first, asked.wrong, seed) for by, first in risky.items()}
    taken["probe"] = taken["probe"] * (risk < asked.risk)
    ranks = {"probe": _between(asked.risk, risk, taken["probe"]), "entropy": entropy}
    return {
        ("again", by): Selective(
            ranks[by],
            _between(asked.wrong, second["wrong"], share),
            _between(asked.right, second["right"], share),
            always,
            asked.subject,
        )
        for by, share in taken.items()
    }


def _between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> Float[np.ndarray, " question"]:
    """What holds on average where the second is taken in this share of the cases."""
    return (1 - share) * first + share * second


def _least(
    study: Study,
    model: Model,
    watched: Guard,
    asked: _Asked,
    samples: Sequence[Sequence[tuple[int, ...]]],
    judge: Judge,
) -> dict[tuple[str, str], Selective]:
    """The greedy answer or the sample with the least risk, and the one with the best mean log-probability."""
    greedy = watched.greedy(asked.questions)
    pairs = [(i, ids) for i, mine in enumerate(samples) for ids in dict.fromkeys([greedy[i], *mine]) if ids]
    owner = np.array([i for i, _ in pairs])
    texts = [asked.questions[i].question for i in owner]
    meter = Meter(model, study.form)
    fed = meter.feed(texts, [ids for _, ids in pairs])
    uncertainty = Uncertainty(fed.spans)
    risk = study.probe.risk(meter.contributions_of(study.probe.neurons, fed, [uncertainty]))
    found = {}
    for by, measure in (("probe", risk), ("logprob", -uncertainty.logprob)):
        chosen = [np.flatnonzero(owner == i)[measure[owner == i].argmin()] for i in np.unique(owner)]
        answers = [pairs[row] for row in chosen]
        marks = np.array([_mark(model, asked.questions[i], ids, judge) for i, ids in answers])
        subject = asked.subject[owner[chosen]]
        found["least", by] = _always(measure[chosen], marks == "wrong", marks == "right", subject)
    return found


def _mark(model: Model, question: Question, ids: tuple[int, ...], judge: Judge) -> str:
    return judge(question.question, question.answers, model.tokenizer.decode(list(ids)).strip())


def _table(policies: dict[tuple[str, str], Selective], seed: int) -> dict[str, np.ndarray]:
    rows = []
    for (name, by), policy in policies.items():
        once = np.ones((1, len(policy.wrong)))
        row: dict[str, object] = {
            "policy": name,
            "by": by,
            "n": len(policy.wrong),
            "threshold": _threshold(name, policy),
        }
        value, drawn = policy.measures(once), policy.draws(seed)
        for change, reference in AGAINST.items():
            other = policies[reference]
            if len(other.wrong) == len(policy.wrong):  # the same questions in the same draws
                value[change] = value["aurc"] - other.measures(once)["aurc"]
                drawn[change] = drawn["aurc"] - other.draws(seed)["aurc"]
        for measure in (*MEASURES, *AGAINST):
            ends = interval(drawn[measure]) if measure in drawn else (np.nan, np.nan)
            row[measure] = float(value[measure][0]) if measure in value else np.nan
            row[f"{measure}_low"], row[f"{measure}_high"] = map(float, ends)
        rows.append(row)
    return {column: np.array([row[column] for row in rows], dtype=_dtype(column)) for column in rows[0]}


def _dtype(column: str) -> type:
    return object if column in ("policy", "by") else int if column == "n" else float


def _threshold(name: str, policy: Selective) -> float:
    """What all these questions together would choose; NaN where nothing is left unanswered."""
    return best_threshold(policy.risk, policy.wrong > 0) if name == "abstain" else float("nan")


def _curves(policies: dict[tuple[str, str], Selective]) -> dict[str, np.ndarray]:
    parts = []
    for (name, by), policy in policies.items():
        coverage, error = curve(policy)
        parts.append(pd.DataFrame({"policy": name, "by": by, "coverage": coverage, "error": error}))
    table = pd.concat(parts, ignore_index=True)
    return {column: table[column].to_numpy(object if table[column].dtype == object else None) for column in table}

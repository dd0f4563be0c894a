"""What guarding is worth: each policy on questions the probe was not fitted on, beside plain greedy and entropy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from inspector.hallucination.answering import nothing
from inspector.hallucination.cett import Doubt
from inspector.hallucination.guarding import Guard, guard, held_out, questions_of
from inspector.hallucination.judging import Judge, WholeWords
from inspector.hallucination.measuring import Meter
from inspector.hallucination.questions import Question
from inspector.hallucination.selective import Selective, answered_crosswise, best_threshold, curve, draws
from inspector.hallucination.study import Study
from inspector.models import Model

Step = Callable[[str, int, int], None]

MEASURES = ("coverage", "accuracy", "wrong", "aurc", "accuracy_50", "accuracy_80")

GREEDY = ("greedy", "nothing")


@dataclass(frozen=True)
class _Asked:
    """The held-out questions, and what the study knows of the greedy answers to them."""

    questions: list[Question]
    risk: Float[np.ndarray, " question"]
    entropy: Float[np.ndarray, " question"]
    wrong: Bool[np.ndarray, " question"]


def compare_policies(
    study: Study, model: Model, *, judge: Judge | None = None, seed: int = 0, step: Step = nothing
) -> dict[str, dict[str, np.ndarray]]:
    """Tables `guard` and `guard_curve` of every policy on the same questions.

    `guard`: policy, by (what gives the risk), n, threshold, then with `_low` and `_high`: coverage, accuracy of what
    is answered, share of all questions answered wrongly, area under the risk–coverage curve (smaller is better),
    accuracy at 50 % and 80 % coverage; and `aurc_change`, the area less that of entropy alone. Thresholds are chosen
    on one half of the questions and used on the other; the one shown is over all. `least` answers everything.

    `guard_curve`: policy, by, coverage, error.
    """
    asked, marker = _asked(study, seed), judge or WholeWords()
    watched = guard(model, study, seed=seed)
    policies: dict[tuple[str, str], Selective] = {GREEDY: _always(np.zeros(len(asked.wrong)), asked.wrong)}
    policies["abstain", "probe"] = _abstaining(asked.risk, asked.wrong, seed)
    policies["abstain", "entropy"] = _abstaining(asked.entropy, asked.wrong, seed)
    step("guarding", 0, 3 * len(asked.questions))
    if study.findings:
        again = watched.again(asked.questions)
        step("guarding", len(again), 3 * len(asked.questions))
        policies |= _again(study, model, asked, again, marker, seed)
    samples = watched.samples(asked.questions)
    step("guarding", len(samples), 3 * len(asked.questions))
    policies |= _least(study, model, watched, asked, samples, marker)
    step("guarding", len(samples), 3 * len(asked.questions))
    return {"guard": _table(policies, seed), "guard_curve": _curves(policies)}


def verdict(table: pd.DataFrame) -> str:
    """In a sentence, whether guarding helped."""
    rows = table.set_index(["policy", "by"])
    greedy, mine = rows.loc[GREEDY], rows.loc["abstain", "probe"]
    better = mine["aurc_change_high"] < 0
    told = "better than" if better else "worse than" if mine["aurc_change_low"] > 0 else "no better than"
    change = f"{mine['aurc_change']:+.3f} [{mine['aurc_change_low']:+.3f}, {mine['aurc_change_high']:+.3f}]"
    return (
        f"Guarding, on {int(greedy['n'])} questions the probe was not fitted on: greedy answers are wrong in "
        f"{greedy['wrong']:.0%} of them; abstaining by the probe's risk answers {mine['coverage']:.0%}, and "
        f"{mine['wrong']:.0%} of all are wrong. The area under its risk–coverage curve is {told} that of the first "
        f"token's entropy alone ({change})."
    )


def _asked(study: Study, seed: int) -> _Asked:
    table = study.frame("hneurons.answers").iloc[held_out(study, seed)]
    wrong = (table["mark"] == "wrong").to_numpy()
    return _Asked(questions_of(table), table["risk"].to_numpy(np.float64), table["entropy"].to_numpy(np.float64), wrong)


def _always(risk: np.ndarray, wrong: np.ndarray) -> Selective:
    return Selective(risk, wrong, np.ones(len(wrong), dtype=bool))


def _abstaining(risk: np.ndarray, wrong: np.ndarray, seed: int) -> Selective:
    return Selective(risk, wrong, answered_crosswise(risk, wrong, seed))


def _again(
    study: Study, model: Model, asked: _Asked, answers: Sequence[tuple[int, ...]], judge: Judge, seed: int
) -> dict[tuple[str, str], Selective]:
    """Risky questions answered again with the candidates scaled down.

    By the probe the less risky of both answers is kept. The entropy of the first token is that of the question, the
    same for both, so by entropy the second answer is always taken.
    """
    spoken = np.array([bool(ids) for ids in answers])
    risk, wrong = np.full(len(answers), np.inf), asked.wrong.copy()
    rows = np.flatnonzero(spoken).tolist()
    risk[rows] = study.scores(model, [asked.questions[i].question for i in rows], [answers[i] for i in rows])
    for i in rows:
        wrong[i] = _wrong(model, asked.questions[i], answers[i], judge)
    calm = answered_crosswise(asked.risk, asked.wrong, seed)
    taken = ~calm & (risk < asked.risk)
    sure = answered_crosswise(asked.entropy, asked.wrong, seed)
    return {
        ("again", "probe"): _always(np.where(taken, risk, asked.risk), np.where(taken, wrong, asked.wrong)),
        ("again", "entropy"): _always(asked.entropy, np.where(~sure & spoken, wrong, asked.wrong)),
    }


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
    risk = study.scores(model, texts, [ids for _, ids in pairs])
    meter = Meter(model, study.form)
    fed = meter.feed(texts, [ids for _, ids in pairs])
    doubt = Doubt(fed.spans)
    meter.watch(fed, [doubt])
    found = {}
    for by, measure in (("probe", risk), ("logprob", -doubt.logprob)):
        chosen = [np.flatnonzero(owner == i)[measure[owner == i].argmin()] for i in np.unique(owner)]
        answers = [pairs[row] for row in chosen]
        wrong = np.array([_wrong(model, asked.questions[i], ids, judge) for i, ids in answers])
        found["least", by] = _always(measure[chosen], wrong)
    return found


def _wrong(model: Model, question: Question, ids: tuple[int, ...], judge: Judge) -> bool:
    return judge(question.question, question.answers, model.tokenizer.decode(list(ids)).strip()) == "wrong"


def _table(policies: dict[tuple[str, str], Selective], seed: int) -> dict[str, np.ndarray]:
    rows = []
    reference = policies["abstain", "entropy"]
    for (name, by), policy in policies.items():
        once, weights = np.ones((1, len(policy.wrong))), draws(len(policy.wrong), seed)
        row: dict[str, object] = {
            "policy": name,
            "by": by,
            "n": len(policy.wrong),
            "threshold": _threshold(name, policy),
        }
        value, drawn = policy.measures(once), policy.measures(weights)
        if len(reference.wrong) == len(policy.wrong):  # the same questions in the same draws
            value["aurc_change"] = value["aurc"] - reference.measures(once)["aurc"]
            drawn["aurc_change"] = drawn["aurc"] - reference.measures(weights)["aurc"]
        for measure in (*MEASURES, "aurc_change"):
            ends = np.nanquantile(drawn[measure], [0.025, 0.975]) if measure in drawn else (np.nan, np.nan)
            row[measure] = float(value[measure][0]) if measure in value else np.nan
            row[f"{measure}_low"], row[f"{measure}_high"] = map(float, ends)
        rows.append(row)
    return {column: np.array([row[column] for row in rows], dtype=_dtype(column)) for column in rows[0]}


def _dtype(column: str) -> type:
    return object if column in ("policy", "by") else int if column == "n" else float


def _threshold(name: str, policy: Selective) -> float:
    """What all these questions together would choose; NaN where nothing is left unanswered."""
    return best_threshold(policy.risk, policy.wrong) if name == "abstain" else float("nan")


def _curves(policies: dict[tuple[str, str], Selective]) -> dict[str, np.ndarray]:
    parts = []
    for (name, by), policy in policies.items():
        coverage, error = curve(policy)
        parts.append(pd.DataFrame({"policy": name, "by": by, "coverage": coverage, "error": error}))
    table = pd.concat(parts, ignore_index=True)
    return {column: table[column].to_numpy(object if table[column].dtype == object else None) for column in table}

"""Questions on one subject say the same, so intervals draw them together; and what a saved study asked comes back."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import pytest

from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.found import answers_table
from inspector.hallucination.guard import questions_of
from inspector.hallucination.questions.sets import Question, subjects
from inspector.hallucination.risk_coverage import Selective
from inspector.interventions.trial import Trial, once
from inspector.interventions.values import Intervention, zero_ablate
from inspector.sites import Site
from inspector.stats import bootstrap, interval, mean_interval
from inspector.verification.trials import Outcomes, run

SUBJECTS, EACH = 12, 10
RNG = np.random.default_rng(5)
OF = np.repeat(np.arange(SUBJECTS), EACH)
BY_SUBJECT = np.repeat(RNG.random(SUBJECTS) < 0.5, EACH).astype(float)
"""What holds of a subject's every question."""


def questions() -> list[Question]:
    return [Question(str(n), f"q {n}?", ("a",), subject=f"s{s}") for n, s in enumerate(OF)]


def test_subjects_are_numbered_and_a_question_without_one_is_alone() -> None:
    asked = [Question(str(n), "q", (), subject) for n, subject in enumerate(["b", None, "a", "b", None])]
    assert subjects(asked).tolist() == [0, 1, 2, 0, 3]
    assert subjects(questions()).tolist() == OF.tolist()


def width(one: Selective) -> float:
    low, high = interval(one.draws(0)["wrong"])
    return float(high - low)


def test_a_guards_interval_draws_whole_subjects() -> None:
    risk = RNG.random(len(OF))
    alone = Selective(risk, BY_SUBJECT, 1 - BY_SUBJECT, np.ones(len(OF)))
    together = Selective(risk, BY_SUBJECT, 1 - BY_SUBJECT, np.ones(len(OF)), OF)
    assert width(together) > 2 * width(alone)  # by √10: ten questions of a subject say what one says
    each = Selective(risk, BY_SUBJECT, 1 - BY_SUBJECT, np.ones(len(OF)), np.arange(len(OF)))
    for name, drawn in alone.draws(3).items():
        np.testing.assert_array_equal(each.draws(3)[name], drawn)


class Asked:
    """A bench on which an intervention changes all of a subject's questions alike."""

    name = "asked"

    def __init__(self, clusters: bool) -> None:
        if clusters:
            self.clusters = lambda metric: OF

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> dict[str, np.ndarray]:
        amount = 0.0 if not interventions else 1.0 if interventions[0].units == (0,) else 0.1
        return dict.fromkeys(metrics, amount * BY_SUBJECT)


def test_a_verifications_interval_draws_whole_subjects() -> None:
    def dim(unit: int) -> dict[float, tuple[Intervention, ...]]:
        return once(zero_ablate(Site("resid_post", 1), (unit,)))

    trial = Trial("dim 0", "zero", dim(0), tuple(dim(unit) for unit in range(1, 25)), {"made_up": "rise"})
    (alone,), (together,) = (run(Outcomes(Asked(clusters)), [trial]) for clusters in (False, True))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert (together.change, together.p) == (alone.change, alone.p)
    low, high = mean_interval(BY_SUBJECT, OF, share=False)
    assert (together.low, together.high) == (float(low), float(high))


def test_draws_of_a_mean_have_the_means_spread() -> None:
    values = RNG.normal(size=400)
    drawn = bootstrap(lambda weights: weights @ values / weights.sum(axis=1), len(values), resamples=4000)
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.01)
    assert drawn.std() == pytest.approx(values.std() / 20, rel=0.1)
    assert interval(np.full(5, np.nan)) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_accepted_answers_come_back_as_they_were_asked_with_semicolons_and_all() -> None:
    asked = [
        Question("a", "Who?", ("Simon; Garfunkel", "Simon & Garfunkel"), "duo", "name"),
        Question("b", "Why?", ()),
        Question("c", "What?", ("«é»; ",), "thing"),
    ]
    table = pd.DataFrame(answers_table([Answered(one, ((1,),), ("x",), ("right",)) for one in asked]))
    assert questions_of(table) == asked
    earlier = questions_of(table.drop(columns="aliases"))
    assert earlier[0].answers == ("Simon", "Garfunkel", "Simon & Garfunkel")
    assert [one.id for one in earlier] == ["a", "b", "c"]

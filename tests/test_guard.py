"""Guarding: curves, areas and thresholds by hand; a guard that watches a model; policies on the same questions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.hallucination.risk_coverage import Selective, answered_crosswise, best_threshold, curve
from inspector.stats import bootstrap


def policy(risk: list[float], wrong: list[bool], answered: list[bool] | None = None) -> Selective:
    failed = np.array(wrong, dtype=float)
    return Selective(np.array(risk), failed, 1 - failed, np.array(answered or [True] * len(risk), dtype=float))


def measured(one: Selective) -> dict[str, float]:
    return {name: float(value[0]) for name, value in one.measures(np.ones((1, len(one.wrong)))).items()}


def test_measures_of_a_policy_by_hand() -> None:
    found = measured(policy([0.1, 0.9, 0.2, 0.8], [False, True, True, False], [True, False, True, True]))
    assert found["coverage"] == 0.75
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["wrong"] == 0.25
    # In the order of risk: right, wrong, right, wrong; errors 0, 1/2, 1/3, 1/2 of those so far.
    assert found["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert found["accuracy_50"] == 0.5
    assert found["accuracy_80"] == 0.5  # 80 % of four questions is all of them


def test_where_nothing_ranks_the_questions_the_curve_is_flat() -> None:
    found = measured(policy([0.5] * 4, [True, False, False, False]))
    assert found["aurc"] == found["wrong"] == 0.25 and found["accuracy_50"] == 0.75


def test_nothing_answered_has_no_accuracy() -> None:
    found = measured(policy([0.5, 0.6], [True, False], [False, False]))
    assert found["coverage"] == 0 and np.isnan(found["accuracy"]) and found["wrong"] == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_the_area_is_the_mean_of_the_curve_and_ends_at_the_error_rate(rows: list[tuple[float, bool]]) -> None:
    one = policy([risk for risk, _ in rows], [wrong for _, wrong in rows])
    coverage, error = curve(one)
    if len({risk for risk, _ in rows}) > 1:
        assert measured(one)["aurc"] == pytest.approx(error.mean())
    assert coverage[-1] == 1 and error[-1] == pytest.approx(one.wrong.mean())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30), st.integers(0, 5))
def test_a_draw_counts_a_question_as_often_as_it_was_drawn(rows: list[tuple[float, bool]], seed: int) -> None:
    one = policy([risk for risk, _ in rows], [wrong for _, wrong in rows])
    weights = bootstrap(lambda weights: weights, len(rows), resamples=1, seed=seed)
    repeated = np.repeat(np.arange(len(rows)), weights[0].astype(int))
    again = policy(one.risk[repeated].tolist(), one.wrong[repeated].tolist())
    for name in ("coverage", "wrong", "accuracy"):
        assert float(one.measures(weights)[name][0]) == pytest.approx(measured(again)[name])


def test_an_answer_that_declines_is_neither_right_nor_wrong() -> None:
    declined = Selective(np.array([0.1, 0.9]), np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.ones(2))
    found = measured(declined)
    assert found["accuracy"] == 0 and found["wrong"] == 0.5 and found["accuracy_50"] == 0


def test_how_often_a_question_is_answered_is_over_many_splits() -> None:
    rng = np.random.default_rng(0)
    risk, wrong = rng.random(60), rng.random(60) < 0.5
    answered = answered_crosswise(risk, wrong, 0)
    assert ((answered > 0) & (answered < 1)).any() and (np.diff(answered[np.argsort(risk)]) <= 1e-9).mean() > 0.5
    assert answered_crosswise(risk, wrong, 1).mean() == pytest.approx(answered.mean(), abs=0.05)


def test_the_best_threshold_parts_wrong_from_right() -> None:
    risk, wrong = np.array([0.1, 0.2, 0.7, 0.9]), np.array([False, False, True, True])
    assert best_threshold(risk, wrong) == 0.2
    assert best_threshold(risk, np.ones(4, dtype=bool)) == float("inf")


def test_a_question_is_answered_by_a_threshold_that_it_did_not_choose() -> None:
    rng = np.random.default_rng(0)
    risk, wrong = rng.random(200), rng.random(200) < 0.5
    before = answered_crosswise(risk, wrong, 1)
    for i in range(0, 200, 20):
        other = wrong.copy()
        other[i] = not other[i]
        assert answered_crosswise(risk, other, 1)[i] == before[i]


@pytest.mark.parametrize("order", [range(100), [*range(25, 50), *range(25), *range(50, 100)], range(99, -1, -1)])
def test_no_order_among_equal_risks_changes_a_measure(order: list[int]) -> None:
    rows = np.array(order)
    risk = np.repeat([0.0, 1.0], 50)[rows]
    wrong = np.tile(np.repeat([1.0, 0.0], 25), 2)[rows]
    policy = Selective(risk, wrong, 1 - wrong, np.ones(100))
    measured = policy.measures(np.ones((1, 100)))
    assert measured["aurc"][0] == pytest.approx(0.5)
    assert measured["accuracy_50"][0] == pytest.approx(0.5)
    assert curve(policy)[1] == pytest.approx(np.full(100, 0.5))

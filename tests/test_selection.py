"""Choosing neurons: the path is the lasso over all columns, nothing leaks, and what is planted is found."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures_tiny import counting
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.detectors.hneurons.frames import longest_run
from inspector.hallucination.probe import lasso
from inspector.hallucination.probe import nested_cv as evaluation
from inspector.hallucination.probe.k_curve import k_curve
from inspector.hallucination.probe.lasso import PENALTIES, Fit, balanced, moments, path
from inspector.hallucination.probe.nested_cv import (
    Answers,
    Nested,
    choose,
    combined,
    nested,
    out_of_fold,
    random_neurons,
    residual_probe,
    ridge,
    shuffled,
    stability,
)
from inspector.hallucination.probe.splits import Folds, _components, apart, key_numbers, split
from inspector.progress import UNHEARD
from inspector.stats import auroc, auroc_interval, calibration_error

Seeds = st.integers(0, 2**20)


# -- the path --------------------------------------------------------------------------------------------------------


def correlated(seed: int, rows: int = 120, columns: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positive, correlated columns of many sizes, five of which matter; kinds; weights, a fifth of them 0."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(rows, 20)) @ rng.normal(size=(20, columns))
    x = np.abs(0.5 * common + rng.normal(size=(rows, columns))) * rng.uniform(1e-3, 0.1, columns)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    positive = rng.random(rows) < 1 / (1 + np.exp(-z[:, :5] @ rng.normal(size=5)))
    weights = rng.choice([0.0, 0.5, 1.0, 1.0, 3.0], size=rows)
    return x.astype(np.float32), positive, weights


def standardised(x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All columns standardised in float64 by the weighted rows, and the weights as shares."""
    share = weights / weights.sum()
    mean = share @ x.astype(np.float64)
    return (x - mean) / np.sqrt(share @ (x - mean) ** 2), share


def penalties_of(z: np.ndarray, positive: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The path's penalties: shares of the smallest one under which no column has a weight."""
    return PENALTIES * np.abs((share * (share[positive].sum() - positive)) @ z).max()


@pytest.mark.parametrize("kinds_weigh", ["the same", "as drawn"])
@pytest.mark.parametrize("seed", range(3))
def test_the_path_is_liblinears_on_all_columns(seed: int, kinds_weigh: str) -> None:
    from sklearn.linear_model import LogisticRegression

    x, positive, weights = correlated(seed)
    if kinds_weigh == "the same":
        weights = balanced(positive, weights > 0)
    z, share = standardised(x, weights)
    rows = share > 0
    fits = list(path(x, positive, weights))
    assert len(fits) == len(PENALTIES) and len(fits[-1].columns) > 30
    for penalty, fit in zip(penalties_of(z, positive, share), fits, strict=True):
        whole = LogisticRegression(
            l1_ratio=1.0, solver="liblinear", C=1 / penalty, intercept_scaling=10.0, tol=1e-6, max_iter=10_000
        ).fit(z[rows], positive[rows], sample_weight=share[rows])
        weight, least = np.zeros(x.shape[1]), 1e-3 * np.abs(whole.coef_[0]).max()
        weight[fit.columns] = fit.weight
        np.testing.assert_allclose(weight, whole.coef_[0], rtol=0.01, atol=least)
        differ = (weight != 0) != (whole.coef_[0] != 0)
        assert differ.sum() <= 1  # a column that is just about to come or go
        np.testing.assert_allclose(fit.log_odds(x[:, fit.columns]), whole.decision_function(z), atol=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_at_each_penalty_the_optimality_conditions_of_all_columns_hold(seed: int) -> None:
    x, positive, weights = correlated(seed)
    z, share = standardised(x, weights)
    for penalty, fit in zip(penalties_of(z, positive, share), path(x, positive, weights), strict=True):
        gradient = (share * (1 / (1 + np.exp(-fit.log_odds(x[:, fit.columns]))) - positive)) @ z
        assert np.abs(gradient).max() <= 1.01 * penalty
        np.testing.assert_allclose(gradient[fit.columns], -np.sign(fit.weight) * penalty, rtol=0.01)


def test_few_columns_are_fitted_at_each_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    x, positive, weights = correlated(0)
    fit, sizes = lasso._fit, []
    monkeypatch.setattr(lasso, "_fit", lambda values, *rest: sizes.append(values.shape[1]) or fit(values, *rest))
    fits = list(path(x, positive, weights))
    assert len(sizes) <= len(fits) + 3
    assert np.mean([size - len(one.columns) for size, one in zip(sizes, fits, strict=False)]) < 0.1 * x.shape[1]


@pytest.mark.parametrize("seed", [8, 21, 31])
def test_what_the_strong_rule_discards_wrongly_comes_back(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(30, 3)) @ rng.normal(size=(3, 200)) + 0.1 * rng.normal(size=(30, 200))).astype(np.float32)
    positive, weights, steps = rng.random(30) < 0.5, np.ones(30), 0.7 ** np.arange(1, 10)
    fit, calls = lasso._fit, []
    monkeypatch.setattr(lasso, "_fit", lambda *args: calls.append(1) or fit(*args))
    fits = list(path(x, positive, weights, steps, most=200))
    assert len(calls) > len(fits) == len(steps)  # on these data the rule does err
    z, share = standardised(x, weights)
    for penalty, one in zip(steps / PENALTIES[0] * penalties_of(z, positive, share)[0], fits, strict=True):
        gradient = (share * (1 / (1 + np.exp(-one.log_odds(x[:, one.columns]))) - positive)) @ z
        assert np.abs(gradient).max() <= 1.01 * penalty


@settings(deadline=None, max_examples=15)
@given(Seeds, st.sampled_from([0.0, 1.0, 1 / 3, 0.1, 1e-5, 7.77, 123456.7]))
def test_a_column_that_is_constant_on_the_rows_fitted_on_never_gets_a_weight(seed: int, value: float) -> None:
    x, positive, weights = correlated(seed, 60, 40)
    x[:, 7] = value
    x[:, 9] = np.where(weights > 0, value, 100 * value + 5 * positive)  # and would tell the kinds apart elsewhere
    for fit in path(x, positive, weights):
        assert not {7, 9} & set(fit.columns.tolist())


@pytest.mark.parametrize("values", [[0.0], [0.1, 0.5, 7.0]], ids=["0", "others"])
def test_the_spread_of_a_constant_column_is_infinite(values: Any) -> None:
    mean, spread = moments(np.tile(np.array(values, np.float32), (150, 1)), np.linspace(1, 2, 150))
    np.testing.assert_allclose(mean, values, rtol=1e-5)
    assert (spread == np.inf).all()


@pytest.mark.parametrize("most", [0, 1, 5, 20])
def test_the_path_ends_before_it_has_more_than_the_most(most: int) -> None:
    x, positive, weights = correlated(0)
    sizes = [len(fit.columns) for fit in path(x, positive, weights, most=300)]
    kept = [len(fit.columns) for fit in path(x, positive, weights, most=most)]
    first = next(i for i, size in enumerate(sizes) if size > most)
    assert kept == sizes[:first]
    assert len(sizes) == len(PENALTIES)


def same_fits(some: list[Fit], others: list[Fit]) -> bool:
    names = ("columns", "weight", "mean", "scale", "bias")
    return len(some) == len(others) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for one, other in zip(some, others, strict=True)
        for name in names
    )


@settings(deadline=None, max_examples=15)
@given(Seeds, st.sampled_from([1e-6, 1.0, 1e6]))
def test_rows_of_weight_0_change_nothing(seed: int, size: float) -> None:
    x, positive, weights = correlated(seed, 60, 40)
    rng, out = np.random.default_rng(seed + 1), weights == 0
    other = np.where(out[:, None], size * rng.normal(size=x.shape), x).astype(np.float32)
    fits = list(path(x, positive, weights))
    assert same_fits(fits, list(path(other, positive, weights)))
    flipped = np.where(out, rng.random(len(out)) < 0.5, positive)
    for fit, again in zip(fits, path(other, flipped, weights), strict=True):  # sums of other rows' zeros round anew
        assert fit.columns.tolist() == again.columns.tolist()
        np.testing.assert_allclose(fit.weight, again.weight, rtol=1e-6, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(Seeds)
def test_leaving_rows_out_is_giving_them_weight_0(seed: int) -> None:
    x, positive, weights = correlated(seed, 60, 40)
    rows = weights > 0
    for fit, other in zip(path(x, positive, weights), path(x[rows], positive[rows], weights[rows]), strict=True):
        assert fit.columns.tolist() == other.columns.tolist()
        # As near as the solver goes: it ends by the same rule on either, one step sooner or later.
        np.testing.assert_allclose(fit.log_odds(x[:, fit.columns]), other.log_odds(x[:, fit.columns]), atol=0.01)


@settings(deadline=None, max_examples=15)
@given(Seeds, st.floats(-6, 6), st.floats(-10, 10))
def test_scaling_and_shifting_columns_changes_no_log_odds(seed: int, power: float, spreads: float) -> None:
    x, positive, weights = correlated(seed, 60, 40)
    rng = np.random.default_rng(seed)
    shift = spreads * x.std(axis=0) * rng.choice([-1, 1], x.shape[1])
    other = ((x + shift) * 10.0 ** (power * rng.random(x.shape[1]))).astype(np.float32)
    for fit, moved in zip(path(x, positive, weights), path(other, positive, weights), strict=True):
        np.testing.assert_allclose(fit.log_odds(x[:, fit.columns]), moved.log_odds(other[:, moved.columns]), atol=0.01)


def test_shifting_by_a_thousand_spreads_changes_no_log_odds_either() -> None:
    x, positive, weights = correlated(0)
    moved = (x + 1000 * x.std(axis=0)).astype(np.float32)
    for fit, other in zip(path(x, positive, weights), path(moved, positive, weights), strict=True):
        np.testing.assert_allclose(fit.log_odds(x[:, fit.columns]), other.log_odds(moved[:, other.columns]), atol=0.02)


def test_moments_are_the_same_in_blocks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _, weights = correlated(1, 150, 40)
    share = (weights / weights.sum()).astype(np.float32)
    mean, spread = moments(x, weights)
    np.testing.assert_allclose(np.sqrt(lasso._variance(x, share, mean)), spread, rtol=1e-3)
    rows = weights > 0
    exact = np.average(x[rows].astype(np.float64), axis=0, weights=weights[rows])
    np.testing.assert_allclose(mean, exact, rtol=1e-5)


def test_balanced_weights_give_each_kind_half_and_others_nothing() -> None:
    positive = np.array([True, True, False, False, False, True])
    rows = np.array([True, True, True, False, True, False])
    assert balanced(positive, rows).tolist() == [0.25, 0.25, 0.25, 0.0, 0.25, 0.0]


# -- folds -----------------------------------------------------------------------------------------------------------


@st.composite
def keyed_rows(draw: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Keys (−1 for none), kinds and a number of folds."""
    seed, rows = draw(Seeds), draw(st.integers(12, 80))
    columns, folds = draw(st.integers(1, 3)), draw(st.integers(2, 5))
    subjects = draw(st.integers(1, 60))
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, subjects, size=(rows, columns)) + 100 * np.arange(columns)
    keys[rng.random(keys.shape) < draw(st.floats(0, 1))] = -1
    kind = rng.random(rows) < draw(st.floats(0.1, 0.9))
    kind[:2] = True, False
    return keys, kind, folds


def shared(keys: np.ndarray, some: np.ndarray, others: np.ndarray) -> set[int]:
    """Keys that two sets of rows share."""
    return (set(keys[some].flatten().tolist()) & set(keys[others].flatten().tolist())) - {-1}


@settings(deadline=None, max_examples=100)
@given(keyed_rows())
def test_each_row_is_held_out_once_and_shares_no_key_with_what_is_fitted_on(
    drawn: tuple[np.ndarray, np.ndarray, int],
) -> None:
    keys, kind, count = drawn
    folds = split(keys, kind, count)
    held = np.stack([folds.held_out(fold) for fold in range(count)])
    assert (held.sum(axis=0) == 1).all()
    for fold in range(count):
        rows = folds.fit_on(fold)
        assert not (rows & held[fold]).any()
        assert not shared(keys, rows, held[fold])
        left_out = ~rows & ~held[fold]  # and only what would be shared is left out
        assert all(shared(keys, np.array([row]), ~rows) for row in np.flatnonzero(left_out))
    again = split(keys, kind, count)
    assert (again.fold == folds.fold).all() and again.by == folds.by


@settings(deadline=None, max_examples=50)
@given(Seeds, st.integers(2, 5), st.integers(0, 40), st.integers(0, 40), st.integers(1, 3))
def test_rows_that_can_be_parted_evenly_are_with_both_kinds_in_every_fold(
    seed: int, folds: int, more: int, others: int, size: int
) -> None:
    """Groups of one kind each, and of one size; enough of both kinds for every fold."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation([True] * (folds + more) + [False] * (folds + others))
    kind, keys = np.repeat(kinds, size), np.repeat(np.arange(len(kinds)), size)[:, None]
    found = split(keys, kind, folds, seed)
    for fold in range(folds):
        held = found.held_out(fold)
        assert 0 < kind[held].sum() < held.sum()
        assert (found.fit_on(fold) == ~held).all()  # nothing is left out
    sizes = np.bincount(found.fold, minlength=folds)
    assert sizes.max() <= 2.5 * sizes.min()


CONTINENTS, LANGUAGES = 6, 9


def world(seed: int = 0, countries: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Keys and kinds of questions on countries; continents and languages chain all of them."""
    rng = np.random.default_rng(seed)
    rows = []
    for country in range(countries):
        continent, language = f"continent {rng.integers(CONTINENTS)}", f"language {rng.integers(LANGUAGES)}"
        for answer in (f"capital {country}", f"money {country}", continent, language):
            wrong = rng.random() < 0.4
            relation = answer.split()[0]
            of = {"continent": CONTINENTS, "language": LANGUAGES}.get(relation, countries)
            rows.append((f"country {country}", answer, f"{relation} {rng.integers(of)}" if wrong else answer, wrong))
    subject, accepted, given, wrong = (list(column) for column in zip(*rows, strict=True))
    return key_numbers({"subject": subject, "accepted": accepted, "given": given}), np.array(wrong)


@pytest.mark.parametrize("seed", range(3))
def test_a_world_in_which_everything_is_chained_is_split_by_one_key(seed: int) -> None:
    keys, wrong = world(seed)
    assert _components(keys).max() == 0
    folds = split(keys, wrong, 5, seed)
    assert folds.by != "all keys"
    for fold in range(5):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        assert not shared(keys, rows, held)
        for part in (rows, held):
            assert 0.15 < wrong[part].mean() < 0.85
        assert wrong[rows].sum() > 0.2 * wrong.sum()
        assert held.mean() > 0.1


def test_rows_that_all_share_one_key_leave_nothing_to_fit_on_and_nothing_leaks() -> None:
    keys = np.stack([np.zeros(40, np.int64), 1 + np.arange(40)], axis=1)
    folds = split(keys, np.arange(40) % 2 == 0, 5)
    for fold in range(5):
        assert not folds.fit_on(fold).any() or not folds.held_out(fold).any()


def test_rows_apart_are_those_that_share_no_key_with_the_rest() -> None:
    keys = np.array([[1, -1], [2, 9], [3, 9], [-1, -1], [-1, -1], [4, 1]])
    rows = np.array([True, True, False, True, False, True])
    assert apart(rows, keys).tolist() == [True, False, False, True, False, True]


def test_an_answer_given_here_and_accepted_there_is_one_key_and_a_subject_of_that_name_another() -> None:
    keys = key_numbers(
        {"subject": ["Paris", "France", None], "accepted": ["x", "Paris", ""], "given": ["y", "z", "Paris"]}
    )
    assert keys[1, 1] == keys[2, 2] != keys[0, 0]
    assert keys[2].tolist()[:2] == [-1, -1]
    assert len(set(keys.flatten().tolist())) == 7


# -- nested choice ---------------------------------------------------------------------------------------------------


def answers_of(seed: int, informative: int = 3, rows: int = 120, columns: int = 500) -> Answers:
    """CETT-like columns, the first few of which are larger in made-up answers; rows share subjects and answers."""
    rng = np.random.default_rng(seed)
    made_up = rng.random(rows) < 0.4
    x = np.abs(rng.normal(size=(rows, columns)))
    x[:, :informative] += 1.3 * made_up[:, None] * np.abs(rng.normal(size=(rows, informative)))
    subject, answer = rng.integers(0, rows // 2, size=(2, rows))
    keys = np.stack([subject, np.where(rng.random(rows) < 0.3, 1000 + answer, -1)], axis=1)
    return Answers((0.01 * x).astype(np.float32), made_up, keys)


def folds_of(answers: Answers, seed: int = 0) -> Folds:
    return split(answers.keys, answers.made_up, evaluation.OUTER, seed)


@pytest.fixture(scope="module")
def found() -> tuple[Answers, Folds, Nested]:
    answers = answers_of(0)
    folds = folds_of(answers)
    return answers, folds, nested(answers, folds, 0, UNHEARD)


def area(log_odds: np.ndarray, made_up: np.ndarray) -> float:
    assert np.isfinite(log_odds).all()
    return float(auroc(log_odds, made_up))


def test_planted_neurons_are_chosen_and_tell_held_out_answers_apart(found: tuple[Answers, Folds, Nested]) -> None:
    answers, folds, inside = found
    assert area(inside.log_odds, answers.made_up) > 0.8
    fit, _, _ = choose(answers, np.ones(len(answers.made_up), bool), 0)
    assert set(fit.columns.tolist()) >= {0, 1, 2}
    assert set(fit.columns[np.argsort(-fit.weight)[:3]].tolist()) == {0, 1, 2}
    strongest = next(f for f in answers.path(folds.fit_on(0), PENALTIES) if len(f.columns) >= 3)
    assert set(strongest.columns.tolist()) == {0, 1, 2}


def test_on_noise_nothing_is_found_on_average() -> None:
    areas = []
    for seed in range(4):
        answers = answers_of(seed, informative=0)
        areas.append(area(nested(answers, folds_of(answers, seed), seed, UNHEARD).log_odds, answers.made_up))
    assert 0.4 < np.mean(areas) < 0.6


def test_what_was_chosen_is_told_for_each_fold(found: tuple[Answers, Folds, Nested]) -> None:
    answers, folds, inside = found
    done: list[int] = []
    again = nested(answers, folds, 0, counting(done))
    assert done == [1] * 5
    assert (again.log_odds == inside.log_odds).all()
    assert len(inside.steps) == len(inside.neurons) == 5
    for fold, (step, neurons) in enumerate(zip(inside.steps, inside.neurons, strict=True)):
        rows = folds.fit_on(fold)
        assert len(list(answers.path(rows, PENALTIES))[step].columns) == neurons
        assert (~np.isnan(inside.inner[fold]) == rows).all()


class Spied:
    """What fits were made on, and how rows were split for them."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.fitted: list[np.ndarray] = []
        self.splits: list[Folds] = []
        patched.setattr(evaluation, "path", self.path)
        patched.setattr(evaluation, "split", self.split)

    def path(self, x: Any, positive: Any, weights: np.ndarray, penalties: Any) -> Iterator[Fit]:
        self.fitted.append(weights > 0)
        return path(x, positive, weights, penalties)

    def split(self, *args: Any) -> Folds:
        self.splits.append(split(*args))
        return self.splits[-1]


@pytest.fixture
def chained() -> Answers:
    """Answers whose keys chain them all: rows outside a fold do share keys with it."""
    keys, wrong = world()
    return Answers(np.random.default_rng(0).random((len(wrong), 60), np.float32), wrong, keys)


def test_no_fit_inside_a_fold_sees_rows_that_share_a_key_with_it(
    chained: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds, spied = folds_of(chained), Spied(monkeypatch)
    nested(chained, folds, 0, UNHEARD)
    each = evaluation.INNER + 1
    assert len(spied.fitted) == 5 * each
    for number, fit in enumerate(spied.fitted):
        held, rows = folds.held_out(number // each), folds.fit_on(number // each)
        assert shared(chained.keys, ~held, held)
        assert fit.any() and not (fit & ~rows).any()
        assert not shared(chained.keys, fit, held)
        assert (fit == rows).all() == (number % each == evaluation.INNER)


def test_no_fit_inside_an_inner_fold_sees_rows_that_share_a_key_with_it(
    chained: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    spied, rows = Spied(monkeypatch), np.arange(len(chained.made_up)) % 10 > 0
    _, _, odds = choose(chained, rows, 0)
    assert (np.isnan(odds) == ~rows).all()
    inside = np.full(len(rows), -1)
    inside[rows] = spied.splits[0].fold
    for part, fit in enumerate(spied.fitted[: evaluation.INNER]):
        held = inside == part
        assert shared(chained.keys, rows & ~held, held)
        assert fit.any() and not (fit & ~rows).any() and not (fit & held).any()
        assert not shared(chained.keys, fit, held)


def test_the_penalty_is_the_one_whose_inner_log_odds_tell_held_out_answers_apart_best() -> None:
    answers = answers_of(4, rows=90, columns=60)
    rows = folds_of(answers).fit_on(0)
    index = np.flatnonzero(rows)
    inner = split(answers.keys[index], answers.made_up[index], evaluation.INNER, 0)
    by_step = np.full((len(PENALTIES), len(rows)), np.nan)
    for fold in range(evaluation.INNER):
        held, fitted = index[inner.held_out(fold)], np.isin(np.arange(len(rows)), index[inner.fit_on(fold)])
        for step, fit in enumerate(answers.path(fitted, PENALTIES)):
            by_step[step, held] = fit.log_odds(answers.x[np.ix_(held, fit.columns)])
    areas = [float(auroc(odds[index], answers.made_up[index])) for odds in by_step]
    fit, step, odds = choose(answers, rows, 0)
    assert areas[step] == np.nanmax(areas) > np.nanmin(areas) + 0.02
    np.testing.assert_array_equal(odds, by_step[step])
    assert same_fits([fit], [list(answers.path(rows, PENALTIES))[step]])


def test_nothing_that_is_chosen_depends_on_rows_outside(found: tuple[Answers, Folds, Nested]) -> None:
    answers, folds, _ = found
    rows = folds.fit_on(0)
    rng = np.random.default_rng(1)
    other = Answers(
        np.where(rows[:, None], answers.x, rng.random(answers.x.shape, np.float32)),
        np.where(rows, answers.made_up, ~answers.made_up),
        np.where(rows[:, None], answers.keys, -1),
    )
    (fit, step, odds), (again, step_again, odds_again) = choose(answers, rows, 0), choose(other, rows, 0)
    assert same_fits([fit], [again])
    assert step == step_again
    np.testing.assert_array_equal(odds, odds_again)


def test_three_against_one_sets_made_up_answers_against_right_ones_and_all_questions() -> None:
    answers = answers_of(3, rows=60, columns=40)
    question = np.abs(np.random.default_rng(0).normal(size=answers.x.shape)).astype(np.float32)
    rows = folds_of(answers).fit_on(0)
    three = Answers(answers.x, answers.made_up, answers.keys, question)
    stacked = np.concatenate([answers.x[rows], question[rows]])
    positive = np.concatenate([answers.made_up[rows], np.zeros(rows.sum(), bool)])
    by_hand = path(stacked, positive, balanced(positive, np.ones(len(positive), bool)))
    for fit, other in zip(three.path(rows, PENALTIES), by_hand, strict=True):
        assert fit.columns.tolist() == other.columns.tolist()
        np.testing.assert_allclose(fit.weight, other.weight, rtol=0.01, atol=1e-3)


def test_on_shuffled_labels_the_same_steps_find_nothing_on_average(found: tuple[Answers, Folds, Nested]) -> None:
    answers, folds, inside = found
    areas = [shuffled(answers, folds, inside.steps, seed, UNHEARD) for seed in range(12)]
    assert 0.4 < np.mean(areas) < 0.6
    assert len(set(areas)) == 12


def test_labels_are_shuffled_for_the_fits_and_their_auroc_alike(
    found: tuple[Answers, Folds, Nested], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, folds, inside = found
    labels: list[np.ndarray] = []

    def spied_path(x: Any, positive: np.ndarray, *rest: Any) -> Iterator[Fit]:
        labels.append(positive)
        return path(x, positive, *rest)

    def spied_auroc(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
        labels.append(positive)
        return auroc(scores, positive)

    monkeypatch.setattr(evaluation, "path", spied_path)
    monkeypatch.setattr(evaluation, "auroc", spied_auroc)
    shuffled(answers, folds, inside.steps, 0, UNHEARD)
    assert len(labels) == 6
    assert all((one == labels[0]).all() for one in labels)
    assert labels[0].sum() == answers.made_up.sum()
    assert (labels[0] != answers.made_up).any()


def test_planted_neurons_are_stable_and_chance_ones_are_not(found: tuple[Answers, Folds, Nested]) -> None:
    answers, _, _ = found
    rows = np.ones(len(answers.made_up), bool)
    fits = list(answers.path(rows, PENALTIES))
    step = next(i for i, fit in enumerate(fits) if len(fit.columns) >= 20)
    done: list[int] = []
    share = stability(answers, rows, fits[step], step, 30, 0, counting(done))
    planted = np.isin(fits[step].columns, (0, 1, 2))
    assert done == [1] * 30
    assert ((share >= 0) & (share <= 1)).all()
    assert (share[planted] > 0.9).all()
    assert share[~planted].mean() < 0.7


def test_random_neurons_are_no_match_for_chosen_ones(found: tuple[Answers, Folds, Nested]) -> None:
    answers, folds, inside = found
    areas = random_neurons(answers, folds, inside.neurons, 5, 0, UNHEARD)
    assert len(areas) == 5
    assert 0.4 < areas.mean() < area(inside.log_odds, answers.made_up) - 0.1


# -- other scores ----------------------------------------------------------------------------------------------------


def noisy(made_up: np.ndarray, seed: int, strength: float) -> np.ndarray:
    return strength * made_up + np.random.default_rng(seed).normal(size=len(made_up))


def test_probe_and_another_score_together_are_no_worse_than_either() -> None:
    gains = []
    for seed in range(3):
        answers = answers_of(seed)
        folds = folds_of(answers, seed)
        inside = nested(answers, folds, seed, UNHEARD)
        for strength in (0.0, 1.0, 3.0):
            other = noisy(answers.made_up, seed, strength)
            together = area(combined(inside, other, answers, folds), answers.made_up)
            best = max(area(score, answers.made_up) for score in (inside.log_odds, other))
            assert together > best - 0.08
            gains.append(together - best)
    assert np.mean(gains) > -0.02


def test_a_ridge_fits_on_its_rows_alone_and_predicts_the_rest() -> None:
    rng = np.random.default_rng(0)
    made_up = rng.random(80) < 0.3
    features = rng.normal(size=(80, 6)) + made_up[:, None]
    rows = np.arange(80) < 50
    odds = ridge(features, made_up, rows)
    assert area(odds[~rows], made_up[~rows]) > 0.8
    spoilt = np.where(rows, made_up, ~made_up)
    assert (ridge(features, spoilt, rows) == odds).all()
    again = ridge(np.where((np.arange(80) < 60)[:, None], features, 1e3), spoilt, rows)
    assert (again[:60] == odds[:60]).all()
    np.testing.assert_allclose(ridge(1e4 * features - 3e3, made_up, rows), odds, atol=1e-2)
    twice = np.concatenate([features, features[made_up & rows]])  # kinds weigh the same however many there are
    more = np.concatenate([made_up, np.ones((made_up & rows).sum(), bool)])
    kept = np.concatenate([rows, np.ones((made_up & rows).sum(), bool)])
    assert np.corrcoef(ridge(twice, more, kept)[:80], odds)[0, 1] > 0.99


def test_out_of_fold_log_odds_depend_on_the_other_folds_alone() -> None:
    answers = answers_of(2, rows=80, columns=10)
    folds = folds_of(answers)
    odds = out_of_fold(answers.x, answers.made_up, folds)
    for fold in range(5):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        spoilt = np.where(rows, answers.made_up, ~answers.made_up)
        assert (out_of_fold(answers.x, spoilt, folds)[held] == odds[held]).all()


def test_the_residual_probe_finds_the_depth_that_knows_and_chooses_it_without_the_fold(chained: Answers) -> None:
    folds, rng = folds_of(chained), np.random.default_rng(0)
    residual = rng.normal(size=(len(chained.made_up), 2, 8)).astype(np.float32)
    residual[:, 1, :4] += 1.2 * chained.made_up[:, None]
    odds = residual_probe(residual, chained, folds, 0, UNHEARD)
    assert area(odds, chained.made_up) > 0.8
    rows, held = folds.fit_on(0), folds.held_out(0)
    assert not (rows | held).all()
    spoilt = Answers(chained.x, np.where(rows, chained.made_up, ~chained.made_up), chained.keys)
    elsewhere = np.where((rows | held)[:, None, None], residual, 99 * rng.normal(size=residual.shape))
    assert (residual_probe(elsewhere.astype(np.float32), spoilt, folds, 0, UNHEARD)[held] == odds[held]).all()


# -- statistics ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(Seeds, st.integers(2, 60), st.integers(1, 8))
def test_the_auroc_is_scikit_learns_ties_included(seed: int, rows: int, values: int) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, size=(rows, 3)).astype(float)
    positive = rng.random(rows) < 0.5
    positive[:2] = True, False
    expected = [roc_auc_score(positive, column) for column in scores.T]
    np.testing.assert_allclose(auroc(scores, positive), expected, atol=1e-12)
    np.testing.assert_allclose(auroc(-scores, positive), 1 - np.array(expected), atol=1e-12)


def test_without_both_kinds_there_is_no_auroc_and_no_interval() -> None:
    scores = np.arange(30.0)
    for positive in (np.ones(30, bool), np.zeros(30, bool)):
        assert np.isnan(auroc(scores, positive))
        assert np.isnan(auroc_interval(scores, positive)).all()
        assert np.isnan(auroc(np.stack([scores, scores], axis=1), positive)).tolist() == [True, True]
    few = np.arange(30) < 7
    assert np.isnan(auroc_interval(scores, few)).all()
    assert np.isfinite(auroc_interval(scores, np.arange(30) < 8)).all()


@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_the_interval_covers_the_true_auroc_as_often_as_it_says(distance: float) -> None:
    from scipy.special import ndtr

    true = float(ndtr(distance / np.sqrt(2)))
    positive = np.arange(90) < 40
    scores = np.random.default_rng(1).normal(size=(90, 200)) + distance * positive[:, None]
    low, high = auroc_interval(scores, positive)
    assert (low < high).all()
    assert 0.90 <= ((low <= true) & (true <= high)).mean() <= 0.99


def test_rows_of_one_cluster_count_together() -> None:
    rng = np.random.default_rng(0)
    positive = np.arange(40) < 20
    scores = rng.normal(size=40) + positive
    alone = auroc_interval(scores, positive)
    copies = np.tile(np.arange(40), 5)
    together = auroc_interval(scores[copies], positive[copies], copies)
    np.testing.assert_allclose(together, alone, atol=0.02)
    apart_ = auroc_interval(scores[copies], positive[copies])
    assert apart_[1] - apart_[0] < 0.7 * (alone[1] - alone[0])


def test_a_score_that_knows_leaves_room_below_1() -> None:
    positive = np.arange(40) < 20
    low, high = map(float, auroc_interval(positive.astype(float), positive))
    assert 0.8 < low < 0.95 and high == 1.0


@pytest.mark.parametrize(
    ("each", "area"),
    [(8, 0.75), (10, 0.99), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((10, 0.9), (64, 0.99)))],
)
def test_few_of_a_kind_and_areas_near_1_are_covered_too(each: int, area: float) -> None:
    from scipy.special import ndtri

    positive = np.arange(2 * each) < each
    scores = np.random.default_rng(3).normal(size=(2 * each, 400)) + np.sqrt(2) * ndtri(area) * positive[:, None]
    low, high = auroc_interval(scores, positive)
    assert ((low <= area) & (area <= high)).mean() >= 0.92


def test_risks_that_come_true_are_calibrated_and_others_are_off_by_what_they_are_off() -> None:
    rng = np.random.default_rng(0)
    risks = rng.random(20_000)
    positive = rng.random(20_000) < risks
    assert calibration_error(risks, positive) < 0.015
    assert calibration_error(positive.astype(float), positive) == 0.0
    half = np.arange(100) < 50
    assert calibration_error(1.0 - half, half) == 1.0
    assert calibration_error(risks**2, positive) == pytest.approx(1 / 2 - 1 / 3, abs=0.015)
    some = np.arange(1000) % 10 < 3
    assert calibration_error(np.full(1000, 0.8), some) == pytest.approx(0.5)
    assert calibration_error(np.full(1000, 0.3), some) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_weights_count_rows_more_than_once() -> None:
    risks, positive = np.array([0.2, 0.8]), np.array([True, True])
    weights = np.array([3.0, 1.0])
    assert calibration_error(risks, positive, weights, bins=1) == pytest.approx((3 * 0.8 + 0.2) / 4)


@pytest.mark.parametrize("ties", [False, True])
def test_the_order_of_the_rows_does_not_change_the_calibration_error(ties: bool) -> None:
    rng = np.random.default_rng(0)
    risks = np.full(100, 0.5) if ties else rng.random(100)
    positive = rng.random(100) < 0.5
    order = np.argsort(~positive, kind="stable")
    assert calibration_error(risks[order], positive[order]) == pytest.approx(calibration_error(risks, positive))


# -- over k ----------------------------------------------------------------------------------------------------------


def over_k(seed: int, told: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUROC over k of chosen and random neurons: ten of 1,200 say something, or none."""
    rng = np.random.default_rng(seed)
    made_up = np.arange(160) % 2 == 0
    x = rng.normal(size=(160, 1200))
    x[:, :10] += told * made_up[:, None]
    answers = Answers(x.astype(np.float32), made_up, np.arange(160)[:, None])
    curve = k_curve(answers, split(answers.keys, made_up, 5, seed), seed, UNHEARD)
    return curve.k, curve.auroc, curve.random


@pytest.mark.slow
def test_where_ten_neurons_say_something_ten_chosen_ones_do_and_random_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inspector.hallucination.probe.k_curve.DRAWS", 20)
    k, chosen, random = over_k(0, told=True)
    assert k.tolist() == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] and random.shape == (20, 10)
    assert chosen[k == 10] > 0.9 > 0.65 > random[:, k == 10].mean()
    assert chosen[k == 10] > chosen[k == 1] and random[:, -1].mean() > random[:, 3].mean()


def test_choosing_inside_the_folds_makes_nothing_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.hallucination.probe.k_curve.DRAWS", 1)
    areas = np.array([over_k(seed, told=False)[1] for seed in range(1, 5)])
    assert abs(areas.mean() - 0.5) < 0.05


def test_chosen_neurons_are_called_better_only_where_no_draw_comes_near() -> None:
    assert longest_run(pd.Series([False, True, True, False, True])) == slice(1, 3)
    assert longest_run(pd.Series([False, False])) == slice(0, 0)
    assert longest_run(pd.Series([True, True])) == slice(0, 2)


def test_an_elastic_net_is_the_solution_over_all_neurons() -> None:
    from sklearn.linear_model import LogisticRegression

    from inspector.hallucination.probe.lasso import moments, path

    rng = np.random.default_rng(3)
    x = rng.normal(size=(80, 60)).astype(np.float32)
    x[:, 1] = x[:, 0] + 0.1 * rng.normal(size=80)  # two that say the same
    positive = x[:, 0] + 0.5 * rng.normal(size=80) > 0
    weights = balanced(positive, np.ones(80, bool))
    fits = list(path(x, positive, weights, most=60, l1_ratio=0.5))
    mean, scale = moments(x, weights)
    share = weights / weights.sum()
    top = np.abs((share * (share[positive].sum() - positive)) @ ((x - mean) / scale)).max() / 0.5
    for fit, penalty in zip(fits, top * PENALTIES, strict=False):
        model = LogisticRegression(l1_ratio=0.5, C=1 / penalty, solver="saga", tol=1e-6, max_iter=20000)
        model.fit((x - mean) / scale, positive, sample_weight=share)
        whole = np.zeros(60)
        whole[fit.columns] = fit.weight
        np.testing.assert_allclose(whole, model.coef_[0], atol=0.02)
    assert {0, 1} <= set(fits[-1].columns.tolist())  # an elastic net keeps both


def test_a_probe_of_one_domain_works_where_the_same_neuron_tells_and_misleads_where_it_tells_the_opposite() -> None:
    from inspector.hallucination.probe.domains import between_domains, with_enough

    rng = np.random.default_rng(0)
    count = 80
    x = rng.normal(size=(3 * count + 10, 30)).astype(np.float32)
    domain = ["a"] * count + ["b"] * count + ["c"] * count + ["few"] * 10
    sign = np.array([1] * count + [1] * count + [-1] * count + [1] * 10)
    made_up = sign * x[:, 4] + 0.3 * rng.normal(size=len(x)) > 0
    keys = np.stack([np.arange(len(x)), np.full(len(x), -1)], axis=1)
    answers = Answers(x, made_up, keys)
    names, found = between_domains(answers, domain, 0, UNHEARD)
    assert names == ("a", "b", "c") == with_enough(domain, made_up)
    assert found.right.tolist() == [int((~made_up[i * count : (i + 1) * count]).sum()) for i in range(3)]
    assert (np.diag(found.auroc) > 0.85).all() and found.auroc[0, 1] > 0.85 and found.auroc[0, 2] < 0.15
    assert (found.low <= found.auroc).all() and (found.auroc <= found.high).all()


def test_answers_that_share_a_subject_with_the_domain_fitted_on_are_not_tried() -> None:
    from inspector.hallucination.probe.domains import between_domains

    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 10)).astype(np.float32)
    made_up = np.arange(120) % 2 == 0
    subject = np.tile(np.arange(60), 2)  # each subject is in both domains
    answers = Answers(x, made_up, np.stack([subject, np.full(120, -1)], axis=1))
    _, found = between_domains(answers, ["a"] * 60 + ["b"] * 60, 0, UNHEARD)
    by_group = between_domains(answers, ["a"] * 60 + ["b"] * 60, 0, UNHEARD, questions=np.arange(120))[1]
    assert np.isfinite(by_group.low).all()  # drawn by questions, which differ
    assert np.isnan(found.auroc[0, 1]) and np.isnan(found.auroc[1, 0]) and np.isfinite(np.diag(found.auroc)).all()

"""Laws of `inspector.stats`."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector import stats
from inspector.detectors.massive.reducer import _moments
from inspector.detectors.tally import histogram
from inspector.stats import (
    bin_edges,
    excess_kurtosis,
    histogram_quantile,
    histogram_share,
    mean_interval,
    mean_square,
    quantisation_error,
)


def counts_of(values: np.ndarray) -> np.ndarray:
    return histogram(torch.tensor(values, dtype=torch.float32)).numpy()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(2**-20, 2**30, width=32), min_size=1, max_size=200))
def test_every_magnitude_falls_into_the_bin_whose_edges_enclose_it(values: list[float]) -> None:
    magnitudes = np.array(values, dtype=np.float32)
    expected, _ = np.histogram(magnitudes.astype(np.float64), bins=bin_edges())
    assert (counts_of(magnitudes) == expected).all()


def test_tiny_and_huge_magnitudes_are_counted_in_the_outer_bins() -> None:
    counts = counts_of(np.array([0.0, 1e-30, 1e30], dtype=np.float32))
    assert counts[0] == 2
    assert counts[-1] == 1


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_median_from_the_histogram_is_within_a_quarter_percent(scale: float) -> None:
    values = np.abs(np.random.default_rng(0).standard_t(3, size=20_000)) * scale
    assert histogram_quantile(counts_of(values)) == pytest.approx(np.median(values), rel=2.5e-3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(2**-20, 2**30, width=32), min_size=1, max_size=200), st.floats(2**-18, 2**28))
def test_the_share_above_a_value_is_between_the_shares_above_and_below_its_bin(values: list[float], at: float) -> None:
    magnitudes = np.array(values, dtype=np.float32)
    share = histogram_share(counts_of(magnitudes), at)
    assert (magnitudes >= at * 1.008).mean() - 1e-9 <= share <= (magnitudes >= at / 1.008).mean() + 1e-9


def test_the_median_of_nothing_is_nan() -> None:
    nothing = np.zeros(len(bin_edges()) - 1, dtype=np.int64)
    assert np.isnan(histogram_quantile(nothing)) and np.isnan(histogram_share(nothing, 1.0))


@pytest.mark.parametrize("largest_of", ["themselves", "a spike"])
def test_the_int8_error_from_the_histogram_agrees_with_quantising(largest_of: str) -> None:
    values = np.abs(np.random.default_rng(1).normal(size=50_000))
    largest = float(values.max()) if largest_of == "themselves" else 200.0
    step = largest / 127
    exact = ((values - np.round(values / step) * step) ** 2).mean()
    assert quantisation_error(counts_of(values), largest) == pytest.approx(exact, rel=0.01)


def test_the_mean_square_from_the_histogram_agrees_with_the_values() -> None:
    values = np.abs(np.random.default_rng(2).normal(size=50_000))
    assert mean_square(counts_of(values)) == pytest.approx((values**2).mean(), rel=1e-3)


def test_excess_kurtosis_is_that_of_scipy() -> None:
    from scipy.stats import kurtosis

    values = np.random.default_rng(3).standard_t(5, size=(40, 50)).astype(np.float32)
    moments = _moments(torch.tensor(values)).numpy()
    assert float(excess_kurtosis(moments)) == pytest.approx(kurtosis(values, axis=None), rel=1e-3)


def test_the_bootstrap_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    samples = rng.normal(size=(40, 400))  # 400 experiments of 40 texts
    low, high = mean_interval(samples, resamples=500)
    assert 0.92 <= ((low < 0) & (high > 0)).mean() <= 0.98


@pytest.mark.parametrize("texts", [8, 12, 20])
def test_with_few_texts_the_interval_is_honest_too(texts: int) -> None:
    samples = np.random.default_rng(6).normal(size=(texts, 1000))
    low, high = mean_interval(samples, resamples=2000)
    assert 0.90 <= ((low < 0) & (high > 0)).mean() <= 0.98


@pytest.mark.parametrize("texts", [2, 5, 7])
def test_fewer_texts_than_eight_have_no_interval(texts: int) -> None:
    assert np.isnan(mean_interval(np.arange(texts, dtype=float))).all()


def test_one_text_has_no_interval() -> None:
    low, high = mean_interval(np.array([[1.0, 2.0]]))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_windows_of_one_text_count_as_one() -> None:
    values = np.array([1.0, 1.0, 1.0, 3.0])
    low, high = mean_interval(values, np.array([0, 0, 0, 0]))
    assert np.isnan(low)
    alike = np.repeat(np.random.default_rng(0).normal(size=10), 10)
    (low, high), (low_c, high_c) = mean_interval(alike), mean_interval(alike, np.repeat(np.arange(10), 10))
    assert high_c - low_c > 2 * (high - low)


def test_a_column_with_one_value_has_no_interval_and_the_others_keep_theirs() -> None:
    values = np.column_stack([np.arange(9.0), [5.0] + [np.nan] * 8])
    low, high = mean_interval(values)
    assert np.isnan(low[1])
    assert low[0] < 4 < high[0]


@pytest.mark.parametrize("texts", [8, 16, 64])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.98])
def test_shares_near_0_and_1_are_covered_as_often_as_said(texts: int, share: float) -> None:
    hits = (np.random.default_rng(7).random((texts, 1500)) < share).astype(float)
    low, high = mean_interval(hits)
    assert ((low <= share) & (share <= high)).mean() >= 0.92
    assert (low >= 0).all() and (low < high).all() and (high <= 1).all()


@pytest.mark.parametrize("texts", [8, 16, 64])
def test_the_mean_of_skewed_values_is_covered_too(texts: int) -> None:
    samples = np.random.default_rng(8).lognormal(size=(texts, 1500))
    low, high = mean_interval(samples, resamples=1000)
    assert ((low <= np.exp(0.5)) & (np.exp(0.5) <= high)).mean() >= 0.91  # 0.92 but for the 1,500 draws' error


def test_shares_of_windows_count_by_their_texts() -> None:
    rng = np.random.default_rng(9)
    text = np.repeat(np.arange(16), 20)
    covered = []
    for _ in range(300):
        rate = rng.beta(0.5, 4.5, 16)
        low, high = mean_interval((rng.random(320) < rate[text]).astype(float), text)
        covered.append(low <= 0.1 <= high)
    assert np.mean(covered) >= 0.9


def test_no_texts_have_no_interval_and_end_in_no_error() -> None:
    assert np.isnan(mean_interval(np.zeros(0))).all() and np.isnan(mean_interval(np.zeros((0, 3)))).all()
    assert np.isnan(stats.auroc_interval(np.zeros(0), np.zeros(0, bool))).all()
    assert np.isnan(stats.balanced_mean_interval(np.zeros(0), np.zeros(0, bool))).all()


def test_texts_that_all_say_the_same_leave_room() -> None:
    low, high = mean_interval(np.zeros(16))
    assert low == 0 and 0.1 < high < 0.3
    low, high = mean_interval(np.full(16, 0.75), share=True)
    assert low < 0.75 < high
    assert [float(end) for end in mean_interval(np.full(16, 2.5))] == [2.5, 2.5]  # no share of anything


@pytest.mark.parametrize("share", [0.1, 0.3, 2 / 48, 0.7])
@pytest.mark.parametrize("texts", [8, 10, 11, 12, 20, 64])
def test_equal_shares_leave_room_whatever_their_mean_is_rounded_to(share: float, texts: int) -> None:
    low, high = mean_interval(np.full(texts, share), share=True)
    assert low < share < high and high - low > 0.5 / texts


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(5).normal(size=20)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1)
    assert mean_interval(values, seed=1) != mean_interval(values, seed=2)


def test_a_perfect_classifiers_accuracy_interval_leaves_room_below_1() -> None:
    positive = np.arange(300) % 25 != 0
    low, high = stats.balanced_mean_interval(np.ones(300), positive)
    assert 0.8 < low < 0.95 and high == 1.0  # twelve of the rarer kind
    low, high = stats.balanced_mean_interval(positive.astype(float), positive)
    assert 0.45 < low < 0.5 < high < 0.65  # always says yes
    assert np.isnan(stats.balanced_mean_interval(np.ones(20), np.arange(20) < 3)).all()


def test_an_auroc_within_strata_sees_nothing_in_what_tells_strata_apart() -> None:
    rng = np.random.default_rng(0)
    stratum = np.repeat(np.arange(4), 60)
    positive = rng.random(240) < np.array([0.1, 0.4, 0.6, 0.9])[stratum]
    knows_stratum = stratum + 0.1 * rng.normal(size=240)
    knows_label = positive + rng.normal(size=240)
    scores = np.stack([knows_stratum, knows_label], axis=1)
    within = stats.stratified_auroc(scores, positive, stratum)
    p = stats.association(scores, positive, stratum, [np.arange(240)])
    assert stats.auroc(scores, positive)[0] > 0.7
    assert abs(within[0] - 0.5) < 0.1 and p[0] > 0.05
    assert within[1] > 0.65 and p[1] < 1e-4


def test_one_stratum_is_the_mann_whitney_test() -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(1)
    positive = rng.random(90) < 0.3
    scores = np.round(rng.normal(size=(90, 3)) + 0.3 * positive[:, None], 1)
    within = stats.stratified_auroc(scores, positive, np.zeros(90, int))
    p = stats.association(scores, positive, np.zeros(90, int), [np.arange(90)])
    expected = mannwhitneyu(
        scores[positive], scores[~positive], alternative="greater", axis=0, use_continuity=False, method="asymptotic"
    )
    np.testing.assert_allclose(within, stats.auroc(scores, positive))
    np.testing.assert_allclose(p, expected.pvalue, atol=0.02)  # its variance is estimated, and its tails are t


def test_a_third_key_that_says_the_same_changes_nothing_and_one_that_joins_more_does() -> None:
    rng = np.random.default_rng(3)
    subject, relation = np.repeat(np.arange(30), 4), np.tile(np.arange(12), 10)
    positive = rng.random(120) < 0.4
    scores = rng.normal(size=(30, 2))[subject] + positive[:, None]
    stratum = np.zeros(120, int)
    two = stats.association(scores, positive, stratum, [subject, relation])
    np.testing.assert_allclose(stats.association(scores, positive, stratum, [subject, relation, subject]), two)
    pairs = subject // 2
    joined = stats.association(scores, positive, stratum, [np.arange(120), relation, pairs])
    assert (joined >= stats.association(scores, positive, stratum, [pairs]) - 1e-12).all()


def test_an_auroc_of_scores_that_are_not_known_has_no_interval() -> None:
    scores, positive = np.random.default_rng(4).normal(size=(40, 2)), np.arange(40) % 2 == 0
    scores[3, 1] = np.nan
    low, high = stats.auroc_interval(scores, positive)
    assert np.isnan([low[1], high[1]]).all() and 0 < low[0] < high[0] < 1


def test_the_difference_of_two_areas_of_the_same_rows_is_covered_as_often_as_said() -> None:
    rng, covered, narrower = np.random.default_rng(5), [], []
    shared = rng.normal(size=(400, 120))
    positive = np.arange(120) < 40
    truth = 0.0
    for common in shared:  # two scores that share most of their noise and are equally good
        first, second = (common + 0.5 * rng.normal(size=120) + positive for _ in range(2))
        difference, low, high = stats.auroc_difference(first, second, positive)
        assert difference == pytest.approx(float(stats.auroc(first, positive) - stats.auroc(second, positive)))
        covered.append(low <= truth <= high)
        ends = stats.auroc_interval(first, positive)
        narrower.append(high - low < float(ends[1] - ends[0]))
    assert 0.92 <= np.mean(covered) <= 0.99
    assert np.mean(narrower) > 0.95  # what both share doesn't count


def test_rows_of_one_subject_count_once_in_a_difference_of_areas() -> None:
    rng = np.random.default_rng(6)
    positive = np.arange(60) % 3 == 0
    first, second = rng.normal(size=(2, 60)) + positive
    alone = stats.auroc_difference(first, second, positive)
    copies = [np.repeat(values, 5) for values in (first, second, positive)]
    assert stats.auroc_difference(*copies, np.repeat(np.arange(60), 5)) == pytest.approx(alone, abs=0.01)
    assert np.isnan(stats.auroc_difference(first, second, np.arange(60) < 5)[1])
    assert np.isnan(stats.auroc_difference(positive - 0.5, positive + 1.0, positive)[1])  # both perfect


def test_the_prediction_rejection_ratio_is_the_share_of_what_rejection_can_gain() -> None:
    rng = np.random.default_rng(7)
    wrong, risks = rng.random(300) < 0.3, rng.random(300)

    def kept(order: np.ndarray) -> float:  # one at a time, as LM-Polygraph's PredictionRejectionArea
        right = ~wrong[np.argsort(order, kind="stable")]
        return float(np.mean([right[: i + 1].mean() for i in range(len(right))]))

    expected = (kept(risks) - (~wrong).mean()) / (kept(wrong) - (~wrong).mean())
    assert stats.prediction_rejection(risks, wrong) == pytest.approx(expected)
    assert stats.prediction_rejection(wrong.astype(float), wrong) == pytest.approx(1.0)
    assert stats.prediction_rejection(np.zeros(300), wrong) == pytest.approx(0.0)
    assert stats.prediction_rejection(-wrong.astype(float), wrong) < -0.3
    assert np.isnan(stats.prediction_rejection(risks, np.ones(300, bool)))
    order = rng.permutation(300)  # no order among equals
    coarse = np.round(risks, 1)
    assert stats.prediction_rejection(coarse[order], wrong[order]) == pytest.approx(
        stats.prediction_rejection(coarse, wrong)
    )


def test_under_the_null_p_within_strata_is_uniform() -> None:
    rng = np.random.default_rng(2)
    stratum = np.repeat(np.arange(5), 30)
    small = []
    for _ in range(200):
        positive = rng.permutation(150) < 60
        scores = rng.normal(size=(150, 1))
        small.append(stats.association(scores, positive, stratum, [np.arange(150)])[0] < 0.05)
    assert 0.01 <= np.mean(small) <= 0.1

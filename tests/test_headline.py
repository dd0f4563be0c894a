"""The headline risk: chosen and calibrated on answers that it wasn't fitted on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from inspector.detectors.hneurons.arrays import HEADLINE, HeadlineArrays, calibrated
from inspector.detectors.hneurons.frames import EDGES, said_of
from inspector.errors import InputError
from inspector.hallucination.probe.headline import CHOICES, headline
from inspector.hallucination.probe.nested_cv import OUTER, Nested
from inspector.hallucination.probe.splits import Folds, split
from inspector.hallucination.risk import Risks
from inspector.stats import auroc

PLAIN = [name for name in HEADLINE if name != "probe"]


def drawn(seed: int, count: int = 400, **strength: float) -> tuple[dict[str, np.ndarray], Nested, np.ndarray, Folds]:
    """Scores of which each says as much of the label as is asked for; a third of the answers are incorrect."""
    rng = np.random.default_rng(seed)
    made_up = rng.random(count) < 1 / 3
    scores = {name: rng.normal(size=count) + strength.get(name.replace("-", "_"), 0.0) * made_up for name in HEADLINE}
    keys = np.arange(count)[:, None]
    folds = split(keys, made_up, OUTER, seed)
    inner = np.where([folds.fit_on(fold) for fold in range(OUTER)], scores["probe"], np.nan)
    return scores, Nested(scores["probe"], inner, (0,) * OUTER, (1,) * OUTER), made_up, folds


def fitted(seed: int, **strength: float) -> tuple[object, np.ndarray]:
    scores, probe, made_up, folds = drawn(seed, **strength)
    keys = np.arange(len(made_up))[:, None]
    return headline({name: scores[name] for name in PLAIN}, probe, made_up, keys, folds, seed), made_up


def test_the_score_that_says_most_is_chosen_alone_or_with_others() -> None:
    found, made_up = fitted(0, entropy=2.0)
    assert "entropy" in CHOICES[found.chosen]
    assert auroc(found.odds, made_up) > 0.85
    weight = dict(zip(HEADLINE, found.fit.weight, strict=True))
    assert weight["entropy"] == max(weight.values())
    several, made_up = fitted(1, entropy=1.0, logprob=1.0, probe=1.0)
    assert several.chosen == "all together"


@pytest.mark.slow
def test_labels_that_say_nothing_give_no_headline() -> None:
    areas = [float(auroc(found.odds, made_up)) for found, made_up in (fitted(seed) for seed in range(12))]
    assert abs(np.mean(areas) - 0.5) < 0.04


def test_each_fold_is_predicted_by_a_logistic_regression_on_the_others() -> None:
    scores, probe, made_up, folds = drawn(3, entropy=3.0)
    keys = np.arange(len(made_up))[:, None]
    found = headline({name: scores[name] for name in PLAIN}, probe, made_up, keys, folds, 3)
    for fold in range(OUTER):
        rows, held = folds.fit_on(fold), folds.held_out(fold)
        order = []
        for names in CHOICES.values():
            x = np.stack([scores[name] for name in HEADLINE if name in names], axis=1)
            x = (x - x[rows].mean(axis=0)) / x[rows].std(axis=0)
            model = LogisticRegression(max_iter=500).fit(x[rows], made_up[rows])
            order.append(np.array_equal(model.decision_function(x[held]).argsort(), found.odds[held].argsort()))
        assert any(order)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=30), st.floats(0.01, 9), st.floats(0.01, 9), st.floats(-5, 5))
def test_calibration_keeps_the_order_and_1_1_0_changes_nothing(z: list[float], a: float, b: float, c: float) -> None:
    odds = np.array(sorted(z))
    assert (np.diff(calibrated(odds, np.array([a, b, c]))) >= 0).all()
    assert calibrated(odds, np.array([1.0, 1.0, 0.0])) == pytest.approx(odds, abs=1e-12)


def test_risks_have_the_answers_own_share_of_incorrect_ones_or_the_one_that_is_named() -> None:
    scores, probe, made_up, folds = drawn(4, entropy=1.5)
    keys = np.arange(len(made_up))[:, None]
    found = headline({name: scores[name] for name in PLAIN}, probe, made_up, keys, folds, 4)
    columns = np.stack([scores[name] for name in HEADLINE], axis=1)
    risks = Risks(found.fit, columns)
    assert risks.risk(columns).mean() == pytest.approx(made_up.mean(), abs=0.02)
    moved = logit(risks.risk(columns, 0.9)) - logit(risks.risk(columns))
    assert moved == pytest.approx(np.full(len(moved), logit(0.9) - logit(made_up.mean())))
    for wrong in (0.0, 1.0, -1.0, 7.0):
        with pytest.raises(InputError, match="Use a share of incorrect answers between 0 and 1"):
            risks.risk(columns, wrong)


def test_a_score_s_percentile_counts_the_answers_that_look_less_risky() -> None:
    one = np.ones(len(HEADLINE))
    fit = HeadlineArrays(
        np.array([0.0, 2.0, 0.0, 0.0, 0.0]), 0 * one, one, np.zeros(1), np.array([1.0, 1.0, 0.0]), np.full(1, 0.5)
    )
    own = np.tile(np.array([[1.0], [2.0], [3.0], [4.0]]), (1, len(HEADLINE)))
    table = Risks(fit, own).beside(np.full(len(HEADLINE), 3.0)).set_index("score")
    percentiles = {"probe": 62.5, "entropy": 62.5, "length": 62.5, "logprob": 37.5, "self-certainty": 37.5}
    assert table["percentile"].to_dict() == percentiles  # a low log-probability is the risky one
    assert table["term"].to_dict() == {name: 6.0 if name == "entropy" else 0.0 for name in HEADLINE}
    assert table.index[table["in_headline"]].tolist() == ["entropy"]


def test_the_reliability_table_speaks() -> None:
    table = pd.DataFrame({"low": EDGES[:-1], "high": EDGES[1:], "n": [3, 0, 5, 6, 242], "wrong": [0, 0, 2, 3, 217]})
    assert said_of(table, 0.97) == said_of(table, 1.0)
    assert said_of(table, 0.97) == "Of the study's 242 answers with a risk of 0.8 to 1.0, 217 were incorrect."
    assert said_of(table, 0.2) == "None of the study's answers had a risk of 0.2 to 0.4."


def test_odds_are_as_if_both_kinds_were_equally_many() -> None:
    found, made_up = fitted(5, entropy=1.5)
    at_base = expit(found.odds + logit(made_up.mean()))
    assert at_base.mean() == pytest.approx(made_up.mean(), abs=0.03)

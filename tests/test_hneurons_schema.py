"""A study's arrays by group: what is written is read, and what earlier runs hold reads as before."""

from dataclasses import replace

import numpy as np
import pandas as pd

from inspector.detectors.hneurons import schema
from inspector.detectors.hneurons.arrays import ProbeArrays, Scores, Transfer, as_facts, axes_of, transfers_of
from inspector.detectors.hneurons.frames import transfers
from inspector.hallucination.probe.lasso import Fit
from inspector.hallucination.probe.probe import Probe
from inspector.records import Evidence

ONE = Transfer("others", "capital", 30, 21, 0.7, 0.6, 0.8, 0.65)
TWO = Transfer("mine", "yours", 40, 50, 0.5, 0.4, 0.6, 0.55)


def evidence(facts: dict[str, object]) -> Evidence:
    return Evidence("hneurons", {"text": np.arange(1)}, {"text": ("text",)}, {"text": "text"}, facts)


def test_a_group_is_saved_under_its_prefix_and_read_again() -> None:
    names = ("stability", "auroc", "low", "high", "within", "p", "q")
    tested = schema.Tested(*(np.full(2, float(n)) for n in range(7)))
    assert list(tested.arrays()) == [f"tested_{name}" for name in names]
    again = schema.Tested.of({**tested.arrays(), "tokens": np.zeros(3)})
    assert all((getattr(again, name) == getattr(tested, name)).all() for name in names)


def test_a_probe_is_read_as_it_was_saved() -> None:
    fit = Fit(np.array([3, 5]), np.array([0.5, -0.25]), np.array([0.1, 0.2]), np.array([1.0, 2.0]), 0.75)
    probe = Probe.of(fit, (2, 5), 4)
    arrays = probe.arrays()
    assert set(arrays) == {f"probe_{n}" for n in ("layer", "neuron", "column", "weight", "mean", "scale", "bias")}
    again = Probe.read(arrays)
    assert (again.neurons == probe.neurons).all() and again.fit.bias == 0.75
    assert ProbeArrays.of(arrays).layer.tolist() == [2, 5] and ProbeArrays.of(arrays).neuron.tolist() == [3, 1]


def test_transfers_have_names_and_those_of_earlier_runs_get_them() -> None:
    assert transfers_of(as_facts([ONE, TWO])) == (ONE, TWO)
    earlier = {"transfers": [list(vars(ONE).values()), list(vars(TWO).values())]}
    assert transfers_of(earlier) == (ONE, TWO)
    both = (as_facts([ONE, TWO]), earlier)
    frames = [transfers(evidence(facts)) for facts in both]
    pd.testing.assert_frame_equal(*frames)
    assert list(frames[0].columns) == ["source", "target", "right", "wrong", "auroc", "low", "high", "logprob"]
    mixed = {"transfers": [*earlier["transfers"], *as_facts([replace(ONE, source="x")])["transfers"]]}
    assert [one.source for one in transfers_of(mixed)] == ["others", "mine", "x"]


def test_axes_follow_from_the_group() -> None:
    assert axes_of("probe_weight") == axes_of("tested_p") == ("candidate",)
    assert axes_of("score_auroc") == ("predictor",) and axes_of("probe_bias") == ("one",)
    assert axes_of("risk") == ("text",) and axes_of("odds") == ("predictor", "text")
    assert len(Scores.__dataclass_fields__) == 9

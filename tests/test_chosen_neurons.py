"""Measuring the neurons that a probe has, and no others, gives what measuring all of them gives, to the bit."""

import numpy as np
import pytest
from fixtures_tiny import loaded, with_words

from inspector.hallucination.answers.cett import Uncertainty, _Matrices
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.questions.prompts import Form

NEURONS = np.array([[2, 7], [0, 3], [2, 0], [0, 60]])


def test_chosen_neurons_are_the_columns_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    meter = Meter(model, Form("few-shot", (("who ?", "me"),)))
    fed = meter.feed([f"what is {n} of it ?" for n in range(40)], [(9, 8, 7)[: 1 + n % 3] for n in range(40)])
    everything = meter.measure(fed)
    measured: list[int] = []
    means = _Matrices.means
    monkeypatch.setattr(_Matrices, "means", lambda self, *given: measured.append(given[-1]) or means(self, *given))
    uncertainty = Uncertainty(fed.spans)
    got = meter.contributions_of(NEURONS, fed, [uncertainty])
    np.testing.assert_array_equal(got, everything.answer[:, NEURONS[:, 0], NEURONS[:, 1]])
    assert got.dtype == everything.answer.dtype and set(measured) == {0, 2}
    np.testing.assert_array_equal(uncertainty.logprob, everything.logprob)
    none = meter.contributions_of(NEURONS[:0], fed)
    assert none.shape == (40, 0)

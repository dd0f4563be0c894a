"""Control inputs are measured once for a model, whoever scans it again."""

import numpy as np

from inspector import examine
from inspector.models import Model
from inspector.testing import random_texts

DETECTORS = ["massive", "sinks"]


def test_controls_that_another_scan_measured_are_taken_and_change_nothing(planted: Model) -> None:
    texts, fed = random_texts(2, 16, 20), []
    first = examine(planted, texts[:1], DETECTORS)
    known = {name: one for name, one in first.evidence.items() if name != one.detector}
    assert set(known) == {"sinks.random", "sinks.repeated"}
    again = examine(planted, texts[1:], DETECTORS, controls=known, on_forecast=lambda plan: fed.append(plan.tokens))
    assert fed == [len(again.tokens["id"])]  # the text's own tokens, and no others
    anew = examine(planted, texts[1:], DETECTORS)
    assert anew.evidence.keys() == again.evidence.keys()
    for name, one in anew.evidence.items():
        for key, array in one.arrays.items():
            np.testing.assert_array_equal(array, again.evidence[name][key])

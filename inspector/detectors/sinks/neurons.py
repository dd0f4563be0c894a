"""Sinks at the tokens on which single neurons activate most."""

import numpy as np
import pandas as pd

from inspector.detectors.neurons import Described, NeuronColumns
from inspector.detectors.sinks.thresholds import DEFAULTS
from inspector.records import Evidence


def _sink_heads(evidence: Evidence, described: Described) -> pd.DataFrame:
    """Of each neuron, the share of heads that place more than ε of a text's attention on its top token there.

    The mean over its top tokens; texts too short for a sink rate are left out. NaN without any.
    """
    row_of = {int(text): row for row, text in enumerate(evidence["text"])}
    shortest, shares = evidence.facts["shortest"], []
    for top in described.top:
        places = [(row_of[text], position) for text, position in top if described.lengths[text] >= shortest]
        at_best = [(evidence["best"][row] > DEFAULTS.epsilon, evidence["best_key"][row] == key) for row, key in places]
        shares.append(float(np.mean([(sink & here).mean() for sink, here in at_best])) if places else np.nan)
    return pd.DataFrame({"sink_heads": shares})


COLUMNS = NeuronColumns(_sink_heads, {"sink_heads": "float64"}, these_texts=True)
"""Beside each described neuron."""

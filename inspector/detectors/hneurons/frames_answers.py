"""A study's own answers one by one: every score's percentile, and what each neuron of the probe adds."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from inspector.detectors.hneurons.arrays import ProbeArrays
from inspector.detectors.measured import Measured
from inspector.records import Evidence


def answer_scores(evidence: Evidence, table: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per answer: its id, its risk, and of every predictor its percentile, by fits that never saw the answer.

    The risk is the headline's, or in studies without one the probe's, which is as if incorrect and correct answers
    were equally many. The percentile is the share, in percent, of the study's answers that look less risky by that
    score. Answers that are no example of either kind, such as inconsistent ones, have NaN.
    """
    names = list(evidence.facts["predictors"])
    odds = pd.DataFrame(dict(zip(names, evidence["odds"], strict=True)))
    headline = "headline_base" in evidence.arrays
    shift = logit(evidence["headline_base"][0]) if headline else 0.0
    frame = pd.DataFrame({"id": table["id"], "risk": expit(odds["headline" if headline else "probe"] + shift)})
    return frame.join((odds.rank() - 0.5) / odds.count() * 100)


def terms_of(m: Measured, row: int) -> pd.DataFrame:
    """What each of the probe's neurons adds to the log-odds of one of the study's answers, the largest first.

    Columns: layer, neuron, cett, term. Empty where the run doesn't keep the neurons' contributions.
    """
    if "contributions" not in m.controls:
        return pd.DataFrame(columns=["layer", "neuron", "cett", "term"])
    probe = ProbeArrays.of(m.evidence.arrays)
    answers = m.controls["contributions"]["answer"]
    cett = answers[row].reshape(-1)[probe.column].astype(np.float64)
    term = (cett - probe.mean) / probe.scale * probe.weight
    table = pd.DataFrame({"layer": probe.layer, "neuron": probe.neuron, "cett": cett, "term": term})
    return table.sort_values("term", ascending=False, ignore_index=True)

"""Whether what a run found shows in the texts that effects are measured on: what isn't there can't be tested there."""

from collections.abc import Sequence

import numpy as np

from inspector.batches import TokenSequence, batches
from inspector.detectors.massive.detector import Massive
from inspector.detectors.sinks.detector import Sinks
from inspector.models import Model
from inspector.models.observe import Observer, observe
from inspector.records import Finding
from inspector.run.report import Report
from inspector.run.tables import thresholds
from inspector.verification.massive import Spike
from inspector.verification.text_bench import BATCH_TOKENS

MOSTLY = 0.5
"""Share of the texts in which a spike or a sink must show."""

FAINT = 0.1
"""A spike shows where its dim holds this share of what the run found."""


class Presence:
    """One pass over the texts, untouched.

    Args:
        report: what was found.
        model: the run's.
        rows: the texts as they are fed.
    """

    def __init__(self, report: Report, model: Model, rows: Sequence[TokenSequence]) -> None:
        massive = Massive().reducer(model) if "massive" in report.evidence else None
        sinks = Sinks().reducer(model) if "sinks" in report.evidence else None
        observers: list[Observer] = [one for one in (massive, sinks) if one is not None]
        if observers:
            observe(model, batches(rows, BATCH_TOKENS, model.pad_id), observers)
        self.massive = None if massive is None else massive.evidence()
        self.sinks = None if sinks is None else sinks.evidence()
        self.epsilon = np.nan if sinks is None else thresholds(report, "sinks").epsilon

    def spike(self, spike: Spike) -> bool:
        """Whether the spike shows in most texts, in the layer after which it is changed."""
        if self.massive is None:
            return False
        here = self.massive["dim"][:, spike.first] == spike.dim
        if spike.position is not None:
            here &= self.massive["position"][:, spike.first] == spike.position
        large = np.abs(self.massive["value"][:, spike.first]) >= FAINT * abs(spike.value)
        return bool((here & large).any(axis=1).mean() >= MOSTLY)

    def head(self, head: Finding) -> bool:
        """Whether the head parks more than ε on its key in most texts."""
        if self.sinks is None:
            return False
        received = self.sinks["received"][:, head.layer, head.unit, head.position]
        return bool((received > self.epsilon).mean() >= MOSTLY)

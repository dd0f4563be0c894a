"""From the massive-activation evidence to findings: numpy, no model."""

import numpy as np

from inspector.detectors.agreement import agreed
from inspector.detectors.base import Names
from inspector.detectors.massive.thresholds import Thresholds, cutoffs, flagged, medians, over_median
from inspector.detectors.pooled import is_sampled
from inspector.records import Evidence, Finding
from inspector.stats import mean_interval


def findings(e: Evidence, names: Names, t: Thresholds) -> list[Finding]:
    """NaN and infinity first; then a finding for every layer and dim with a massive entry.

    The score is the ratio: the mean over the texts that have it of their largest |x| in that dim,
    over the layer's median. Of a scan that keeps a sample of its texts it is the mean over those, and of a dim that is
    massive in other texts alone the largest ratio, whose place isn't known.
    """
    found = _nonfinite(e)
    row, layer, _ = where = flagged(e, t)
    median, dim = medians(e), e["dim"][where]
    for at_layer, at_dim in sorted(set(zip(layer.tolist(), dim.tolist(), strict=True))):
        chosen = (layer == at_layer) & (dim == at_dim)
        first = np.unique(row[chosen], return_index=True)[1]  # the largest of each text comes first
        texts = row[chosen][first]
        size = np.abs(e["value"][where][chosen][first])
        ratios = over_median(size, np.full(len(size), median[at_layer]))
        low, high = mean_interval(ratios, e["source"][texts])
        token = agreed(e["token"][where][chosen][first])
        found.append(
            Finding(
                detector="massive",
                kind="massive activation",
                layer=at_layer,
                unit=at_dim,
                position=agreed(e["position"][where][chosen][first]),
                token=None if token is None else names.get(token, f"#{token}"),
                score=float(ratios.mean()),
                low=float(low),
                high=float(high),
                threshold=t.ratio,
            )
        )
    return [*found, *_beyond(e, t, {(one.layer, one.unit) for one in found})]


def _beyond(e: Evidence, t: Thresholds, known: set[tuple[int, int | None]]) -> list[Finding]:
    """What is massive in texts without a row alone: known by the largest |x| of each dim."""
    if not is_sampled(e):
        return []
    size, cut, median = e["dim_max"].astype(np.float64), cutoffs(e, t)[:, None], medians(e)
    ratio, nan = over_median(size, np.broadcast_to(median[:, None], size.shape)), float("nan")
    return [
        Finding(
            detector="massive",
            kind="massive activation",
            layer=layer,
            unit=dim,
            position=None,
            token=None,
            score=float(ratio[layer, dim]),
            low=nan,
            high=nan,
            threshold=t.ratio,
        )
        for layer, dim in np.argwhere((size >= cut) & (size > t.magnitude)).tolist()
        if (layer, dim) not in known
    ]


def _nonfinite(e: Evidence) -> list[Finding]:
    bad = np.nonzero(e["nonfinite"])[0]
    first = e.arrays.get("nonfinite_position")
    nan = float("nan")
    return [
        Finding(
            detector="massive",
            kind="nonfinite",
            layer=int(layer),
            unit=None,
            position=None if first is None else agreed(first[:, layer][first[:, layer] >= 0]),
            token=None,
            score=float(e["nonfinite"][layer]),
            low=nan,
            high=nan,
            threshold=0.0,
            verdict="observed",
        )
        for layer in bad
    ]

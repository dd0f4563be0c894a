"""When a neuron of the probe is a candidate."""

from dataclasses import dataclass

from inspector.detectors.thresholds import threshold


@dataclass(frozen=True)
class Thresholds:
    """Both are defaults of ours; the paper has none."""

    stability: float = threshold(
        0.5,
        "share of bootstrap samples that must choose the neuron with the same sign",
        label="Chosen by at least this share of bootstraps",
        steps=tuple(round(0.05 * i, 2) for i in range(21)),
    )
    q: float = threshold(
        0.05,
        "largest p of the neuron alone on held-out answers, adjusted for all that were tested",
        label="And q below",
        steps=(0.001, 0.01, 0.05, 0.1, 0.2, 1.0),
    )


DEFAULTS = Thresholds()

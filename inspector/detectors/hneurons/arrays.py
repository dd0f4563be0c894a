"""The arrays that a study's evidence holds, group by group: who writes one and who reads it share its class.

A group's arrays are saved under its prefix and a field's name, `probe_weight` for example.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Float, Int

from inspector.alike import Alike
from inspector.printable import brief

LABELS = ("right", "wrong", "mixed", "abstained")
SPLITS = ("fit", "held out", "not used")

G = TypeVar("G", bound="Group")


class Group(Alike):
    """Arrays that are saved together; a frozen dataclass of them."""

    prefix: ClassVar[str]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {brief(', '.join(self.arrays()), 120)}>"

    def arrays(self) -> dict[str, np.ndarray]:
        """By the names they are saved under."""
        return {f"{self.prefix}_{field.name}": getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def of(cls: type[G], arrays: Mapping[str, np.ndarray]) -> G:
        """The group that these arrays, an evidence's, hold."""
        return cls(**{field.name: arrays[f"{cls.prefix}_{field.name}"] for field in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True, repr=False, eq=False)
class ProbeArrays(Group):
    """The final probe's neurons, in the order of its weights.

    Args:
        layer, neuron: where each is.
        column: its place in a flat [layer, neuron] array.
        weight, mean, scale: its standardised weight, and what it is standardised by.
        bias: one number.
    """

    prefix = "probe"

    layer: Int[np.ndarray, " neuron"]
    neuron: Int[np.ndarray, " neuron"]
    column: Int[np.ndarray, " neuron"]
    weight: Float[np.ndarray, " neuron"]
    mean: Float[np.ndarray, " neuron"]
    scale: Float[np.ndarray, " neuron"]
    bias: Float[np.ndarray, " one"]


@dataclass(frozen=True, repr=False, eq=False)
class Tested(Group):
    """The probe's neurons on the held-out answers.

    Args:
        stability: share of bootstrap samples that choose the neuron with the same sign.
        auroc: of the neuron's CETT alone, with its interval.
        within: the same over pairs of answers to one relation, so that knowing what is asked doesn't help.
        p: of `within`, one-sided in the direction of its weight (stratified Mann–Whitney, answers on one subject or
            with an alias in common together).
        q: p adjusted for the neurons whose weight has the same sign (Benjamini–Hochberg).
    """

    prefix = "tested"

    stability: Float[np.ndarray, " neuron"]
    auroc: Float[np.ndarray, " neuron"]
    low: Float[np.ndarray, " neuron"]
    high: Float[np.ndarray, " neuron"]
    within: Float[np.ndarray, " neuron"]
    p: Float[np.ndarray, " neuron"]
    q: Float[np.ndarray, " neuron"]


@dataclass(frozen=True, repr=False, eq=False)
class Elastic(Group):
    """The probe fitted again by an elastic net (half L1, half L2) on the same answers. Earlier runs lack it.

    Args:
        weight: of the probe's neurons in it; 0 where it hasn't chosen them.
        count: how many neurons it has chosen in all.
        auroc, low, high: of its log-odds on the held-out answers, with the interval.
    """

    prefix = "elastic"

    weight: Float[np.ndarray, " neuron"]
    count: Int[np.ndarray, " one"]
    auroc: Float[np.ndarray, " one"]
    low: Float[np.ndarray, " one"]
    high: Float[np.ndarray, " one"]


EXPLAINED = ("length", "entropy", "logprob", "length, entropy and logprob together")
"""What explains a neuron, by its number in `Added.explained`: one score alone, else all together."""


@dataclass(frozen=True, repr=False, eq=False)
class Added(Group):
    """What the probe's neurons add, on the held-out answers, to scores that need no probe. Earlier runs lack it.

    Args:
        p: one-sided in the direction of the weight, beyond the answer's length, the first token's entropy and the mean
            log-probability at once, within relations.
        q: adjusted as `Tested.q` is.
        explained: the one of the three beyond which it adds least, where it doesn't add; see `EXPLAINED`.
    """

    prefix = "added"

    p: Float[np.ndarray, " neuron"]
    q: Float[np.ndarray, " neuron"]
    explained: Int[np.ndarray, " neuron"]


@dataclass(frozen=True, repr=False, eq=False)
class Scores(Group):
    """Each predictor on answers that nothing was fitted on; NaN where a measure says nothing.

    Args:
        auroc, accuracy: with their intervals.
        brier, calibration_error: of its risks.
        n: answers.
    """

    prefix = "score"

    auroc: Float[np.ndarray, " predictor"]
    low: Float[np.ndarray, " predictor"]
    high: Float[np.ndarray, " predictor"]
    accuracy: Float[np.ndarray, " predictor"]
    accuracy_low: Float[np.ndarray, " predictor"]
    accuracy_high: Float[np.ndarray, " predictor"]
    brier: Float[np.ndarray, " predictor"]
    calibration_error: Float[np.ndarray, " predictor"]
    n: Float[np.ndarray, " predictor"]


HEADLINE = ("probe", "entropy", "logprob", "self-certainty", "length")
"""What the headline risk may look at, in the order of its weights: all that one pass over question and answer tells."""


def headline_columns(measured: Mapping[str, np.ndarray]) -> Float[np.ndarray, "row score"]:
    """Scores by name as columns, in the order of `HEADLINE`."""
    return np.stack([np.asarray(measured[name], np.float64) for name in HEADLINE], axis=1)


@dataclass(frozen=True, repr=False, eq=False)
class HeadlineArrays(Group):
    """The headline risk's logistic regression. Earlier runs lack it.

    Args:
        weight, mean, scale: of each of `HEADLINE`, standardised; 0 for one that was not chosen.
        bias: one number.
        calibration: slopes where the risk is low and where it is high, and a shift (`calibrated`).
        base: share of the answers that it was fitted on that are incorrect, which its risks have on average.
    """

    prefix = "headline"

    weight: Float[np.ndarray, " score"]
    mean: Float[np.ndarray, " score"]
    scale: Float[np.ndarray, " score"]
    bias: Float[np.ndarray, " one"]
    calibration: Float[np.ndarray, " calibration"]
    base: Float[np.ndarray, " one"]

    def terms(self, scores: Float[np.ndarray, "row score"]) -> Float[np.ndarray, "row score"]:
        """What each score adds to the log-odds, before they are calibrated, of an answer that is otherwise average."""
        return (scores - self.mean) / self.scale * self.weight

    def log_odds(self, scores: Float[np.ndarray, "row score"]) -> Float[np.ndarray, " row"]:
        """Log-odds that an answer is incorrect, where `base` of all are."""
        return calibrated(self.raw(scores), self.calibration)

    def raw(self, scores: Float[np.ndarray, "row score"]) -> Float[np.ndarray, " row"]:
        """The same before they are calibrated."""
        return self.terms(scores).sum(axis=1) + self.bias[0]


def calibrated(odds: Float[np.ndarray, " row"], by: Float[np.ndarray, " calibration"]) -> Float[np.ndarray, " row"]:
    """Log-odds by Kull, Silva Filho and Flach's beta calibration (2017): b·softplus(z) − a·softplus(−z) + c.

    Args:
        odds: z.
        by: a, b, c; 1, 1, 0 change nothing.
    """
    return by[1] * np.logaddexp(0, odds) - by[0] * np.logaddexp(0, -odds) + by[2]


@dataclass(frozen=True, repr=False, eq=False)
class Curve(Group):
    """AUROC on answers not fitted on, over the number of neurons. Earlier runs lack it.

    Args:
        k: how many neurons.
        auroc: of as many that were chosen in the other folds, with its interval.
        random: of as many random ones, for each draw.
    """

    prefix = "curve"

    k: Int[np.ndarray, " k"]
    auroc: Float[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]
    random: Float[np.ndarray, "draw k"]


@dataclass(frozen=True, repr=False, eq=False)
class Domains(Group):
    """Probes of single domains (relations, or groups), tried on each. Earlier runs lack it.

    Args:
        right, wrong: answers of each domain.
        auroc: of the probe of a source on the answers of a target that share nothing with it, with its interval; on its
            own, in folds. NaN where too few are left.
    """

    prefix = "domain"

    right: Int[np.ndarray, " target"]
    wrong: Int[np.ndarray, " target"]
    auroc: Float[np.ndarray, "source target"]
    low: Float[np.ndarray, "source target"]
    high: Float[np.ndarray, "source target"]


@dataclass(frozen=True)
class Transfer:
    """A probe of some answers, tried on others that share no answer and no subject with them."""

    source: str
    target: str
    right: int
    wrong: int
    auroc: float
    low: float
    high: float
    logprob: float
    """AUROC of the mean log-probability on the same answers, which needs no probe."""


def transfers_of(facts: Mapping[str, Any]) -> tuple[Transfer, ...]:
    """The transfers in an evidence's facts: objects with names, or in earlier runs lists in the order of the fields."""
    return tuple(Transfer(**one) if isinstance(one, Mapping) else Transfer(*one) for one in facts["transfers"])


def as_facts(transfers: Iterable[Transfer]) -> dict[str, Any]:
    """Transfers as facts, from which `transfers_of` makes the same."""
    return {"transfers": [asdict(one) for one in transfers]}


_AXES = {
    "answer": ("text", "layer", "neuron"),
    "odds": ("predictor", "text"),
    "counts": ("agreement", "label"),
    "agreements": ("agreement",),
    "random_auroc": ("draw",),
    "shuffled_auroc": ("draw",),
    **{
        f"{group.prefix}_{field.name}": ("candidate",)
        for group in (ProbeArrays, Tested, Added, Elastic)
        for field in fields(group)
    },
    **{f"{Scores.prefix}_{field.name}": ("predictor",) for field in fields(Scores)},
    **{f"{Curve.prefix}_{field.name}": ("k",) for field in fields(Curve)},
    **{f"{HeadlineArrays.prefix}_{field.name}": ("score",) for field in fields(HeadlineArrays)},
    **{f"{Domains.prefix}_{field.name}": ("source", "target") for field in fields(Domains)},
    **dict.fromkeys(("domain_right", "domain_wrong"), ("target",)),
    **dict.fromkeys(("elastic_count", "elastic_auroc", "elastic_low", "elastic_high"), ("one",)),
    "headline_bias": ("one",),
    "headline_base": ("one",),
    "headline_calibration": ("calibration",),
    "curve_random": ("curve draw", "k"),
    "probe_bias": ("one",),
}


def axes_of(name: str) -> tuple[str, ...]:
    """The axes of one of a study's arrays; those that aren't listed have a row for each answer."""
    return _AXES.get(name, ("text",))

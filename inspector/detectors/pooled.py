"""What evidence keeps of more texts than it has rows for: sums over all of them, and the rows of a sample.

Up to the sample's size every text keeps its row, and nothing here changes anything. Beyond, what a detector names in
`pooled` is summed over all texts and over Poisson resamples of them, and rows stay of the texts with the smallest
hashes of their numbers. Both are the same whichever machine saw which text: values are rounded to a grid on which
float64 adds without error, and the smallest hashes of all are among the smallest of each part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inspector.detectors.base import Judge, attempt
from inspector.detectors.schema import COUNTED, Array
from inspector.records import Combine, Evidence
from inspector.stats import REPLICATES, hashed, poisson_weights, pooled_interval

SAMPLE = 256
"""Texts whose rows are kept of a larger scan."""
FIRST = 8
"""The first texts, which maps and pages begin with, are in every sample."""
TEXTS = "pooled_texts"
"""How many texts were pooled; there once some have no row."""


@dataclass(frozen=True)
class PerText:
    """A value of each text, whose mean over texts is to outlive the texts' rows.

    Args:
        values: `[text, …]`, NaN where a text has none.
        axes: a name for each axis after `text`.
        drawn: whether its mean is to have an interval.
        step: values are rounded to multiples of it, a power of two, so that sums in any order are the same: exactly up
            to 2⁵³ steps.
    """

    values: np.ndarray
    axes: tuple[str, ...] = ()
    drawn: bool = True
    step: float = 2.0**-30


def names(name: str, *, drawn: bool = True) -> tuple[str, ...]:
    """The arrays that a pooled value is kept in: its sum, how many texts had it, and both of each resample."""
    plain = (f"pooled_{name}", f"pooled_{name}_count")
    return (*plain, f"pooled_{name}_draws", f"pooled_{name}_draw_counts") if drawn else plain


def arrays_of(name: str, axes: tuple[str, ...], *, drawn: bool = True) -> dict[str, Array]:
    """What a schema says of a pooled value's arrays, and of the number of texts."""
    made = {one: Array((*(("replicate",) if "_draw" in one else ()), *axes), "number") for one in names(name)}
    return {TEXTS: Array((), **COUNTED, group="pooled")} | {
        one: replace(made[one], group="pooled") for one in names(name, drawn=drawn)
    }


def is_sampled(evidence: Evidence) -> bool:
    """Whether some of the texts that were measured have no row."""
    return TEXTS in evidence.arrays


def texts_in(evidence: Evidence) -> int:
    """How many texts were measured, with rows or without."""
    return int(evidence[TEXTS]) if is_sampled(evidence) else len(evidence["text"])


def note_of(sequences: int, sample: int) -> str:
    """What a reader must know of a scan of more sequences than keep their rows."""
    return f"{sequences:,} sequences were measured, and {OF_ALL}; rows are kept of {sample:,}, {OF_SAMPLE}"


OF_ALL = "all are in sums, rates and their intervals"
OF_SAMPLE = "chosen by a hash of their number, and what is said of single texts, tokens and entries is of these."


def mean_of(evidence: Evidence, name: str) -> np.ndarray:
    """A pooled value's mean over all texts; NaN where none had it."""
    with np.errstate(invalid="ignore"):
        return np.asarray(evidence[f"pooled_{name}"] / evidence[f"pooled_{name}_count"])


def interval_of(evidence: Evidence, name: str, at: Any = ..., *, share: bool) -> tuple[np.ndarray, np.ndarray]:
    """The interval of that mean, from its resamples.

    Args:
        evidence: with the value among its pooled ones.
        name: of the value.
        at: an index into the value's axes.
        share: whether it is a share, from 0 to 1.
    """
    sums, counts = (evidence[one][(slice(None), *_index(at))] for one in names(name)[2:])
    with np.errstate(invalid="ignore"):
        draws = sums / counts
    texts = int(np.max(evidence[f"pooled_{name}_count"], initial=0))
    return pooled_interval(mean_of(evidence, name)[_index(at)], draws, texts, share=share)


def _index(at: Any) -> tuple[Any, ...]:
    return at if isinstance(at, tuple) else (at,)


def ranks(texts: np.ndarray) -> np.ndarray:
    """Where each text stands in the order in which samples are filled: the first ones, then by their hash."""
    return np.where(texts < FIRST, texts.astype(np.uint64), hashed(texts) | np.uint64(FIRST))


def in_sample(texts: np.ndarray, sample: int) -> np.ndarray:
    """Which of these texts a sample of this size has."""
    if len(texts) <= sample:
        return np.ones(len(texts), dtype=bool)
    order = ranks(texts)
    return np.asarray(order <= np.partition(order, sample - 1)[sample - 1])


def pooled(detector: Judge, evidence: Evidence) -> Evidence:
    """The evidence, every row in it, with the sums that stand for texts without a row.

    Raises:
        DetectorError: the detector fails to say what is to be pooled.
    """
    if is_sampled(evidence):
        return evidence
    say = getattr(detector, "pooled", None)
    values: Mapping[str, PerText] = {} if say is None else attempt(detector, "pooled", lambda: dict(say(evidence)))
    weights = poisson_weights(evidence["source"])
    arrays: dict[str, np.ndarray] = {TEXTS: np.array(len(evidence["text"]), dtype=np.int64)}
    axes: dict[str, tuple[str, ...]] = {TEXTS: ()}
    for name, one in values.items():
        arrays |= attempt(detector, f"pooled value '{name}'", lambda: _sums(name, one, weights))  # noqa: B023
        axes |= {key: (*(("replicate",) if "_draw" in key else ()), *one.axes) for key in names(name, drawn=one.drawn)}
    combine: dict[str, Combine] = dict.fromkeys(arrays, "sum")
    return replace(
        evidence,
        arrays={**evidence.arrays, **arrays},
        axes={**evidence.axes, **axes},
        combine={**evidence.combine, **combine},
    )


def _sums(name: str, one: PerText, weights: np.ndarray) -> dict[str, np.ndarray]:
    """A value's sums over texts, as it is and of each resample."""
    shape = one.values.shape[1:]
    flat = one.values.reshape(len(one.values), -1).astype(np.float64)
    present = np.isfinite(flat)
    steps = np.where(present, np.round(flat / one.step) * one.step, 0.0)
    made = [steps.sum(axis=0), present.sum(axis=0)]
    if one.drawn:
        made += [weights @ steps, (weights @ present).astype(np.int64)]
    shapes = [shape, shape, (REPLICATES, *shape), (REPLICATES, *shape)]
    return {
        key: np.asarray(array).reshape(as_)
        for key, array, as_ in zip(names(name, drawn=one.drawn), made, shapes, strict=False)
    }


def joined(detector: Judge, parts: Sequence[Evidence], sample: int | None) -> Evidence:
    """All parts' texts together; beyond the sample's size the sample's rows and the sums of all.

    Sums are added in the order of the parts.

    Args:
        detector: whose evidence it is.
        parts: of different texts.
        sample: how many texts keep their rows; all where None.

    Raises:
        InspectorError: they are of other models, or have a text in common.
        DetectorError: the detector fails to say what is to be pooled.
    """
    rows = sum(len(one["text"]) for one in parts)
    if sample is None or (rows <= sample and not any(map(is_sampled, parts))):
        return parts[0] if len(parts) == 1 else parts[0].merge(*parts[1:])
    if len(parts) == 1 and rows <= sample:
        return parts[0]
    parts = [pooled(detector, one) for one in parts]
    texts = np.concatenate([one["text"] for one in parts])
    chosen = texts[in_sample(texts, sample)]
    first, *others = [_with_rows(one, chosen) for one in parts]
    return first.merge(*others)


def _with_rows(evidence: Evidence, chosen: np.ndarray) -> Evidence:
    kept = np.isin(evidence["text"], chosen)
    return evidence if kept.all() else evidence.of_texts(kept)

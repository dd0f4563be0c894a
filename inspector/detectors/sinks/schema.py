"""What the evidence of attention sinks and its table hold."""

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from inspector.detectors.measured import Measured
from inspector.detectors.pooled import arrays_of
from inspector.detectors.schema import COUNTED, NUMBERED, Array, Column, Schema

EPSILONS = tuple(round(0.05 * i, 2) for i in range(1, 20))
"""The grid of the curve over ε."""
WINDOW = 64
"""T of the sink rate: only the first 64 queries count for it, so that all texts compare; sums are of as many keys."""
EARLY = 4
"""First keys whose received attention is kept for every text."""
_HEADS = ("text", "layer", "head")
_POOLED = ("entropy", "entropy_rest", "self_share", "self_rest")


class Facts(BaseModel):
    """Plain values that the arrays are read by."""

    model_config = ConfigDict(strict=True, extra="allow")

    shortest: Annotated[int, Field(ge=1)]
    epsilons: list[float]

    @field_validator("epsilons")
    @classmethod
    def _grid(cls, epsilons: list[float]) -> list[float]:
        if tuple(round(one, 2) for one in epsilons) != EPSILONS:
            raise ValueError("not the grid of steps of 0.05")
        return epsilons


def _check(m: Measured) -> None:
    """Findings are in heads that the evidence has."""
    best = m.evidence["best_key"]
    attending = set(np.nonzero((best >= 0).any(axis=(0, 2)))[0].tolist())
    for one in m.findings:
        if one.unit is None or one.layer not in attending or one.unit >= best.shape[2]:
            raise ValueError(
                f"a finding of '{m.name}' is in head {one.unit} of layer {one.layer}, which has no evidence"
            )


_EVIDENCE = Schema(
    arrays={
        **{name: Array(("text",), **COUNTED) for name in ("text", "source", "length")},
        "received_sum": Array(("layer", "head", "key")),
        "hits": Array(("layer", "epsilon", "key"), **COUNTED),
        "seen": Array(("layer", "key"), **COUNTED),
        "skipped": Array(("layer",), **COUNTED),
        **{name: Array((*_HEADS, "early"), high=1.01) for name in ("received", "received_full")},
        "best": Array(_HEADS, high=1.01),
        **{name: Array(_HEADS, **NUMBERED) for name in ("best_key", "best_token")},
        **{name: Array(_HEADS) for name in ("entropy", "entropy_rest", "self_share", "self_rest")},
        **{name: Array(_HEADS) for name in ("value_ratio", "best_value_ratio")},
        "sink_mass": Array(_HEADS, low=0, high=1.01, group="sink_mass"),
        **arrays_of("first", ("epsilon",)),
        **arrays_of("received", ("layer", "head", "early")),
        **arrays_of("best", ("layer", "head")),
        **arrays_of("above", ("layer", "head", "early", "epsilon"), drawn=False),
        **arrays_of("received_full", ("layer", "head", "early"), drawn=False),
        **{k: v for name in _POOLED for k, v in arrays_of(name, ("layer", "head"), drawn=False).items()},
    },
    facts=Facts,
    sizes={"epsilon": len(EPSILONS), "key": WINDOW, "early": EARLY},
)

SCHEMA = replace(
    _EVIDENCE,
    controls={"*": _EVIDENCE},
    tables={
        "windows": {
            "kept": Column("text", holds=("nothing", "the first", "4 others"), unique=True),
            **{name: Column("float") for name in ("loss", "change", "change_low", "change_high")},
            "n": Column("int", low=0),
        }
    },
    check=_check,
)

"""What a study's evidence and tables hold: a saved run that doesn't is refused when it is opened."""

from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from inspector.detectors.hneurons.arrays import (
    EXPLAINED,
    HEADLINE,
    LABELS,
    SPLITS,
    Added,
    Curve,
    Domains,
    Elastic,
    Group,
    HeadlineArrays,
    ProbeArrays,
    Scores,
    Tested,
    axes_of,
    transfers_of,
)
from inspector.detectors.measured import Measured
from inspector.detectors.schema import Array, Column, Schema


class TransferFact(BaseModel):
    """A `Transfer` as it is saved; a number that isn't known is null."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source: str
    target: str
    right: int
    wrong: int
    auroc: float | None
    low: float | None
    high: float | None
    logprob: float | None


class BaselineFact(BaseModel):
    """A predictor that needs no neuron, in words. Earlier runs have none."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    formula: str
    source: str
    cost: str
    caveat: str


class Facts(BaseModel):
    """Plain values that a study's arrays are read by."""

    model_config = ConfigDict(strict=True, extra="allow")

    predictors: list[str]
    neurons_by_fold: list[int] = Field(min_length=1)
    agreement: float
    transfers: list[TransferFact | list[Any]]
    baselines: list[BaselineFact] = []
    headline: str = ""
    domains: list[str] = []


def _array(name: str, **limits: Any) -> Array:
    return Array(axes_of(name), **limits)


def _arrays(of: type[Group], **limits: Any) -> dict[str, Array]:
    names = [f"{of.prefix}_{field.name}" for field in fields(of)]  # type: ignore[arg-type]
    return {name: _array(name, kind="number", **limits) for name in names}


def _check(m: Measured) -> None:
    """What goes across arrays, facts and tables."""
    e, tables, name = m.evidence, m.record.tables, m.name
    if "study" not in m.record.settings:
        raise ValueError(f"the settings don't say how the study of '{name}' was made")
    predictors = e.facts["predictors"]
    if len(predictors) != len(e["odds"]) or len(set(predictors)) < len(predictors):
        raise ValueError(f"the predictors of '{name}' are not those of its arrays")
    if not {"probe", "entropy"} <= set(predictors) or {"random", "shuffled"} & set(predictors):
        raise ValueError(f"the predictors of '{name}' lack the probe or the entropy")
    if ("headline" in predictors) != ("headline_base" in e.arrays):
        raise ValueError(f"the headline risk of '{name}' lacks its fit or its odds")
    if not np.isfinite(e["score_auroc"][predictors.index("entropy")]):
        raise ValueError(f"the entropy's AUROC of '{name}' is not known")
    if not len(e["random_auroc"]) or not len(e["shuffled_auroc"]):
        raise ValueError(f"evidence '{name}' has no random or shuffled draws")
    domains = e.facts.get("domains", [])
    if len({*domains}) < len(domains) or e.arrays.get("domain_auroc", np.zeros((0, 0))).shape != (len(domains),) * 2:
        raise ValueError(f"the domains of '{name}' are not those of its arrays")
    if any(isinstance(one, list) for one in e.facts["transfers"]):  # as earlier versions saved them
        for one in transfers_of(e.facts):
            TransferFact.model_validate(vars(one))
    if "answers" not in tables or any(len(column) != len(e["text"]) for column in tables["answers"].values()):
        raise ValueError(f"the table of answers is not that of evidence '{name}'")
    if (held := m.controls.get("contributions")) is not None:
        _, layers, neurons = held["answer"].shape
        place = e["probe_layer"] * neurons + e["probe_neuron"]
        fits = (e["probe_neuron"] < neurons).all() and (e["probe_column"] == place).all() and layers > 0
        if not fits or len(held["text"]) != len(e["text"]):
            raise ValueError(f"the contributions of '{name}' are not those of its answers and probe")
    drawn = tables.get("guard_curve", {}).get("policy", ())
    if "guard" in tables and (len(tables["guard"]["policy"]) or len(drawn)):
        ways = list(zip(tables["guard"]["policy"], tables["guard"]["by"], strict=True))
        if len(set(ways)) < len(ways) or not {("abstain", "probe"), ("abstain", "entropy")} <= set(ways):
            raise ValueError("table 'guard' lacks a policy, or has one twice")


_NUMBER, _TEXT = Column("float"), Column("text")
_INDEX = Column("int", low=0)
_ENDS = ("", "_low", "_high")
_LATER = Column("float", optional=True)

SCHEMA = Schema(
    arrays={
        "text": _array("text", kind="int", low=0),
        "label": _array("label", kind="int", low=0, high=len(LABELS) - 1),
        "split": _array("split", kind="int", low=0, high=len(SPLITS) - 1),
        **{name: _array(name, kind="number") for name in ("risk", "tokens", "entropy", "logprob", "agreeing", "odds")},
        "counts": _array("counts", kind="int", low=0),
        "agreements": _array("agreements"),
        "random_auroc": Array(("random draw",), low=0, high=1, finite=True),
        "shuffled_auroc": Array(("shuffled draw",), low=0, high=1, finite=True),
        **_arrays(ProbeArrays, finite=True),
        "probe_layer": _array("probe_layer", kind="int", low=0, high="layer"),
        **{name: _array(name, kind="int", low=0) for name in ("probe_neuron", "probe_column")},
        **_arrays(Tested, low=0, high=1),
        "tested_stability": _array("tested_stability", finite=True, low=0, high=1),
        **_arrays(Added, low=0, high=1, group="added"),
        "added_explained": _array("added_explained", kind="int", low=0, high=len(EXPLAINED) - 1, group="added"),
        **_arrays(Elastic, low=0, high=1, group="elastic"),
        "elastic_weight": _array("elastic_weight", kind="number", finite=True, group="elastic"),
        "elastic_count": _array("elastic_count", kind="int", low=0, group="elastic"),
        **_arrays(HeadlineArrays, finite=True, group="headline"),
        "headline_base": _array("headline_base", kind="number", finite=True, low=0, high=1, group="headline"),
        "certainty": _array("certainty", kind="number", group="headline"),
        **_arrays(Curve, low=0, high=1, group="curve"),
        "curve_k": _array("curve_k", kind="int", low=1, group="curve"),
        **_arrays(Domains, low=0, high=1, group="domain"),
        **{name: _array(name, kind="int", low=0, group="domain") for name in ("domain_right", "domain_wrong")},
        **_arrays(Scores),
        "score_n": _array("score_n", finite=True, low=0, high=2.0**53),
    },
    facts=Facts,
    sizes={"label": len(LABELS), "one": 1, "score": len(HEADLINE), "calibration": 3},
    controls={
        "contributions": Schema({"text": _array("text", kind="int"), "answer": Array(("text", "layer", "neuron"))})
    },
    tables={
        "answers": {
            **dict.fromkeys(("id", "question", "answer"), _TEXT),
            **{
                name: Column("text", null=True, optional=True)
                for name in ("mark", "accepted", "aliases", "samples", "relation", "subject", "context", "prompt")
            },
        },
        "hneurons.states": {
            **dict.fromkeys(("layer", "neuron", "n"), _INDEX),
            **dict.fromkeys(("fires", "bar", "positive", "mean", "low", "median", "high", "min", "max"), _NUMBER),
            **dict.fromkeys(("norm", "writes", "dim_share", "spike_share", "sink_heads"), _NUMBER),
            "dim": Column("int", null=True, low=-1),
        },
        "hneurons.tokens": {
            **dict.fromkeys(("layer", "neuron", "rank"), _INDEX),
            **dict.fromkeys(("kind", "token", "before", "after"), _TEXT),
            "value": _NUMBER,
            **dict.fromkeys(("text", "position"), Column("int", null=True, low=-1)),
        },
        "alpha": {
            "metric": Column("text", holds=("made_up",)),
            **dict.fromkeys(("alpha", "value", "low", "high", "twin_low", "twin_high"), _NUMBER),
            "n": _INDEX,
        },
        "guard": {
            **dict.fromkeys(("policy", "by"), _TEXT),
            **dict.fromkeys(("coverage", "wrong"), _NUMBER),
            **dict.fromkeys(("accuracy", "wrong_low", "wrong_high", "aurc", "aurc_low", "aurc_high"), _LATER),
            "accuracy_50": _LATER,
            "n": Column("int", low=0, optional=True),
        },
        "guard_curve": {**dict.fromkeys(("policy", "by"), _TEXT), **dict.fromkeys(("coverage", "error"), _NUMBER)},
        "decoding": {
            "member": Column("text", unique=True),
            "n": _INDEX,
            "accuracy": Column("float", finite=True),
            **{f"accuracy{end}": _NUMBER for end in _ENDS[1:]},
            **{
                f"{name}{end}": _NUMBER for name in ("mixed", "risk", "accuracy_change", "risk_change") for end in _ENDS
            },
        },
    },
    check=_check,
)
"""What a study's evidence and tables hold."""

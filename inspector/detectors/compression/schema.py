"""The tables that measurements of compression keep in a run."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from inspector.detectors.schema import Array, Column, Schema

if TYPE_CHECKING:
    from inspector.detectors.measured import Measured

Count = Annotated[int, Field(ge=0, lt=2**53)]

_LOSSES = {name: Column("float") for name in ("loss", "loss_low", "loss_high", "kl", "kl_low", "kl_high")}
_COUNT = Column("int", low=0)

TABLES: dict[str, dict[str, Column]] = {
    "quantisation": {
        "scheme": Column("text"),
        "what": Column("text", words=("all", "layer", "matrix")),
        "layer": Column("float", low=0),
        "part": Column("text"),
        "name": Column("text"),
        **_LOSSES,
    },
    "remedies": {
        "scheme": Column("text"),
        "kind": Column("text"),
        "remedy": Column("text"),
        "spares": Column("text"),
        **_LOSSES,
        **{name: Column("float") for name in ("gain", "gain_low", "gain_high", "control_gain", "p")},
        "controls": _COUNT,
        "verdict": Column("text"),
        **{name: Column("float", low=0, optional=True) for name in ("activation_bits", "weight_bits", "cache_bits")},
    },
    "windowable_heads": {
        **dict.fromkeys(("layer", "head", "kv_head"), _COUNT),
        **{name: Column("float") for name in ("first", "last", "elsewhere")},
        **{name: Column("float") for name in ("keys_90", "keys_95", "keys_99", "top_16", "top_64")},
        "served": Column("bool"),
    },
    "window_tests": {
        "heads": Column("text", words=("chosen", "random", "least elsewhere", "random share")),
        "share": Column("float", low=0, high=1),
        "count": _COUNT,
        "draw": Column("int", low=-1),
        **_LOSSES,
    },
    "evictions": {"rule": Column("text"), "size": _COUNT, **_LOSSES},
    "removals": {
        "what": Column("text", words=("layer", "attention", "mlp", "head")),
        "layer": _COUNT,
        "head": Column("float", low=0),
        "name": Column("text"),
        **_LOSSES,
        **{name: Column("float") for name in ("largest", "sink_rate")},
    },
    "removed_sets": {
        "of": Column("text", words=("neurons", "weights")),
        "by": Column("text"),
        "share": Column("float", low=0, high=1),
        "draw": Column("int", low=-1),
        **_LOSSES,
        **{name: Column("float") for name in ("largest", "sink_rate")},
    },
    "differing_layers": {
        "layer": _COUNT,
        **{name: Column("float") for name in ("relative_error", "low", "high", "cosine", "sqnr", "first_token")},
        "dim": _COUNT,
        "dim_share": Column("float"),
        "lost": _COUNT,
    },
    "differing_predictions": {
        "measure": Column("text", holds=("kl", "changed", "loss"), unique=True),
        **{name: Column("float") for name in ("value", "low", "high")},
        "n": _COUNT,
    },
    "differing_tokens": {
        **dict.fromkeys(("text", "position"), _COUNT),
        **{name: Column("text") for name in ("before", "token", "after", "top_first", "top_second")},
        "kl": Column("float"),
    },
    "differing_findings": {
        "detector": Column("text"),
        "kind": Column("text"),
        "layer": _COUNT,
        **{name: Column("float", low=0) for name in ("unit", "position", "from_position")},
        "change": Column("text", words=("in both", "appeared", "gone", "moved")),
        **{name: Column("float") for name in ("first", "second")},
    },
}
"""Table → its columns."""

PARTS: dict[str, tuple[str, ...]] = {
    "quantisation": ("quantisation", "remedies"),
    "windows": ("windowable_heads", "window_tests", "evictions"),
    "removals": ("removals", "removed_sets"),
    "comparison": ("differing_layers", "differing_predictions", "differing_tokens", "differing_findings"),
}
"""What is measured at once → the tables that are kept of it."""
LATER = frozenset({"differing_findings"})
"""Tables that runs of earlier versions lack."""


class _Facts(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Spikes(_Facts):
    """What a scan called massive, which remedies spare."""

    dims: list[Count]
    neurons: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    tokens: list[Count]
    prefix: list[Count] = []


class Tried(_Facts):
    """Of a scheme."""

    words: str
    spikes: Spikes
    blocks: dict[str, str] = {}


class Windows(_Facts):
    """Of heads under a window."""

    first: Count
    last: Count
    most: float
    p: float | None
    verdict: str


class Removed(_Facts):
    """The unmodified model's numbers."""

    loss: float | None
    largest: float | None
    sink_rate: float | None
    experts_apart: bool = False


class Compared(_Facts):
    """Of another model beside this one."""

    second: str
    said: list[str]


class Facts(_Facts):
    """Plain values beside the tables, by what was measured at once."""

    quantisation: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")], Tried] = {}
    windows: Windows | None = None
    removals: Removed | None = None
    comparison: Compared | None = None


def _check(m: "Measured") -> None:
    """Tables that are measured at once are there together, with their facts."""
    facts = m.evidence.facts
    for part, names in PARTS.items():
        there = [name in m.record.tables for name in names if name not in LATER]
        if any(there) and not (all(there) and facts.get(part)):
            raise ValueError(f"the tables of '{part}' are not all there, or their facts aren't")
    if "quantisation" in m.record.tables:
        parts, remedies = (m.frame(name) for name in PARTS["quantisation"])
        schemes = set(parts.loc[parts["what"] == "all", "scheme"])
        if schemes != set(parts["scheme"]) or schemes != set(facts["quantisation"]):
            raise ValueError("a scheme has no row for all its parts, or no facts")
        if not set(remedies["scheme"]) <= schemes:
            raise ValueError("a remedy is of a scheme that was not tried")
    for name in ("evictions", "windowable_heads"):
        if name in m.record.tables and not len(m.frame(name)):
            raise ValueError(f"table '{name}' is empty")


SCHEMA = Schema(arrays={"texts": Array(("part",), kind="int", low=0)}, facts=Facts, tables=TABLES, check=_check)

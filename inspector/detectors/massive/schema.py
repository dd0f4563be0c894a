"""What the evidence of massive activations and its table hold."""

from typing import Any

from inspector.detectors.schema import Array, Column, Schema
from inspector.stats import HISTOGRAM_BINS

MOST = 2.0**48
"""A count; thousands of them add up in an int64."""

_count: dict[str, Any] = {"kind": "int", "low": 0, "high": MOST}
_id: dict[str, Any] = {"kind": "int", "low": -1}

SCHEMA = Schema(
    arrays={
        **{name: Array(("text",), **_count) for name in ("text", "source", "length")},
        "histogram": Array(("layer", "bin"), **_count),
        "moments": Array(("layer", "power")),
        "dim_max": Array(("layer", "dim")),
        "nonfinite": Array(("layer",), **_count),
        "value": Array(("text", "layer", "entry")),
        "dim": Array(("text", "layer", "entry"), "int", -1, "dim"),
        **{name: Array(("text", "layer", "entry"), **_id) for name in ("position", "token")},
        **{name: Array(("layer", "bin"), group="bins") for name in ("bin_min", "bin_max")},
        "dim_usual": Array(("layer", "dim"), group="dim_usual"),
        "nonfinite_position": Array(("text", "layer"), **_id, group="nonfinite_position"),
        "outliers": Array(("layer", "dim"), **_count, group="normed"),
        "normed_tokens": Array(("layer",), **_count, group="normed"),
        "directions": Array(("layer",), **_count, group="directions"),
        **{name: Array(("layer", "dim"), group="directions") for name in ("spike_direction", "other_direction")},
        "effective_dims": Array(("layer",), group="directions"),
        **{name: Array(("text", "layer", "traced"), group="parts") for name in ("attn", "mlp")},
        "neuron": Array(("text", "layer", "traced", "rank"), **_id, group="neurons"),
        "written": Array(("text", "layer", "traced", "rank"), group="neurons"),
        "input_histogram": Array(("layer", "bin"), **_count, group="input"),
        "input_max": Array(("text", "layer", "input"), group="input"),
        **{name: Array(("text", "layer", "input"), **_id, group="input") for name in ("input_position", "input_token")},
        "map": Array(("text", "layer", "pos"), group="map"),
    },
    sizes={"bin": HISTOGRAM_BINS, "power": 5},
    tables={
        "spike_sink": {
            "done": Column("text", unique=True),
            "largest": Column("float", finite=True),
            **{name: Column("float", high=1e300) for name in ("here", "sink_rate", "loss")},
            "any_sink": Column("float", high=1e300, optional=True),
        }
    },
)

"""What the evidence of massive activations and its table hold."""

from inspector.detectors.pooled import arrays_of
from inspector.detectors.schema import COUNTED, NUMBERED, Array, Column, Schema
from inspector.stats import HISTOGRAM_BINS

SCHEMA = Schema(
    arrays={
        **{name: Array(("text",), **COUNTED) for name in ("text", "source", "length")},
        "histogram": Array(("layer", "bin"), **COUNTED),
        "moments": Array(("layer", "power")),
        "dim_max": Array(("layer", "dim")),
        "nonfinite": Array(("layer",), **COUNTED),
        "value": Array(("text", "layer", "entry")),
        "dim": Array(("text", "layer", "entry"), "int", -1, "dim"),
        **{name: Array(("text", "layer", "entry"), **NUMBERED) for name in ("position", "token")},
        **{name: Array(("layer", "bin"), group="bins") for name in ("bin_min", "bin_max")},
        "dim_usual": Array(("layer", "dim"), group="dim_usual"),
        "nonfinite_position": Array(("text", "layer"), **NUMBERED, group="nonfinite_position"),
        "outliers": Array(("layer", "dim"), **COUNTED, group="normed"),
        "normed_tokens": Array(("layer",), **COUNTED, group="normed"),
        "directions": Array(("layer",), **COUNTED, group="directions"),
        **{name: Array(("layer", "dim"), group="directions") for name in ("spike_direction", "other_direction")},
        "effective_dims": Array(("layer",), group="directions"),
        **{name: Array(("text", "layer", "traced"), group="parts") for name in ("attn", "mlp")},
        "neuron": Array(("text", "layer", "traced", "rank"), **NUMBERED, group="neurons"),
        "written": Array(("text", "layer", "traced", "rank"), group="neurons"),
        "input_histogram": Array(("layer", "bin"), **COUNTED, group="input"),
        "input_max": Array(("text", "layer", "input"), group="input"),
        **{
            name: Array(("text", "layer", "input"), **NUMBERED, group="input")
            for name in ("input_position", "input_token")
        },
        "map": Array(("text", "layer", "pos"), group="map"),
        **arrays_of("peak", ()),
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

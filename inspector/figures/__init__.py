"""From DataFrames to plotly figures. A title says what is seen; axes carry units."""

from inspector.figures.cells import carried_by, dim_over_layers, size_spread, top_dims, writing
from inspector.figures.common import FONT, MASSIVE, MAX_SIDE, NEURON, NEUTRAL, SINK, rounded, token_label
from inspector.figures.comparison import head_difference, heads_by_depth, two_over_depth, two_predictors
from inspector.figures.decoding import decoding_family
from inspector.figures.effects import effect_intervals, over_alpha, risk_coverage, spike_by_sink, window_losses
from inspector.figures.hneurons import neurons, predictors, roc_curves
from inspector.figures.lens import lens_map, settling
from inspector.figures.massive import colour_limits, life_cycle, magnitude_map
from inspector.figures.patterns import attention_pattern
from inspector.figures.sinks import head_keys, head_map, received_by_position, sink_controls, sink_curve, sink_map
from inspector.figures.states import neuron_state

__all__ = [
    "FONT",
    "MASSIVE",
    "MAX_SIDE",
    "NEURON",
    "NEUTRAL",
    "SINK",
    "attention_pattern",
    "carried_by",
    "colour_limits",
    "decoding_family",
    "dim_over_layers",
    "effect_intervals",
    "head_difference",
    "head_keys",
    "head_map",
    "heads_by_depth",
    "lens_map",
    "life_cycle",
    "magnitude_map",
    "neuron_state",
    "neurons",
    "over_alpha",
    "predictors",
    "received_by_position",
    "risk_coverage",
    "roc_curves",
    "rounded",
    "settling",
    "sink_controls",
    "sink_curve",
    "sink_map",
    "size_spread",
    "spike_by_sink",
    "token_label",
    "top_dims",
    "two_over_depth",
    "two_predictors",
    "window_losses",
    "writing",
]

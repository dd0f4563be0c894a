"""The figures that a record has, by name."""

from collections.abc import Callable

import plotly.graph_objects as go

from inspector.figures import (
    decoding_family,
    effect_intervals,
    life_cycle,
    magnitude_map,
    neurons,
    over_alpha,
    predictors,
    received_by_position,
    risk_coverage,
    roc_curves,
    sink_curve,
    sink_map,
    spike_by_sink,
    window_losses,
)
from inspector.records import Record
from inspector.run.tables import frame, names, thresholds

FIGURES: dict[str, tuple[tuple[str, ...], Callable[[Record], go.Figure]]] = {
    "massive.life_cycle": (
        ("massive.layers", "massive.plateaus"),
        lambda r: life_cycle(frame(r, "massive.layers"), frame(r, "massive.plateaus")),
    ),
    "massive.map": (("massive.map",), lambda r: magnitude_map(frame(r, "massive.map"))),
    "sinks.map": (("sinks.heads",), lambda r: sink_map(frame(r, "sinks.heads"), thresholds(r, "sinks").epsilon)),
    "sinks.received": (
        ("sinks.keys",),
        lambda r: received_by_position(frame(r, "sinks.keys"), thresholds(r, "sinks").epsilon),
    ),
    "sinks.curve": (("sinks.curve",), lambda r: sink_curve(frame(r, "sinks.curve"), thresholds(r, "sinks").epsilon)),
    "effects.loss": (("effects",), lambda r: effect_intervals(frame(r, "effects"))),
    "effects.windows": (("windows",), lambda r: window_losses(frame(r, "windows"))),
    "effects.alpha": (("alpha",), lambda r: over_alpha(frame(r, "alpha"))),
    "effects.guard": (
        ("guard", "guard_curve"),
        lambda r: risk_coverage(frame(r, "guard_curve"), frame(r, "guard")),
    ),
    "effects.spike_sink": (("spike_sink",), lambda r: spike_by_sink(frame(r, "spike_sink"))),
    "hneurons.predictors": (("hneurons.scores",), lambda r: predictors(frame(r, "hneurons.scores"))),
    "hneurons.roc": (("hneurons.roc",), lambda r: roc_curves(frame(r, "hneurons.roc"))),
    "hneurons.neurons": (("hneurons.candidates",), lambda r: neurons(frame(r, "hneurons.candidates"))),
    "decoding": (("decoding",), lambda r: decoding_family(frame(r, "decoding"))),
}
"""Figures of a record by name: the frames each needs, and how it is made."""


def figures(record: Record) -> dict[str, go.Figure]:
    """Every figure whose frames this record has and fills."""
    known = set(names(record))
    return {
        name: make(record)
        for name, (needs, make) in FIGURES.items()
        if known.issuperset(needs) and len(frame(record, needs[0]))
    }

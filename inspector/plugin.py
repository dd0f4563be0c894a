"""What a plugin imports, and all that is promised to it: this module's names keep their meaning between releases.

A detector is a class with `name`, `kinds`, `reducer` and `judge` (`Detector`); everything else it can bring is listed
in `Judge`: thresholds, frames, figures, sentences, tables, tiles, a screen, causal trials. Register it in your package:

    [project.entry-points."inspector.detectors"]
    size = "your_package:Size"
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.batches import Batch
    from inspector.detectors.base import Detector, Judge, Names, Reducer
    from inspector.detectors.measured import Measured
    from inspector.detectors.neurons import Described, NeuronColumns
    from inspector.detectors.pooled import PerText
    from inspector.detectors.schema import Array, Column, Schema
    from inspector.detectors.shown import (
        Frame,
        Headline,
        Screen,
        Spares,
        Suggestion,
        Term,
        TextTable,
        Tile,
        token_text,
        verdict_by,
    )
    from inspector.detectors.tally import Tally
    from inspector.detectors.thresholds import Threshold, threshold
    from inspector.detectors.trials import Case, Extras, Planned, Removal, Settings, Trials
    from inspector.errors import InputError, InspectorError
    from inspector.figures.drawing import Drawing, Source
    from inspector.interventions.trial import Trial, once
    from inspector.interventions.values import (
        Intervention,
        Mean,
        ablate_output,
        clamp,
        knock_out_attention,
        mean_ablate,
        scale,
        set_to,
        zero_ablate,
    )
    from inspector.records import Evidence, Finding, Sentence, Verdict
    from inspector.sites import Site

_HOMES = {
    "inspector.batches": ("Batch",),
    "inspector.detectors.base": ("Detector", "Judge", "Names", "Reducer"),
    "inspector.detectors.measured": ("Measured",),
    "inspector.detectors.neurons": ("Described", "NeuronColumns"),
    "inspector.detectors.pooled": ("PerText",),
    "inspector.detectors.schema": ("Array", "Column", "Schema"),
    "inspector.detectors.shown": (
        "Frame",
        "Headline",
        "Screen",
        "Spares",
        "Suggestion",
        "Term",
        "TextTable",
        "Tile",
        "token_text",
        "verdict_by",
    ),
    "inspector.detectors.tally": ("Tally",),
    "inspector.detectors.thresholds": ("Threshold", "threshold"),
    "inspector.detectors.trials": ("Case", "Extras", "Planned", "Removal", "Settings", "Trials"),
    "inspector.errors": ("InputError", "InspectorError"),
    "inspector.figures.drawing": ("Drawing", "Source"),
    "inspector.interventions.trial": ("Trial", "once"),
    "inspector.interventions.values": (
        "Intervention",
        "Mean",
        "ablate_output",
        "clamp",
        "knock_out_attention",
        "mean_ablate",
        "scale",
        "set_to",
        "zero_ablate",
    ),
    "inspector.records": ("Evidence", "Finding", "Sentence", "Verdict"),
    "inspector.sites": ("Site",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Array",
    "Batch",
    "Case",
    "Column",
    "Described",
    "Detector",
    "Drawing",
    "Evidence",
    "Extras",
    "Finding",
    "Frame",
    "Headline",
    "InputError",
    "InspectorError",
    "Intervention",
    "Judge",
    "Mean",
    "Measured",
    "Names",
    "NeuronColumns",
    "PerText",
    "Planned",
    "Reducer",
    "Removal",
    "Schema",
    "Screen",
    "Spares",
    "Sentence",
    "Settings",
    "Site",
    "Source",
    "Suggestion",
    "Tally",
    "Term",
    "TextTable",
    "Threshold",
    "Tile",
    "Trial",
    "Trials",
    "Verdict",
    "ablate_output",
    "clamp",
    "knock_out_attention",
    "mean_ablate",
    "once",
    "scale",
    "set_to",
    "threshold",
    "token_text",
    "verdict_by",
    "zero_ablate",
]


def __getattr__(name: str) -> Any:  # lazily: a saved run is judged by plugins too, and needs no torch
    if name not in _HOME:
        raise AttributeError(f"module 'inspector.plugin' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__

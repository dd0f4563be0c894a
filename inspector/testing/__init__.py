"""For tests, ours and a plugin author's: planted models and the laws that every detector keeps."""

from inspector.testing.laws import assert_same, check_detector, measure
from inspector.testing.planted import (
    TINY,
    TRIGGER,
    PlantedSink,
    PlantedSpike,
    planted_model,
    random_texts,
    tiny_hf,
    tiny_model,
)

__all__ = [
    "TINY",
    "TRIGGER",
    "PlantedSink",
    "PlantedSpike",
    "assert_same",
    "check_detector",
    "measure",
    "planted_model",
    "random_texts",
    "tiny_hf",
    "tiny_model",
]

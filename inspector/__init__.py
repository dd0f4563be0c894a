"""Inspect language models: massive activations, attention sinks, hallucination neurons, and what a plugin finds.

The public names are imported when they are first used, so that `import inspector` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.errors import InspectorError
    from inspector.hallucination.family import compare_decoding
    from inspector.hallucination.guarding import Guard, guard
    from inspector.hallucination.pipeline import study_hallucination
    from inspector.hallucination.study import Study
    from inspector.intervening import intervene
    from inspector.interventions import Intervention
    from inspector.lens import Lens, logit_lens
    from inspector.models import Model, load_model
    from inspector.neurons import NeuronStates, describe_neurons
    from inspector.opening import open_run
    from inspector.report import Report
    from inspector.results import Effect, Evidence, Finding
    from inspector.scan import examine
    from inspector.sites import Site
    from inspector.verifying.verify import verify

_HOMES = {
    "load_model": "inspector.models",
    "Model": "inspector.models",
    "examine": "inspector.scan",
    "Report": "inspector.report",
    "open_run": "inspector.opening",
    "study_hallucination": "inspector.hallucination.pipeline",
    "Study": "inspector.hallucination.study",
    "guard": "inspector.hallucination.guarding",
    "Guard": "inspector.hallucination.guarding",
    "Evidence": "inspector.results",
    "Finding": "inspector.results",
    "Effect": "inspector.results",
    "Site": "inspector.sites",
    "verify": "inspector.verifying.verify",
    "describe_neurons": "inspector.neurons",
    "logit_lens": "inspector.lens",
    "compare_decoding": "inspector.hallucination.family",
    "Lens": "inspector.lens",
    "NeuronStates": "inspector.neurons",
    "intervene": "inspector.intervening",
    "Intervention": "inspector.interventions",
    "InspectorError": "inspector.errors",
}

__all__ = [
    "Effect",
    "Evidence",
    "Finding",
    "Guard",
    "InspectorError",
    "Intervention",
    "Lens",
    "Model",
    "NeuronStates",
    "Report",
    "Site",
    "Study",
    "compare_decoding",
    "describe_neurons",
    "examine",
    "guard",
    "intervene",
    "load_model",
    "logit_lens",
    "open_run",
    "study_hallucination",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inspector' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

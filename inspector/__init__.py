"""Inspect language models: massive activations, attention sinks, hallucination neurons, and what a plugin finds.

The public names are imported when they are first used, so that `import inspector` stays cheap.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inspector import moved

if TYPE_CHECKING:
    from inspector.analyses.logit_lens import Lens, logit_lens
    from inspector.analyses.model_differences import ModelDifferences
    from inspector.analyses.neurons import NeuronStates, describe_neurons
    from inspector.analyses.two_models import compare_models
    from inspector.errors import InspectorError
    from inspector.eviction.heads import WindowableHeads, windowable_heads
    from inspector.eviction.limits import HeavyHitters, Window, evicted
    from inspector.generation.examine import Generated, examine_generated
    from inspector.generation.watch import Watch, watch
    from inspector.hallucination.answers.own import own_answers
    from inspector.hallucination.compare_decoding import compare_decoding
    from inspector.hallucination.context_use import ContextUse, context_use
    from inspector.hallucination.guard import Guard, guard
    from inspector.hallucination.pipeline import study_hallucination
    from inspector.hallucination.study import Study
    from inspector.interventions.apply import intervene
    from inspector.interventions.values import Intervention
    from inspector.models import Entailment, Model, load_model
    from inspector.pruning.removals import Removals, removals
    from inspector.quantisation.apply import Spared, quantised
    from inspector.quantisation.sensitivity import Sensitivity, sensitivity
    from inspector.records import Effect, Evidence, Finding
    from inspector.run.comparison import Comparison, compare
    from inspector.run.merging import merge
    from inspector.run.report import Report, open_run
    from inspector.scan import examine
    from inspector.scan.sweep import Sweep, sweep
    from inspector.sites import Site
    from inspector.verification.one_claim import effect, loss
    from inspector.verification.verify import verify

_HOMES = {
    "load_model": "inspector.models",
    "Model": "inspector.models",
    "Entailment": "inspector.models",
    "examine": "inspector.scan",
    "Report": "inspector.run.report",
    "examine_generated": "inspector.generation.examine",
    "Generated": "inspector.generation.examine",
    "watch": "inspector.generation.watch",
    "Watch": "inspector.generation.watch",
    "sweep": "inspector.scan.sweep",
    "Sweep": "inspector.scan.sweep",
    "open_run": "inspector.run.report",
    "merge": "inspector.run.merging",
    "study_hallucination": "inspector.hallucination.pipeline",
    "Study": "inspector.hallucination.study",
    "own_answers": "inspector.hallucination.answers.own",
    "guard": "inspector.hallucination.guard",
    "Guard": "inspector.hallucination.guard",
    "Evidence": "inspector.records",
    "Finding": "inspector.records",
    "Effect": "inspector.records",
    "Site": "inspector.sites",
    "quantised": "inspector.quantisation.apply",
    "Spared": "inspector.quantisation.apply",
    "sensitivity": "inspector.quantisation.sensitivity",
    "removals": "inspector.pruning.removals",
    "Removals": "inspector.pruning.removals",
    "evicted": "inspector.eviction.limits",
    "Window": "inspector.eviction.limits",
    "HeavyHitters": "inspector.eviction.limits",
    "windowable_heads": "inspector.eviction.heads",
    "WindowableHeads": "inspector.eviction.heads",
    "Sensitivity": "inspector.quantisation.sensitivity",
    "verify": "inspector.verification.verify",
    "effect": "inspector.verification.one_claim",
    "loss": "inspector.verification.one_claim",
    "describe_neurons": "inspector.analyses.neurons",
    "logit_lens": "inspector.analyses.logit_lens",
    "compare_decoding": "inspector.hallucination.compare_decoding",
    "context_use": "inspector.hallucination.context_use",
    "ContextUse": "inspector.hallucination.context_use",
    "compare": "inspector.run.comparison",
    "Comparison": "inspector.run.comparison",
    "compare_models": "inspector.analyses.two_models",
    "ModelDifferences": "inspector.analyses.model_differences",
    "Lens": "inspector.analyses.logit_lens",
    "NeuronStates": "inspector.analyses.neurons",
    "intervene": "inspector.interventions.apply",
    "Intervention": "inspector.interventions.values",
    "InspectorError": "inspector.errors",
}

__all__ = [
    "Comparison",
    "ContextUse",
    "Effect",
    "Entailment",
    "Evidence",
    "Finding",
    "Generated",
    "Guard",
    "HeavyHitters",
    "InspectorError",
    "Intervention",
    "Lens",
    "Model",
    "ModelDifferences",
    "NeuronStates",
    "Removals",
    "Report",
    "Sensitivity",
    "Site",
    "Spared",
    "Study",
    "Sweep",
    "Watch",
    "Window",
    "WindowableHeads",
    "compare",
    "compare_decoding",
    "compare_models",
    "context_use",
    "describe_neurons",
    "effect",
    "evicted",
    "examine",
    "examine_generated",
    "guard",
    "intervene",
    "load_model",
    "logit_lens",
    "loss",
    "merge",
    "open_run",
    "own_answers",
    "quantised",
    "removals",
    "sensitivity",
    "study_hallucination",
    "sweep",
    "verify",
    "watch",
    "windowable_heads",
]


MODULES = ("figures", "interventions", "plugin", "sites", "testing", "texts")
"""Public modules, found by tab completion beside the names."""


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return import_module(f"inspector.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'inspector' has no attribute '{name}'")
    with warnings.catch_warnings():
        # Of a notebook without ipywidgets, whose progress bars are text then; no use to say so on every import.
        warnings.filterwarnings("ignore", "IProgress not found")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted((*__all__, *MODULES))


moved.install()

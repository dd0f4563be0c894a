"""Modules that earlier versions had in other places: the old name works for one release, with a warning."""

import sys
import warnings
from importlib import import_module, util
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "inspector.batching": "inspector.batches",
    "inspector.lens": "inspector.analyses.logit_lens",
    "inspector.neurons": "inspector.analyses.neurons",
    "inspector.observe": "inspector.models.observe",
    "inspector.patterns": "inspector.analyses.attention_pattern",
    "inspector.planting": "inspector.testing",
    "inspector.reference": "inspector.interventions.means",
    "inspector.results": "inspector.records",
    "inspector.intervening": "inspector.interventions.apply",
    "inspector.hallucination.asking": "inspector.hallucination.answers.ask",
    "inspector.hallucination.judging": "inspector.hallucination.grading.graders",
    "inspector.hallucination.public_sets": "inspector.hallucination.questions.public",
    "inspector.hallucination.prompts": "inspector.hallucination.questions.prompts",
}
"""Names that the documentation of earlier versions gave, and what they are called now."""


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """A spec for a module that moved."""
        return util.spec_from_loader(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that took its place."""
        new = MOVED[spec.name]
        warnings.warn(
            f"{spec.name} is now {new}; the old name will be gone in the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        return import_module(new)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it is there already."""


def install() -> None:
    """Let old names be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())

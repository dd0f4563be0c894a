"""What was changed in a model while a run was made, by its settings: interventions, and what compresses it."""

from collections.abc import Mapping
from typing import Any

from inspector.records import operation_words

CHANGES = ("interventions", "compression")
"""The settings that say it."""


def changes_in_words(settings: Mapping[str, Any]) -> str:
    """The changes that a run's settings record, in words; empty where there are none."""
    try:
        return ", ".join(_words(one) for name in CHANGES for one in settings.get(name) or ())
    except (TypeError, KeyError, AttributeError):  # of a later version, or damaged
        return "changes that can't be read here"


def _words(one: Mapping[str, Any]) -> str:
    if "words" in one:
        return str(one["words"])
    units = one.get("units")
    of = "" if units is None else f", {len(units)} units" if len(units) != 1 else f", unit {units[0]}"
    return f"{operation_words(one['op'])} at {one['kind']} {one['layer']}{of}"

"""Detectors on the command line: what is installed, and thresholds as options."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from inspector.cli.options import print_line
from inspector.detectors.base import Judge, installed, load_detectors, load_judges
from inspector.detectors.thresholds import in_force, thresholds_of
from inspector.errors import InputError

Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="DETECTOR.NAME=VALUE",
        help="A threshold; may be repeated. `inspector detectors` lists them with default, range and meaning.",
    ),
]


def parsed_thresholds(given: Sequence[str]) -> dict[str, dict[str, float]]:
    """`DETECTOR.NAME=VALUE`s by detector.

    Raises:
        InputError: one that is not of this form.
    """
    found: dict[str, dict[str, float]] = {}
    for one in given:
        where, _, value = one.partition("=")
        detector, _, name = where.strip().rpartition(".")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not detector or not name or not math.isfinite(number):
            raise InputError(
                f"--threshold is '{one}'. Write DETECTOR.NAME=NUMBER, as `inspector detectors` lists them."
            )
        found.setdefault(detector, {})[name] = number
    return found


def chosen_thresholds(
    names: Sequence[str] | None, presets: Sequence[str], given: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The thresholds of a scan by these detectors, checked before a model is loaded.

    Raises:
        InputError: a detector, preset or threshold that doesn't exist, or a value out of range.
    """
    detectors = {one.name: one for one in load_detectors(names)}
    found: dict[str, dict[str, float]] = {}
    for preset in presets:
        having = {name: getattr(one, "presets", {}).get(preset) for name, one in detectors.items()}
        if not any(having.values()):
            raise InputError(_no_preset(preset, list(detectors)))
        for name, values in having.items():
            found[name] = {**found.get(name, {}), **values} if values else found.get(name, {})
    for name, values in parsed_thresholds(given).items():
        if name not in detectors:
            raise InputError(f"--threshold names '{name}', which is not among the detectors: {', '.join(detectors)}.")
        found[name] = {**found.get(name, {}), **values}
    for name, values in found.items():
        in_force(detectors[name], values)
    return {name: values for name, values in found.items() if values}


def _no_preset(preset: str, names: Sequence[str]) -> str:
    having = [one.name for one in load_judges()[0] if preset in getattr(one, "presets", {})]
    if having:
        return f"--preset {preset} is for {', '.join(having)}, not among the detectors: {', '.join(names)}."
    known = sorted({name for one in load_judges()[0] for name in getattr(one, "presets", {})})
    return f"No preset '{preset}'. There are: {', '.join(known) or 'none'}."


def listed() -> list[dict[str, Any]]:
    """Each installed detector as plain values; `fault` says why one doesn't load."""
    loaded = {one.name: one for one in load_judges()[0]}
    return [
        {
            "name": name,
            "package": entry.dist.name if entry.dist else "unknown",
            "class": entry.value,
            "thresholds": _thresholds(loaded.get(name)),
            "presets": {key: dict(one) for key, one in getattr(loaded.get(name), "presets", {}).items()},
            "fault": None if name in loaded else next(iter(load_judges([name])[1]), None),
        }
        for name, entry in installed().items()
    ]


def _thresholds(judge: Judge | None) -> list[dict[str, Any]]:
    known = () if judge is None else thresholds_of(judge)
    return [{"name": t.name, "default": t.default, "range": t.range, "meaning": t.meaning} for t in known]


def print_listed() -> None:
    """Print the installed detectors with their thresholds to stdout."""
    rows = listed()
    wide = {key: 2 + max((len(row[key]) for row in rows), default=0) for key in ("name", "package")}
    for row in rows:
        print_line(f"{row['name']:<{wide['name']}}{row['package']:<{wide['package']}}{row['class']}")
        if row["fault"]:
            print_line(f"    {row['fault']}")
        for one in row["thresholds"]:
            default = f"{row['name']}.{one['name']}={one['default']:g}"
            print_line(f"    --threshold {default:<28}{one['meaning']} ({one['range']})")
        for preset, values in row["presets"].items():
            said = ", ".join(f"{name}={value:g}" for name, value in values.items())
            print_line(f"    --preset {preset:<31}{said}")

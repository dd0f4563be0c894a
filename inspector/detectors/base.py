"""What a detector is, part by part, and how installed ones are found. Ours come in by this door too."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from inspector.arguments import meant
from inspector.detectors.returned import check_returned
from inspector.errors import DetectorError, InputError, InspectorError, is_out_of_memory
from inspector.records import Evidence, Finding
from inspector.sites import Site

if TYPE_CHECKING:  # nothing here may need torch: a saved run is judged without it
    from inspector.batches import Batch
    from inspector.models import Model

GROUP = "inspector.detectors"

T = TypeVar("T")

Names = Mapping[int, str]
"""Text of the token ids that evidence mentions."""


@runtime_checkable
class Reducer(Protocol):
    """Turns a stream of activations into evidence; the only mutable thing in a scan.

    `kinds` are the kinds of site that it wants to see on this model. `update` is called for each batch
    and site in the order of the forward pass, with `[batch, pos, …]` padded on the right, or with
    one `AttentionBlock` after another for the kind `attention`. It must not write to `x`.

    Optional, found by its name: `bytes_kept(lengths)`, how many bytes its evidence will have of texts with so many
    tokens each. It goes into the forecast of memory; without it nothing is counted.
    """

    kinds: tuple[str, ...]

    def update(self, batch: "Batch", site: Site, x: Any) -> None:
        """Take in one site's activations, or one block of attention."""

    def evidence(self) -> Evidence:
        """The measurements so far."""
        ...

    def merge(self, other: Any) -> None:
        """Take in what another reducer of the same detector measured on other texts."""


@runtime_checkable
class Judge(Protocol):
    """One phenomenon, seen on saved evidence: what a run of it says.

    `judge` is pure: the same evidence and thresholds give the same findings, without a model.

    Everything else is optional, and found by its name. A detector that brings nothing more still has its
    findings, its evidence and a screen of its own. `m` is a `Measured`: the detector's part of a record.

    Names and words:
        title: the phenomenon's name for people; `name` where it is missing.
        accent: its colour, as `#rrggbb`.
        terms: `{word: Term}`, for the glossary.
    Judging:
        thresholds: a frozen dataclass whose fields are made by `threshold(…)`: default, range, meaning.
            `judge` gets one. Options of the command line, sliders and documentation follow from it.
        presets: `{name: {threshold: value}}`, choices of all thresholds that have a name.
    Opening:
        schema: a `Schema`: the arrays of its evidence, its facts, and the columns of its tables. A run that doesn't fit
            is refused when it is opened, so that nothing below meets it. Without one only what all runs share is
            checked.
    Showing:
        frames: `{name: Frame}`, tables; `report.frame("DETECTOR.NAME")` gives them.
        tables: names of the record's own tables that belong to this detector's part.
        sources: those of them that its frames are made from, and which are no frames themselves.
        page: names of the frames on the offline page; all of `frames` where it is missing.
        figures(m): `{name: Drawing}`.
        sentences(m): `Sentence`s.
        notes(m): what to know before trusting a number; asked for once, after a scan.
        text_tables(m): `TextTable`s, for a terminal.
        spares(m): `Spares`, what of the model it would keep in full precision when that is quantised.
        recipe(m): plain values, what to do about it when the model is made smaller.
        tiles(m): `Tile`s, at most two.
        headlines(m): `Headline`s, numbers that two runs are compared by.
        comparison(first, second): `{name: Drawing}` of two runs.
        suggestion(m): a `Suggestion`, the change that the dashboard's form begins with; None where there is none.
        sizes(m, kind, layer): how large each unit of this kind of site is in a layer, to match controls by; or None.
        screen: a `Screen`, where the dashboard's own for every detector isn't enough.
    Measuring, with a model:
        controls(model, seed): `{name: sequences of token ids}`, inputs on which the same is measured for comparison.
        command: the command that measures it, where that isn't a scan of texts.
        pooled(evidence): `{name: PerText}`, values of each text whose means are to be known of all texts where a run
            keeps rows of a sample.
        metrics: `{name: function(evidence) → {text: value}}`, what it measures on texts under an intervention.
        neurons: `NeuronColumns`, what it knows of single neurons, beside what `describe_neurons` says of them.
        trials: a class of `Trials`: how its findings are tested by intervening; or where it is, as "module:name".
        operations: names of the operations (`Trial.op`) that they test.
        report: a class of `Report` for runs of this detector, as "module:name".
    """

    name: str

    def judge(self, evidence: Evidence, names: Names, thresholds: Any) -> Sequence[Finding]:
        """Findings of this evidence under these thresholds."""
        ...


@runtime_checkable
class Detector(Judge, Protocol):
    """A phenomenon that is measured on texts while they stream. `kinds` are the kinds of site it can't do without."""

    kinds: tuple[str, ...]

    def reducer(self, model: "Model") -> Reducer:
        """A reducer for one scan of this model."""
        ...


def installed() -> dict[str, EntryPoint]:
    """Entry points of all installed detectors, by name; none of them is loaded.

    What every package says of itself is read again only where Python's path or a folder on it has changed.
    """
    return dict(_installed(tuple(map(_state, sys.path))))


def _state(place: str) -> tuple[str, int]:
    """A place on Python's path, and when something was last put there or taken away."""
    try:
        return place, os.stat(place or ".").st_mtime_ns
    except OSError:
        return place, 0


@lru_cache(maxsize=1)
def _installed(path: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def load_detectors(wanted: Iterable[str | Detector] | None = None) -> list[Detector]:
    """Detectors by name; objects that are detectors already are taken as they are.

    Without names all that are installed and measure texts; one that fails to load is left out (see `load_judges`).

    Raises:
        InputError: a name that isn't installed or doesn't measure texts, or one asked for that fails to load.
    """
    if isinstance(wanted, str):
        raise InputError(f"Got one string where a list of detectors is needed. Pass ['{wanted}'].")
    if isinstance(wanted, Mapping):
        raise InputError("Got a mapping where a list of detectors is needed. Pass thresholds as thresholds={…}.")
    if wanted is None:
        return [one for one in load_judges()[0] if isinstance(one, Detector)]
    detectors = [_wanted(one) for one in dict.fromkeys(wanted)]
    if not detectors:
        raise InputError(f"No detector was named. Installed: {', '.join(installed()) or 'none'}.")
    return detectors


def _wanted(one: Any) -> Detector:
    if isinstance(one, Detector):
        return _checked(one, one)
    found = installed()
    if isinstance(one, str) and one not in found:
        raise InputError(f"No detector '{one}'.{meant(one, found)}")
    judge = _load(found[one]) if isinstance(one, str) else one
    if command := getattr(judge, "command", None):
        raise InputError(f"Detector '{judge.name}' doesn't scan texts. Run: inspector {command} --out RUN.")
    return _checked(judge, one)


def _checked(judge: Any, given: Any) -> Detector:
    """What was given, if it is a detector whose name can be part of files, frames and options."""
    if not isinstance(judge, Detector):
        raise InputError(f"{type(given).__name__} is not a detector: it lacks name, kinds, reducer or judge.")
    if not NAME.fullmatch(str(judge.name)):
        raise InputError(f"Detector {judge.name!r} can't be called so: {NAME_RULE}. Rename it.")
    return judge


def load_judges(names: Iterable[str] | None = None) -> tuple[list[Judge], list[str]]:
    """What judges and shows evidence under these names (all where None), as far as it is installed and loads.

    Also says, in a sentence each, which failed to load.
    """
    found, loaded, faults = installed(), [], []
    for name in found if names is None else names:
        try:
            loaded += [_load(found[name])] if name in found else []
        except InputError as error:
            faults.append(str(error))
    return loaded, faults


NAME = re.compile(r"[A-Za-z][\w-]{0,63}")
"""What a detector may be called: its name is part of files, frames and options."""
NAME_RULE = "a detector's name has letters, digits, - and _ only, and begins with a letter"

_loaded: dict[EntryPoint, Judge] = {}
_failed: dict[EntryPoint, str] = {}
"""What was loaded, or failed to, once for this process."""


def _load(entry: EntryPoint) -> Judge:
    """The entry point's detector, made once.

    Raises:
        InputError: it fails to load; the message names it and its distribution.
    """
    if entry in _loaded:
        return _loaded[entry]
    if entry in _failed:
        raise InputError(_failed[entry])
    try:
        judge = entry.load()()
        if not isinstance(judge, Judge):
            raise TypeError("it lacks name or judge")
        if judge.name != entry.name:
            raise ValueError(f"its name is {judge.name!r} and its entry point's {entry.name!r}; they must be the same")
        if not NAME.fullmatch(judge.name):
            raise ValueError(NAME_RULE)
    except Exception as error:  # a plugin can fail in any way, and must not take the rest down
        origin = entry.dist.name if entry.dist else "an unknown distribution"
        _failed[entry] = (
            f"Detector '{entry.name}' of {origin} failed to load ({_said(error)}). Update or remove {origin}."
        )
        logging.getLogger(__name__).warning(_failed[entry])
        raise InputError(_failed[entry]) from error
    _loaded[entry] = judge
    return judge


def bytes_kept(reducer: Any, lengths: Sequence[int]) -> int:
    """Bytes that a reducer's evidence will have of texts of these lengths; 0 where it doesn't tell."""
    kept = getattr(reducer, "bytes_kept", None)
    return int(kept(lengths)) if kept is not None else 0


def resolve(where: Any) -> Any:
    """What a detector brings, itself or as "module:name", which is imported only now."""
    if not isinstance(where, str):
        return where
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def origin_of(judge: Judge) -> str:
    """The distribution that a detector comes from, or the module of one that was never installed."""
    entry = installed().get(judge.name)
    return entry.dist.name if entry is not None and entry.dist is not None else type(judge).__module__


def attempt(judge: Judge, part: str, call: Callable[[], T]) -> T:
    """What a part of a detector gives.

    Raises:
        DetectorError: it failed, or gave something of another type; the message names the detector, its
            distribution and the part.
        InspectorError: as it raised it.
    """
    try:
        given = call()
        check_returned(part, given)
        return given
    except InspectorError:
        raise
    except Exception as error:
        if is_out_of_memory(error):  # nobody's fault; whoever runs the pass may try less at once
            raise
        raise failure(judge, part, _said(error)) from error


def failure(judge: Judge, part: str, why: str) -> DetectorError:
    """The error that names a detector, its distribution and the part that failed."""
    origin = origin_of(judge)
    return DetectorError(
        f"Detector '{judge.name}' of {origin} failed in {part} ({why}). Everything else continues without that part. "
        f"Update or remove {origin}."
    )


def _said(error: Exception) -> str:
    """An error on one line."""
    first = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())[:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__

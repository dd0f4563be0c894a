"""What a detector is (`Detector`, `Reducer`), and how installed ones are found."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from inspector.errors import InputError
from inspector.records import Evidence, Finding
from inspector.sites import Site

if TYPE_CHECKING:  # nothing here may need torch: a saved run is judged without it
    from inspector.batches import Batch
    from inspector.models import Model

GROUP = "inspector.detectors"

Names = Mapping[int, str]
"""Text of the token ids that evidence mentions."""


@runtime_checkable
class Reducer(Protocol):
    """Turns a stream of activations into evidence; the only mutable thing in a scan.

    `kinds` are the kinds of site that it wants to see on this model. `update` is called for each batch
    and site in the order of the forward pass, with `[batch, pos, …]` padded on the right, or with
    one `AttentionBlock` after another for the kind `attention`. It must not write to `x`.
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
class Detector(Protocol):
    """One phenomenon: what to measure, and what to make of it.

    `kinds` are the kinds of site it can't do without. `judge` is pure: the same evidence and
    thresholds give the same findings, without a model. Its keyword arguments are the thresholds.

    A detector whose evidence isn't measured on texts names the `command` that gets it; a scan leaves
    it out. A detector may also have `controls(model, seed) → {name: sequences of token ids}`: inputs on
    which the same evidence is measured for comparison.
    """

    name: str
    kinds: tuple[str, ...]

    def reducer(self, model: "Model") -> Reducer:
        """A reducer for one scan of this model."""
        ...

    def judge(self, evidence: Evidence, names: Names, **thresholds: float) -> Sequence[Finding]:
        """Findings of this evidence under these thresholds."""
        ...


def installed() -> dict[str, EntryPoint]:
    """Entry points of all installed detectors, by name; none of them is loaded."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def load_detectors(wanted: Iterable[str | Detector] | None = None) -> list[Detector]:
    """Detectors by name; objects that are detectors already are taken as they are.

    Without names all that are installed and measure texts; one that fails to load is named in a warning, with its
    distribution, and skipped.

    Raises:
        InputError: a name that isn't installed, or one asked for by name that fails to load.
    """
    found = installed()
    if isinstance(wanted, str):
        raise InputError(f"Got one string where a list of detectors is needed. Pass ['{wanted}'].")
    if wanted is None:
        loaded = [_load(entry, strict=False) for entry in found.values()]
        return [one for one in loaded if one is not None and not hasattr(one, "command")]
    detectors: list[Detector] = []
    for name in dict.fromkeys(wanted):
        if isinstance(name, Detector):
            detectors.append(name)
        elif not isinstance(name, str):
            raise InputError(f"{type(name).__name__} is not a detector: it lacks name, kinds, reducer or judge.")
        elif name not in found:
            raise InputError(f"No detector '{name}'. Installed: {', '.join(found) or 'none'}.")
        elif (detector := _load(found[name], strict=True)) is not None:
            detectors.append(detector)
    if not detectors:
        raise InputError(f"No detector was named. Installed: {', '.join(found) or 'none'}.")
    return detectors


def refuse_studies(detectors: Iterable[Detector]) -> None:
    """Refuse detectors whose evidence doesn't come from texts.

    Raises:
        InputError: there is one; it names the command that gets its evidence.
    """
    for detector in detectors:
        if command := getattr(detector, "command", None):
            raise InputError(f"Detector '{detector.name}' doesn't scan texts. Run: inspector {command} --out RUN.")


def _load(entry: EntryPoint, *, strict: bool) -> Detector | None:
    try:
        detector = entry.load()()
        if not isinstance(detector, Detector):
            raise TypeError("it lacks name, kinds, reducer or judge")
        return detector
    except Exception as error:  # a plugin can fail in any way, and must not take the rest down
        origin = entry.dist.name if entry.dist else "an unknown distribution"
        message = f"Detector '{entry.name}' of {origin} failed to load ({error}). Update or remove {origin}."
        if strict:
            raise InputError(message) from error
        logging.getLogger(__name__).warning(message)
        return None

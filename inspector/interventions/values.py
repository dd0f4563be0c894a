"""Interventions as plain values: what to change where in a model's activations; no model is needed here.

`inspector.interventions.apply.intervene` applies them. Layers, units and positions are 0-based; a position
counts a text's own tokens (a prepended BOS among them, padding not), the same in every text of a batch.
"""

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import index
from typing import Any, SupportsFloat, SupportsIndex

from inspector.arguments import takes, takes_fields
from inspector.errors import InputError
from inspector.interventions.operations import OPERATIONS, TENSORS, Indices, Operation, Value, operation
from inspector.printable import counted, kind_of
from inspector.sites import Site

Named = Iterable[SupportsIndex] | None

FEW = 4
"""Numbers that an object's line names one by one."""

KINDS_OF: dict[str, tuple[str, ...]] = {name: one.kinds for name, one in OPERATIONS.items()}
"""Op → the kinds of site that it can be done to."""

UNIT_OF = {**dict.fromkeys(TENSORS, "dim"), "neuron": "neuron", "attention": "head"}
"""Kind of site → what its units are called."""


@dataclass(frozen=True, repr=False)
class Target:
    """Activations at a site: some of its units, or all where None, at some positions, or all where None."""

    site: Site
    units: tuple[int, ...] | None = None
    positions: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.site.kind not in UNIT_OF:
            raise InputError(f"{self.site.kind} can't be a target. Use one of {', '.join(UNIT_OF)}.")
        _set(self, *_place(self.site, self.units, self.positions))

    def __repr__(self) -> str:
        return f"<Target: {_where(self)}>"


@dataclass(frozen=True, repr=False)
class Mean:
    """What a target's units hold on average over reference texts; made by `inspector.interventions.means.means`.

    Args:
        target: what was measured.
        value: a mean per unit; where the target names positions, a row of them per position.
        n: tokens the means are over; where the target names positions, one number per position.
    """

    target: Target
    value: tuple[float, ...] | tuple[tuple[float, ...], ...]
    n: int | tuple[int, ...]

    def __repr__(self) -> str:
        n = self.n if isinstance(self.n, int) else max(self.n)
        return f"<Mean at {_where(self.target)}, over {counted(n, 'token')}>"


@takes_fields
@dataclass(frozen=True, repr=False)
class Intervention:
    """A change of activations, serialisable and checked; `zero_ablate`, `scale` and their like make one.

    Args:
        site: a kind of `KINDS_OF[op]`, and a layer.
        op: what is done to it: the name of one of `OPERATIONS`.
        units: dims, neurons or heads; None is all of the site.
        positions: of the tokens that are changed; for attention knockout, of the keys. None is every position.
            A text that is too short to have a position is left as it is.
        value: see `inspector.interventions.operations.Value`.

    Raises:
        InputError: parts that don't go together, indices below 0 or named twice, numbers that aren't finite.
    """

    site: Site
    op: str
    units: tuple[int, ...] | None = None
    positions: tuple[int, ...] | None = None
    value: Value = None

    def __post_init__(self) -> None:
        _settle(self, self.site, self.op, self.units, self.positions, self.value)

    @property
    def operation(self) -> Operation:
        """What its op does."""
        return OPERATIONS[self.op]

    def __str__(self) -> str:
        return f"{self.operation.words(self.site.kind)} at {self.site.kind} {self.site.layer}"

    def __repr__(self) -> str:
        return f"<Intervention: {in_full(self)}>"


def in_full(one: Intervention) -> str:
    """What is done where, to which units and positions, and with which value."""
    value = "" if one.value is None else f", {_named(one.value, 'value')}"
    return f"{one.operation.words(one.site.kind)} at {_where(one)}{value}"


def _where(at: Target | Intervention) -> str:
    """A site, with its units and positions where they aren't all."""
    units = "" if at.units is None else f", {_named(at.units, UNIT_OF.get(at.site.kind, 'unit'))}"
    positions = "" if at.positions is None else f", {_named(at.positions, 'position')}"
    return f"{at.site.kind} {at.site.layer}{units}{positions}"


def _named(values: Any, one: str) -> str:
    """A few numbers by name; how many there are, where they are many."""
    if not isinstance(values, tuple):
        return f"{one} {values:.4g}"
    if len(values) > FEW or any(isinstance(value, tuple) for value in values):
        return counted(len(values), one)
    said = ", ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
    return f"{one}{'s' if len(values) > 1 else ''} {said}"


@takes
def zero_ablate(site: Site, units: Named = None, positions: Named = None) -> Intervention:
    """Zero ablation: set these units to 0."""
    return _make(site, "zero", units, positions)


@takes
def mean_ablate(mean: Mean) -> Intervention:
    """Mean ablation: set a target's units to their means over reference texts, by position where it names some."""
    return _make(mean.target.site, "mean", mean.target.units, mean.target.positions, mean.value)


@takes
def ablate_output(site: Site, positions: Named = None) -> Intervention:
    """Leave out what attention (`attn_out`) or the MLP (`mlp_out`) of a layer adds to the residual stream."""
    return _make(site, "drop", None, positions)


@takes
def knock_out_attention(layer: int, heads: Named, keys: Iterable[SupportsIndex]) -> Intervention:
    """Attention knockout: let these heads attend as if the keys at these positions were not there.

    The softmax is over the other keys. A query that sees no other key (query 0 where key 0 is taken away) is left as
    it is.
    """
    return _make(Site("attention", layer), "unattend", heads, keys)


@takes
def scale(site: Site, units: Named, factor: SupportsFloat, positions: Named = None) -> Intervention:
    """Multiply these units by a factor; 1.0 changes nothing, to the bit."""
    return _make(site, "scale", units, positions, factor)


@takes
def set_to(
    site: Site, units: Named, value: SupportsFloat | Iterable[SupportsFloat], positions: Named = None
) -> Intervention:
    """Set these units to a number, or each to its own."""
    return _make(site, "set", units, positions, value)


@takes
def clamp(
    site: Site, units: Named, low: SupportsFloat | None, high: SupportsFloat | None, positions: Named = None
) -> Intervention:
    """Keep these units between two bounds; None is no bound."""
    return _make(site, "clamp", units, positions, (low, high))


@takes
def carry(site: Site, units: Iterable[SupportsIndex], positions: Named = None) -> Intervention:
    """Add to each of these units what the first of them holds, which stays: as large a change as zeroing the first."""
    return _make(site, "carry", units, positions)


def zero(site: Site, units: Named = None, positions: Named = None) -> Intervention:
    """The earlier name of `zero_ablate`."""
    _renamed("zero", "zero_ablate")
    return zero_ablate(site, units, positions)


def to_mean(mean: Mean) -> Intervention:
    """The earlier name of `mean_ablate`."""
    _renamed("to_mean", "mean_ablate")
    return mean_ablate(mean)


def drop(site: Site, positions: Named = None) -> Intervention:
    """The earlier name of `ablate_output`."""
    _renamed("drop", "ablate_output")
    return ablate_output(site, positions)


def unattend(layer: int, heads: Named, keys: Iterable[SupportsIndex]) -> Intervention:
    """The earlier name of `knock_out_attention`."""
    _renamed("unattend", "knock_out_attention")
    return knock_out_attention(layer, heads, keys)


def _renamed(old: str, new: str) -> None:
    message = f"'{old}' is now called '{new}', in the same module; the old name goes with the next release."
    warnings.warn(message, DeprecationWarning, stacklevel=3)


def as_json(interventions: Sequence[Intervention]) -> str:
    """Interventions as JSON, from which `from_json` makes the same ones to the last bit."""
    names = ("op", "units", "positions", "value")
    plain = [
        {"kind": one.site.kind, "layer": one.site.layer, **{name: getattr(one, name) for name in names}}
        for one in interventions
    ]
    return json.dumps(plain, allow_nan=False)


def from_json(text: str) -> tuple[Intervention, ...]:
    """The interventions that `as_json` wrote, checked anew; nothing is unpickled.

    Raises:
        InputError: it is not JSON, or an entry is not a proper intervention.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"These interventions are not JSON ({error}). Give what as_json wrote.") from error
    if not isinstance(entries, list):
        raise InputError(f"Interventions are a JSON list, and this is {kind_of(entries)}. Give what as_json wrote.")
    return tuple(_from_plain(number, entry) for number, entry in enumerate(entries))


def _from_plain(number: int, entry: Any) -> Intervention:
    names = {"kind", "layer", "op", "units", "positions", "value"}
    if not isinstance(entry, dict) or entry.keys() != names:
        got = ", ".join(entry) if isinstance(entry, dict) else type(entry).__name__
        raise InputError(f"Intervention {number} has {got or 'nothing'}. It needs exactly {', '.join(sorted(names))}.")
    for name, kind in (("kind", str), ("op", str), ("layer", int)):
        if type(entry[name]) is not kind:
            raise InputError(f"Intervention {number}: {name} is {entry[name]!r:.60}. Use a {kind.__name__}.")
    site = Site(entry["kind"], entry["layer"])
    try:
        return _make(site, entry["op"], entry["units"], entry["positions"], entry["value"])
    except InputError as error:
        raise InputError(f"Intervention {number}: {error}") from error


def _make(site: Site, op: Any, units: Any, positions: Any, value: Any = None) -> Intervention:
    made = object.__new__(Intervention)  # its fields' types are those of what is settled, not of what may be given
    _settle(made, site, op, units, positions, value)
    return made


def _settle(made: Intervention, site: Site, op: Any, units: Any, positions: Any, value: Any) -> None:
    """Give an intervention its fields in plain tuples, ints and floats, whatever sequences and numbers they came as.

    Raises:
        InputError: they are wrong, or don't go together.
    """
    done = operation(op, site.kind)
    site, units, positions = _place(site, units, positions)
    where = f"{done.words(site.kind)} at {site.kind} {site.layer}"
    _set(made, site, op, units, positions, done.check(where, units, positions, value))


def _set(frozen: object, *values: object) -> None:
    for field, value in zip(fields(frozen), values, strict=True):  # type: ignore[arg-type]
        object.__setattr__(frozen, field.name, value)


def _place(site: Site, units: Any, positions: Any) -> tuple[Site, Indices, Indices]:
    (layer,) = _indices("layer", [site.layer])
    return (
        Site(site.kind, layer),
        None if units is None else _indices("units", units),
        None if positions is None else _indices("positions", positions),
    )


def _indices(name: str, given: Any) -> tuple[int, ...]:
    try:
        found = tuple(index(i) for i in given)
    except TypeError as error:
        raise InputError(f"{name}: got {given!r:.60}. Give whole numbers, counted from 0.") from error
    if not found:
        raise InputError(f"{name}: none were named. Name some, or leave them out (None) for all.")
    if min(found) < 0:
        raise InputError(f"{name}: got {min(found)}. They are counted from 0.")
    if len(set(found)) < len(found):
        raise InputError(f"{name}: {max(found, key=found.count)} is named twice. Name each once.")
    return found

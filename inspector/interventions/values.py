"""Interventions as plain values: what to change where in a model's activations; no model is needed here.

`inspector.interventions.apply.intervene` applies them. Layers, units and positions are 0-based; a position
counts a text's own tokens (a BOS that was fed among them, padding not), the same in every text of a batch.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from operator import index
from typing import Any, Literal, SupportsFloat, SupportsIndex

from inspector.errors import InputError
from inspector.sites import Site

Op = Literal["zero", "scale", "set", "mean", "clamp", "drop", "unattend"]

Named = Iterable[SupportsIndex] | None
Indices = tuple[int, ...] | None

Value = float | tuple[float | None, ...] | tuple[tuple[float, ...], ...] | None
"""`scale`: a factor. `set`: a number, or one per unit. `mean`: one per unit, or rows of them, one per
position. `clamp`: (low, high), None where there is no bound. The other ops have no value."""

TENSORS = ("resid_post", "attn_out", "mlp_out", "neuron")
KINDS_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("zero", "scale", "set", "mean", "clamp"), TENSORS),
    "drop": ("attn_out", "mlp_out"),
    "unattend": ("attention",),
}
"""Op → the kinds of site that it can be done to."""

UNIT_OF = {**dict.fromkeys(TENSORS, "dim"), "neuron": "neuron", "attention": "head"}
"""Kind of site → what its units are called."""


@dataclass(frozen=True)
class Target:
    """Activations at a site: some of its units, or all where None, at some positions, or all where None."""

    site: Site
    units: tuple[int, ...] | None = None
    positions: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.site.kind not in UNIT_OF:
            raise InputError(f"{self.site.kind} can't be a target. Use one of {', '.join(UNIT_OF)}.")
        _set(self, *_place(self.site, self.units, self.positions))


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Intervention:
    """A change of activations, serialisable and checked; `zero`, `scale` and their like make one.

    Args:
        site: a kind of `KINDS_OF[op]`, and a layer.
        op: what is done to it.
        units: dims, neurons or heads; None is all of the site.
        positions: of the tokens that are changed; for `unattend`, of the keys. None is every position.
            A text that is too short to have a position is left as it is.
        value: see `Value`.

    Raises:
        InputError: parts that don't go together, indices below 0 or named twice, numbers that aren't finite.
    """

    site: Site
    op: Op
    units: tuple[int, ...] | None = None
    positions: tuple[int, ...] | None = None
    value: Value = None

    def __post_init__(self) -> None:
        _set(self, *_settled(self.site, self.op, self.units, self.positions, self.value))

    def __str__(self) -> str:
        return f"{self.op} at {self.site.kind} {self.site.layer}"


def zero(site: Site, units: Named = None, positions: Named = None) -> Intervention:
    """Set these units to 0."""
    return _make(site, "zero", units, positions)


def scale(site: Site, units: Named, factor: SupportsFloat, positions: Named = None) -> Intervention:
    """Multiply these units by a factor; 1.0 changes nothing, to the bit."""
    return _make(site, "scale", units, positions, factor)


def set_to(
    site: Site, units: Named, value: SupportsFloat | Iterable[SupportsFloat], positions: Named = None
) -> Intervention:
    """Set these units to a number, or each to its own."""
    return _make(site, "set", units, positions, value)


def to_mean(mean: Mean) -> Intervention:
    """Set a target's units to their means over reference texts, position by position where it names some."""
    return _make(mean.target.site, "mean", mean.target.units, mean.target.positions, mean.value)


def clamp(
    site: Site, units: Named, low: SupportsFloat | None, high: SupportsFloat | None, positions: Named = None
) -> Intervention:
    """Keep these units between two bounds; None is no bound."""
    return _make(site, "clamp", units, positions, (low, high))


def drop(site: Site, positions: Named = None) -> Intervention:
    """Leave out what attention (`attn_out`) or the MLP (`mlp_out`) of a layer adds to the residual stream."""
    return _make(site, "drop", None, positions)


def unattend(layer: int, heads: Named, keys: Iterable[SupportsIndex]) -> Intervention:
    """Let these heads attend as if the keys at these positions were not there: softmax without them.

    A query that sees no other key (query 0 where key 0 is taken away) is left as it is.
    """
    return _make(Site("attention", layer), "unattend", heads, keys)


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
        raise InputError(
            f"Interventions are a JSON list, and this is a {type(entries).__name__}. Give what as_json wrote."
        )
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
    return Intervention(*_settled(site, op, units, positions, value))


def _set(frozen: object, *values: object) -> None:
    for field, value in zip(fields(frozen), values, strict=True):  # type: ignore[arg-type]
        object.__setattr__(frozen, field.name, value)


def _settled(site: Site, op: Any, units: Any, positions: Any, value: Any) -> tuple[Any, ...]:
    """An intervention's fields in plain tuples, ints and floats, whatever sequences and numbers they came as.

    Raises:
        InputError: they are wrong, or don't go together.
    """
    if op not in KINDS_OF:
        raise InputError(f"No op '{op}'. Use one of {', '.join(KINDS_OF)}.")
    if site.kind not in KINDS_OF[op]:
        raise InputError(f"'{op}' can't be done to {site.kind}. It takes {', '.join(KINDS_OF[op])}.")
    site, units, positions = _place(site, units, positions)
    if op == "drop" and units is not None:
        raise InputError(f"'drop' takes a whole output, and {len(units)} units were named. Use zero for some.")
    if op == "unattend" and positions is None:
        raise InputError("'unattend' without keys would leave nothing to attend to. Name the keys' positions.")
    name = f"{op} at {site.kind} {site.layer}"
    return site, op, units, positions, _value(name, op, value, units, positions)


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


def _value(name: str, op: str, given: Any, units: Indices, positions: Indices) -> Value:
    """The value in plain floats and tuples.

    Raises:
        InputError: it is not what the op needs.
    """
    if op == "scale" or (op == "set" and isinstance(given, Real)):
        return _number(name, given)
    if op == "set":
        return _row(name, given, units)
    if op == "clamp":
        return _bounds(name, given)
    if op == "mean":
        rows = _items(name, given)
        flat = not rows or isinstance(rows[0], Real)
        return _row(name, rows, units) if flat else _table(name, rows, units, positions)
    if given is not None:
        raise InputError(f"{name}: '{op}' takes no value, and got {given!r:.60}. Leave it out.")
    return None


def _table(name: str, rows: tuple[Any, ...], units: Indices, positions: Indices) -> tuple[tuple[float, ...], ...]:
    if positions is None:
        raise InputError(f"{name}: got {len(rows)} rows of means and no positions. Name the rows' positions.")
    table = tuple(_row(name, row, units) for row in _one_each(name, rows, positions, "positions"))
    if len({len(row) for row in table}) > 1:
        raise InputError(f"{name}: its rows of means are not of one length. Give a mean per unit in each.")
    return table


def _bounds(name: str, given: Any) -> tuple[float | None, ...]:
    bounds = _items(name, given)
    if len(bounds) != 2 or bounds == (None, None):
        raise InputError(f"{name}: got {given!r:.60}. Give (low, high), one of which may be None.")
    low, high = (None if bound is None else _number(name, bound) for bound in bounds)
    if low is not None and high is not None and low > high:
        raise InputError(f"{name}: low {low} is above high {high}. Give the lower bound first.")
    return low, high


def _row(name: str, given: Any, units: Indices) -> tuple[float, ...]:
    return tuple(_number(name, number) for number in _one_each(name, _items(name, given), units, "units"))


def _one_each(name: str, items: tuple[Any, ...], named: Indices, what: str) -> tuple[Any, ...]:
    if not items or (named is not None and len(items) != len(named)):
        raise InputError(f"{name}: {len(items)} values for {len(named) if named else 'all'} {what}. Give one for each.")
    return items


def _items(name: str, given: Any) -> tuple[Any, ...]:
    try:
        return tuple(given)
    except TypeError as error:
        raise InputError(f"{name}: got {given!r:.60}. Give a sequence of numbers.") from error


def _number(name: str, given: Any) -> float:
    try:
        number = float(given) if isinstance(given, Real) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{name}: got {given!r:.60}. Give a finite number.")
    return number

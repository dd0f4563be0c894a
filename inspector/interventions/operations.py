"""What can be done to activations, a small class for each operation. To add one is to add a class to `OPERATIONS`.

An operation's `name` is what is stored in JSON and in runs; `words` is what people read. This module needs no torch:
tensors come in by `Operation.change`.
"""

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from inspector.errors import InputError
from inspector.interventions.given import Indices, bounds, flat, items, number, row, table

if TYPE_CHECKING:
    from torch import Tensor

Value = float | tuple[float | None, ...] | tuple[tuple[float, ...], ...] | None
"""`scale`: a factor. `set`: a number, or one per unit. `mean`: one per unit, or rows of them, one per
position. `clamp`: (low, high), None where there is no bound. The other ops have no value."""

Change = Callable[["Tensor", "Tensor | None"], "Tensor"]
"""Called with the units' activations, and with which tokens stand at which of the positions
`[row, token, position]` (None where the intervention names none); gives the changed activations."""

TENSORS = ("resid_post", "attn_out", "mlp_out", "neuron")


class Operation:
    """One thing that can be done to activations `[row, token, unit]`.

    A class says what it is called (`name`, `words`, `done`), what it can be done to (`kinds`), what value it takes
    (`check`, `numbers`, `width`) and what it makes of activations (`apply`). `change` limits that to some positions.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = TENSORS
    units_axis: ClassVar[int] = -1
    by_key: ClassVar[bool] = False
    """Whether positions are those of the keys that are looked at, and not of the tokens that are changed."""

    def words(self, kind: str) -> str:
        """What the field calls it, done to this kind of site."""
        raise NotImplementedError

    def done(self, value: Value) -> str:
        """What became of the units, to be said after them: "zeroed"."""
        raise NotImplementedError

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """The value in plain floats and tuples.

        Raises:
            InputError: it is not what the operation needs, or doesn't go with these units and positions.
        """
        if value is not None:
            raise InputError(f"{where}: it takes no value, and got {value!r:.60}. Leave it out.")
        return None

    def idle(self, value: Value) -> bool:
        """Whether nothing changes, to the bit."""
        return False

    def numbers(self, value: Value) -> list[float]:
        """What the model's dtype must be able to hold."""
        return []

    def width(self, value: Value) -> int | None:
        """How many units the value is for, where it says so."""
        return None

    def apply(self, value: Value) -> Change:
        """What makes new activations of these units at every token."""
        raise NotImplementedError

    def change(self, value: Value) -> Change:
        """What makes new activations of these units at the positions, and leaves other tokens as they are."""
        apply = self.apply(value)

        def at_positions(part: Any, at: Any) -> Any:
            new = apply(part, at)
            return new if at is None else new.where(at.any(dim=-1, keepdim=True), part)

        return at_positions


class Zero(Operation):
    """Zero ablation: units are 0."""

    name = "zero"

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "zero ablation"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return "zeroed"

    def apply(self, value: Value) -> Change:
        """See `Operation`."""
        return lambda part, at: part.new_zeros(part.shape)


class Scale(Operation):
    """Units times a factor."""

    name = "scale"

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "scaling"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return f"× {value:g}"

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """A finite number."""
        return number(where, value)

    def idle(self, value: Value) -> bool:
        """A factor of 1 changes nothing. Registered, it would cost time, and a rounding where a site is rescaled."""
        return value == 1.0

    def apply(self, value: Value) -> Change:
        """See `Operation`."""
        return lambda part, at: part * value


class Set(Operation):
    """Units are a number, or each its own."""

    name = "set"

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "setting"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return f"set to {value:g}" if isinstance(value, float) else "set"

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """A finite number, or one for each unit."""
        return number(where, value) if isinstance(value, Real) else row(where, value, units)

    def numbers(self, value: Value) -> list[float]:
        """See `Operation`."""
        return flat(value)

    def width(self, value: Value) -> int | None:
        """See `Operation`."""
        if not isinstance(value, tuple):
            return None
        return len(value[0]) if isinstance(value[0], tuple) else len(value)

    def apply(self, value: Value) -> Change:
        """See `Operation`."""
        import torch

        given = torch.tensor(value, dtype=torch.float64)

        def to_value(part: Any, at: Any) -> Any:
            new = given.to(part.dtype).to(part.device)
            if new.ndim == 2 and at is not None:
                new = new[at.int().argmax(dim=-1)]
            return new.expand_as(part)

        return to_value


class ToMean(Set):
    """Mean ablation: units are what they are on average over reference texts, by position where some are named."""

    name = "mean"

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "mean ablation"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return "set to its mean"

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """A finite number for each unit, or rows of them, one for each position."""
        rows = items(where, value)
        flat = not rows or isinstance(rows[0], Real)
        return row(where, rows, units) if flat else table(where, rows, units, positions)


class Clamp(Operation):
    """Units are kept between two bounds."""

    name = "clamp"

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "clamping"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return "clamped"

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """Two bounds in order, one of which may be None."""
        return bounds(where, value)

    def numbers(self, value: Value) -> list[float]:
        """See `Operation`."""
        return [bound for bound in flat(value) if bound is not None]

    def apply(self, value: Value) -> Change:
        """See `Operation`."""
        low, high = value  # type: ignore[misc]  # see `check`
        return lambda part, at: part.clamp(low, high)


class Carry(Operation):
    """The first unit's value is added to the others: a change of each, at every token, as large as zeroing the first.

    So a size-matched control is as large as the change it is a control of whatever the sign, the token and the text.
    """

    name = "carry"

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "size-matched change"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return "changed by as much"

    def apply(self, value: Value) -> Change:
        """See `Operation`."""

        def carried(part: Any, at: Any) -> Any:
            new = part + part[..., :1]
            new[..., :1] = part[..., :1]
            return new

        return carried


class Drop(Zero):
    """Ablation of all that attention or the MLP of a layer adds to the residual stream."""

    name = "drop"
    kinds = ("attn_out", "mlp_out")

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "MLP ablation" if kind == "mlp_out" else "attention ablation"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return "ablated"

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """No units and no value."""
        if units is not None:
            raise InputError(
                f"{where}: it takes a whole output, and {len(units)} units were named. Use zero_ablate for some."
            )
        return super().check(where, units, positions, value)


class Unattend(Operation):
    """Attention knockout: heads attend as if the keys at these positions were not there.

    It changes scores `[row, head, query, key]` before the softmax: from there the rest is renormalised, learned sinks
    included. A query that sees no other key is left as it is.
    """

    name = "unattend"
    kinds = ("attention",)
    units_axis = 1
    by_key = True

    def words(self, kind: str) -> str:
        """See `Operation`."""
        return "attention knockout"

    def done(self, value: Value) -> str:
        """See `Operation`."""
        return "with keys masked"

    def check(self, where: str, units: Indices, positions: Indices, value: Any) -> Value:
        """Keys and no value."""
        if positions is None:
            raise InputError(f"{where}: without keys nothing would be masked. Name the keys' positions.")
        return super().check(where, units, positions, value)

    def change(self, value: Value) -> Change:
        """Scores without these keys, in every query that sees another."""
        from torch import finfo

        def masked(part: Any, at: Any) -> Any:
            gone = at.any(dim=-1)[:, None, None, :]
            lowest = finfo(part.dtype).min
            visible = part > lowest / 2  # keys that a query may not see hold the lowest number, or −inf
            return part.masked_fill(gone & (visible & ~gone).any(dim=-1, keepdim=True), lowest)

        return masked


OPERATIONS: dict[str, Operation] = {
    one.name: one for one in (Zero(), Scale(), Set(), ToMean(), Clamp(), Carry(), Drop(), Unattend())
}
"""Every operation by its name, in the order in which messages list them."""


def operation(name: Any, kind: str) -> Operation:
    """The operation of this name.

    Raises:
        InputError: there is none, or it can't be done to this kind of site.
    """
    if name not in OPERATIONS:
        raise InputError(f"No op '{name}'. Use one of {', '.join(OPERATIONS)}.")
    found = OPERATIONS[name]
    if kind not in found.kinds:
        raise InputError(f"'{name}' can't be done to {kind}. It takes {', '.join(found.kinds)}.")
    return found

"""Values of operations as users give them: checked, and made plain floats and tuples.

Each raises InputError, in a line that begins with where it was given.
"""

import math
from numbers import Real
from typing import Any

from inspector.errors import InputError

Indices = tuple[int, ...] | None


def flat(value: Any) -> list[Any]:
    """The numbers of a value, however it is nested."""
    if not isinstance(value, tuple):
        return [value]
    return [one for part in value for one in flat(part)]


def table(where: str, rows: tuple[Any, ...], units: Indices, positions: Indices) -> tuple[tuple[float, ...], ...]:
    """Rows of numbers, one for each position, all of one length."""
    if positions is None:
        raise InputError(f"{where}: got {len(rows)} rows of means and no positions. Name the rows' positions.")
    read = tuple(row(where, given, units) for given in one_each(where, rows, positions, "positions"))
    if len({len(one) for one in read}) > 1:
        raise InputError(f"{where}: its rows of means are not of one length. Give a mean per unit in each.")
    return read


def bounds(where: str, given: Any) -> tuple[float | None, ...]:
    """Two bounds in order, one of which may be None."""
    ends = items(where, given)
    if len(ends) != 2 or ends == (None, None):
        raise InputError(f"{where}: got {given!r:.60}. Give (low, high), one of which may be None.")
    low, high = (None if bound is None else number(where, bound) for bound in ends)
    if low is not None and high is not None and low > high:
        raise InputError(f"{where}: low {low} is above high {high}. Give the lower bound first.")
    return low, high


def row(where: str, given: Any, units: Indices) -> tuple[float, ...]:
    """A number for each unit."""
    return tuple(number(where, one) for one in one_each(where, items(where, given), units, "units"))


def one_each(where: str, given: tuple[Any, ...], named: Indices, what: str) -> tuple[Any, ...]:
    """The items, if there is one for each that was named."""
    if not given or (named is not None and len(given) != len(named)):
        raise InputError(
            f"{where}: {len(given)} values for {len(named) if named else 'all'} {what}. Give one for each."
        )
    return given


def items(where: str, given: Any) -> tuple[Any, ...]:
    """What was given, as a tuple."""
    try:
        return tuple(given)
    except TypeError as error:
        raise InputError(f"{where}: got {given!r:.60}. Give a sequence of numbers.") from error


def number(where: str, given: Any) -> float:
    """What was given, as a finite float."""
    try:
        read = float(given) if isinstance(given, Real) else math.nan
    except OverflowError:
        read = math.inf
    if not math.isfinite(read):
        raise InputError(f"{where}: got {given!r:.60}. Give a finite number.")
    return read

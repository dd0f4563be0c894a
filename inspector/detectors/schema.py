"""What a detector's evidence, facts and tables hold, as it declares it; checked when a run is opened.

A detector that declares a `schema` can trust what its frames, figures and sentences are given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from inspector.records import Evidence

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from inspector.detectors.measured import Measured

WHOLE = 2**53
"""Whole numbers from here on aren't told apart by a float64."""
COUNTED: dict[str, Any] = {"kind": "int", "low": 0, "high": 2.0**48}
"""Limits of an `Array` of counts; thousands of such counts add up in an int64."""
NUMBERED: dict[str, Any] = {"kind": "int", "low": -1}
"""Limits of an `Array` of token ids, positions and other indices, −1 where there is none."""
LONGEST_TEXT = 1 << 20
"""Characters of one cell of a table: more than any token, question or answer has."""
SCANNED_BYTES = 16 << 20
"""The values of larger arrays, which stay on disk, aren't looked at when a run is opened."""


@dataclass(frozen=True)
class Array:
    """An array of evidence.

    Args:
        axes: a name for each axis, by its meaning: over a detector's arrays one name has one length. `text` is the
            evidence's texts, and `layer` the model's layers.
        kind: `float`, `int`, or `number`, which is either.
        low: the smallest value. NaN passes.
        high: the largest, or the axis whose indices the values are.
        finite: whether there is no NaN and no infinity.
        group: arrays of one group are there together, or, in runs that don't measure them, missing together; an empty
            group is never missing.
    """

    axes: tuple[str, ...]
    kind: Literal["float", "int", "number"] = "float"
    low: float | int | None = None
    high: float | int | str | None = None
    finite: bool = False
    group: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        kind: `text`, `int`, `float` (whole numbers are fine) or `bool`.
        null: whether cells can be empty; in `float` they always can.
        low: the smallest value.
        high: the largest.
        words: all that a text can be, where it is one of a few.
        holds: values that are in a row each, where the table has any rows.
        unique: whether no two rows have the same.
        finite: whether there is no NaN and no infinity.
        optional: whether runs of earlier versions lack it.
    """

    kind: Literal["text", "int", "float", "bool"]
    null: bool = False
    low: float | int | None = None
    high: float | int | None = None
    words: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    unique: bool = False
    finite: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Schema:
    """What a detector's part of a record holds.

    Args:
        arrays: of its evidence, by name. Others may be there too.
        facts: a pydantic model of its evidence's facts; None where nothing is read from them.
        sizes: lengths of axes that never change, by the axis' name.
        tables: columns of the record's tables that are its own, by the table's name and the column's.
        controls: the schema of its other evidence, by the name without the detector's; of any that isn't named under
            `*`.
        check: called last with the detector's part; raises ValueError where its values don't go together.
    """

    arrays: Mapping[str, Array] = field(default_factory=dict)
    facts: "type[BaseModel] | None" = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)
    controls: Mapping[str, "Schema"] = field(default_factory=dict)
    check: "Callable[[Measured], None] | None" = None


def check_part(schema: Schema, m: "Measured") -> None:
    """Check a detector's part of a record against its schema.

    Raises:
        ValueError: it doesn't fit; the message says what, in a few words.
    """
    check_evidence(schema, m.name, m.evidence, m.record.card)
    for name, evidence in m.controls.items():
        of = schema.controls.get(name, schema.controls.get("*"))
        if of is not None:
            check_evidence(of, f"{m.name}.{name}", evidence, m.record.card)
    for name, columns in schema.tables.items():
        if name in m.record.tables:
            check_table(name, pd.DataFrame(dict(m.record.tables[name])), columns)
    if schema.check is not None:
        schema.check(m)


def schema_of(detector: Any, name: str) -> Schema | None:
    """What a detector declares of its evidence, or of a control input's ("massive.random"); None where it doesn't."""
    schema: Schema | None = getattr(detector, "schema", None)
    if schema is None or name == detector.name:
        return schema
    return schema.controls.get(name.removeprefix(f"{detector.name}."), schema.controls.get("*"))


def check_evidence(schema: Schema, name: str, evidence: Evidence, card: Mapping[str, Any]) -> None:
    """Check evidence: that its arrays are there, their dtypes, lengths and values, and its facts.

    Raises:
        ValueError: it doesn't fit.
    """
    present = {one.group for array, one in schema.arrays.items() if one.group and array in evidence.arrays}
    sizes = {"layer": int(card["layers"]), **schema.sizes}
    for array, one in schema.arrays.items():
        if array not in evidence.arrays:
            if not one.group or one.group in present:
                raise ValueError(f"evidence '{name}' has no array '{array}'")
            continue
        _check_shape(f"array '{array}' of '{name}'", evidence[array], one, sizes)
    for array, one in schema.arrays.items():
        if array in evidence.arrays:
            _check_values(f"array '{array}' of '{name}'", evidence[array], one, sizes)
    if "text" in evidence.arrays and len(np.unique(evidence["text"])) < len(evidence["text"]):
        raise ValueError(f"array 'text' of '{name}' has a number twice")
    if schema.facts is not None:
        from pydantic import ValidationError  # not needed to measure

        try:
            schema.facts.model_validate(dict(evidence.facts))
        except ValidationError as error:
            raise ValueError(f"facts of evidence '{name}': {complaint(error)}") from error


def _check_shape(what: str, array: np.ndarray, one: Array, sizes: dict[str, int]) -> None:
    """Check an array's dtype, and its shape against the sizes so far, to which its own are added."""
    kinds = {"float": "f", "int": "iu", "number": "fiu"}[one.kind]
    if array.dtype.kind not in kinds:
        raise ValueError(f"{what} has dtype {array.dtype}, not {one.kind}")
    if array.ndim != len(one.axes):
        raise ValueError(f"{what} has {array.ndim} axes, not {', '.join(one.axes)}")
    for axis, length in zip(one.axes, array.shape, strict=True):
        if sizes.setdefault(axis, length) != length:
            raise ValueError(f"{what} has {length} along '{axis}', not {sizes[axis]}")


def _check_values(what: str, array: np.ndarray, one: Array, sizes: Mapping[str, int]) -> None:
    if not array.size or array.nbytes > SCANNED_BYTES:
        return
    if one.finite and not np.isfinite(array).all():
        raise ValueError(f"{what} has values that are not finite")
    if isinstance(one.high, str):
        _check_range(what, array, one.low, sizes[one.high] - 1)
    else:
        _check_range(what, array, one.low, one.high)


def check_table(name: str, table: pd.DataFrame, columns: Mapping[str, Column]) -> None:
    """Check a table: that its columns are there, and what is in them.

    Raises:
        ValueError: it doesn't fit.
    """
    for column, one in columns.items():
        if column in table:
            if len(table):
                _check_column(f"column '{column}' of table '{name}'", table[column], one)
        elif not one.optional:
            raise ValueError(f"table '{name}' has no column '{column}'")


def _check_column(what: str, values: "pd.Series[Any]", one: Column) -> None:
    known = values.dropna()
    if not one.null and one.kind != "float" and len(known) < len(values):
        raise ValueError(f"{what} has empty cells")
    found = pd.api.types.infer_dtype(known, skipna=True)
    fits = {
        "text": ("string", "empty"),
        "bool": ("boolean",),
        "int": ("integer", "floating", "empty"),
        "float": ("integer", "floating", "mixed-integer-float", "empty"),
    }[one.kind]
    if found not in fits or (one.kind == "float" and values.dtype == object):
        raise ValueError(f"{what} is {found}, not {one.kind}")
    if one.kind == "text" and len(known) and known.str.len().max() > LONGEST_TEXT:
        raise ValueError(f"{what} has a text of more than {LONGEST_TEXT:,} characters")
    if one.words and not known.isin(one.words).all():
        raise ValueError(f"{what} has other words than {', '.join(one.words)}")
    if (one.unique and known.duplicated().any()) or not set(one.holds) <= set(known):
        raise ValueError(f"{what} has a value twice, or lacks one of {', '.join(one.holds) or 'none'}")
    if one.kind in ("int", "float"):
        if one.finite and not np.isfinite(values.to_numpy(dtype=np.float64, na_value=np.nan)).all():
            raise ValueError(f"{what} has values that are not finite")
        numbers = known.to_numpy(dtype=np.float64)
        if one.kind == "int" and not ((np.abs(numbers) < WHOLE) & (numbers == np.round(numbers))).all():
            raise ValueError(f"{what} has values that are no whole numbers")
        _check_range(what, numbers, one.low, one.high)


def _check_range(what: str, values: np.ndarray, low: float | int | None, high: float | int | None) -> None:
    with np.errstate(over="ignore"):  # a bound can be beyond what float16 holds
        below, above = (low is not None and (values < low).any()), (high is not None and (values > high).any())
    if below:
        raise ValueError(f"{what} has values below {low:g}")
    if above:
        raise ValueError(f"{what} has values above {high:g}")


def complaint(error: "ValidationError") -> str:
    """The first thing that doesn't fit a pydantic model, where it is and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(key)[:40] for key in first["loc"])
    return f"{place or 'a value'} is not as it should be ({first['msg']})"

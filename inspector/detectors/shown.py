"""What a detector brings to be shown: frames, tables for a terminal, tiles, headlines, terms, a screen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspector.printable import blanks_shown
from inspector.records import Finding

if TYPE_CHECKING:
    from inspector.detectors.measured import Measured


@dataclass(frozen=True)
class Frame:
    """A table that a detector makes of its part of a record.

    Args:
        make: `Measured` → DataFrame.
        present: whether this record can have it.
        verdicts: the verdict of each row's finding, which becomes the column `verdict`; see `verdict_by`.
    """

    make: Callable[["Measured"], pd.DataFrame]
    present: Callable[["Measured"], bool] = lambda m: True
    verdicts: Callable[[pd.DataFrame, Sequence[Finding]], Sequence[str]] | None = None


def verdict_by(layer: str, unit: str) -> Callable[[pd.DataFrame, Sequence[Finding]], Sequence[str]]:
    """Each row has the verdict of the finding at its layer and unit (columns of these names); empty without one."""

    def verdicts(frame: pd.DataFrame, findings: Sequence[Finding]) -> list[str]:
        known: dict[Any, str] = {(one.layer, one.unit): one.verdict for one in findings}
        return [known.get(place, "") for place in zip(frame[layer], frame[unit], strict=True)]

    return verdicts


Cell = str | Callable[[Any], str]
"""How a cell is written: a format string that names columns, or a function of the row (attributes are columns)."""


@dataclass(frozen=True)
class TextTable:
    """A table for a terminal.

    Args:
        title: says what it holds.
        frame: its rows, in the order they are shown.
        columns: header → how its cells are written.
        left: headers of columns that are words; the others are numbers, aligned to the right.
    """

    title: str
    frame: pd.DataFrame
    columns: Mapping[str, Cell]
    left: tuple[str, ...] = ()

    def rows(self) -> list[list[str]]:
        """The cells as text, row by row."""
        names = list(self.frame.columns)
        return [
            [cell(row) if callable(cell) else cell.format(**dict(zip(names, row, strict=True))) for cell in self._cells]
            for row in self.frame.itertuples(index=False)
        ]

    @property
    def _cells(self) -> list[Cell]:
        return list(self.columns.values())


def cells_of(frame: pd.DataFrame, columns: Mapping[str, Cell]) -> dict[str, Cell]:
    """Those of a table's columns whose format strings name what the frame has: earlier runs can lack some."""
    return {header: cell for header, cell in columns.items() if callable(cell) or _named(cell) <= set(frame.columns)}


def _named(cell: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(cell) if name}


def token_text(token: object, longest: int = 14) -> str:
    """A token's text with its blanks shown and nothing that a terminal would obey; `varies` where there is none."""
    if not isinstance(token, str):
        return "varies"
    return blanks_shown(token)[:longest]


@dataclass(frozen=True)
class Tile:
    """One number at a glance, what it is, and what to know of it."""

    what: str
    number: str
    more: str


@dataclass(frozen=True)
class Headline:
    """A number that two runs are compared by; `per_text` has its values for single texts where it is their mean."""

    value: float
    per_text: np.ndarray | None = None


@dataclass(frozen=True)
class Term:
    """A word of the field, what it means, its formula where it has one, and the paper that brought it."""

    name: str
    plain: str
    formula: str = ""
    paper: str = ""


@dataclass(frozen=True)
class Door:
    """A question of the dashboard's start page that leads to a detector's screen, with one field and one button.

    Args:
        asks: the question, as a title.
        label: of the field.
        example: what is in it at first.
        button: what it says.
        of_run: whether it is put to a run that has this detector, as a question that the model answers; else the
            field's text is scanned.
        order: doors with lower numbers come first.
    """

    asks: str
    label: str
    example: str
    button: str = "Look"
    of_run: bool = False
    order: int = 100


@dataclass(frozen=True)
class Screen:
    """A detector's own screen of the dashboard.

    Args:
        lede: under the title, in a sentence.
        show: draws it, given the view of a run; or where that function is, as "module:name". Where None, the
            detector's figures and tables are shown.
        path: its address; the detector's name where empty.
        absent: what to do where a run didn't measure this.
        measured: what of the page of measurements makes it, by its name in the address; nothing where empty.
        order: screens with lower numbers come first.
        door: its question on the start page, if it has one.
    """

    lede: str = ""
    show: Callable[[Any], None] | str | None = None
    path: str = ""
    absent: str = ""
    measured: str = ""
    order: int = 100
    door: Door | None = None


@dataclass(frozen=True)
class Spares:
    """What a detector would keep in full precision when a model is quantised; whether that helps is then tried.

    Args:
        dims: of the residual stream.
        neurons: (layer, neuron).
        tokens: positions.
    """

    dims: frozenset[int] = frozenset()
    neurons: frozenset[tuple[int, int]] = frozenset()
    tokens: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Suggestion:
    """A change that is worth trying first: of what kind of site, in which layer, of which unit, at which token, how."""

    kind: str
    layer: int
    unit: int | None
    position: int | None
    op: str

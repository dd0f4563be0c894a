"""What detectors find in two models on the same tokens: what both have, what appeared, went, or moved."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from inspector.batches import TokenSequence
from inspector.detectors.apart import Apart
from inspector.detectors.base import Detector, attempt
from inspector.detectors.measured import with_sources
from inspector.detectors.thresholds import judged
from inspector.errors import DetectorError
from inspector.models import Model
from inspector.records import Finding

COLUMNS = ["detector", "kind", "layer", "unit", "position", "change", "first", "second", "from_position"]


class FoundInTwo:
    """Two models' reducers of each detector that both have the sites for; one that fails costs its own part only.

    Args:
        first, second: the models.
        detectors: whose findings are wanted.
    """

    def __init__(self, first: Model, second: Model, detectors: Sequence[Detector]) -> None:
        self.faults: list[str] = []
        self.pairs: list[tuple[Apart, Apart]] = []
        for one in detectors:
            if lacking := [kind for kind in one.kinds if not (first.shape.has(kind) and second.shape.has(kind))]:
                self.faults.append(f"{one.name} was left out: one of the models has no {lacking[0]} that can be read.")
                continue
            try:
                made = [attempt(one, "reducer", partial(one.reducer, model)) for model in (first, second)]
            except DetectorError as error:
                self.faults.append(str(error))
            else:
                self.pairs.append((Apart(one, made[0]), Apart(one, made[1])))

    @property
    def first(self) -> list[Apart]:
        """What watches the first model."""
        return [mine for mine, _ in self.pairs]

    @property
    def second(self) -> list[Apart]:
        """What watches the second."""
        return [other for _, other in self.pairs]

    def table(self, names: Mapping[int, str], read: Sequence[TokenSequence], card: Mapping[str, Any]) -> pd.DataFrame:
        """One row per finding of either model; see `ModelDifferences.findings`."""
        rows: list[dict[str, Any]] = []
        for pair in self.pairs:
            try:
                before, after = (_judged(one, names, read, card) for one in pair)
            except DetectorError as error:
                self.faults.append(str(error))
            else:
                rows += _rows(before, after)
        table = pd.DataFrame(rows, columns=COLUMNS)
        return table.astype({"unit": "Int64", "position": "Int64", "from_position": "Int64"})


def _judged(
    one: Apart, names: Mapping[int, str], read: Sequence[TokenSequence], card: Mapping[str, Any]
) -> Sequence[Finding]:
    """What was found in one model.

    Raises:
        DetectorError: the detector failed somewhere.
    """
    if one.fault:
        raise DetectorError(one.fault)
    evidence = attempt(one.detector, "evidence", one.reducer.evidence)
    whole = attempt(one.detector, "evidence", partial(with_sources, evidence, read, card))
    found: Sequence[Finding] = attempt(one.detector, "judge", partial(judged, one.detector, whole, names, {}))
    return found


def _rows(before: Sequence[Finding], after: Sequence[Finding]) -> list[dict[str, Any]]:
    """What is at the same place in both; of the rest what the same unit has elsewhere, which moved; and the others."""
    mine, other = ({_place(one): one for one in found} for found in (before, after))
    rows = [_row(other[place], "in both", one, other[place]) for place, one in mine.items() if place in other]
    gone = {place: one for place, one in mine.items() if place not in other}
    for place, one in other.items():
        if place in mine:
            continue
        moved = next((there for there in gone if there[:-1] == place[:-1]), None)
        if moved is None:
            rows.append(_row(one, "appeared", None, one))
        else:
            rows.append({**_row(one, "moved", gone[moved], one), "from_position": gone.pop(moved).position})
    return [*rows, *(_row(one, "gone", one, None) for one in gone.values())]


def _place(one: Finding) -> tuple[Any, ...]:
    return one.detector, one.kind, one.layer, one.unit, one.position


def _row(where: Finding, change: str, first: Finding | None, second: Finding | None) -> dict[str, Any]:
    place = dict(zip(COLUMNS, _place(where), strict=False))
    scores = {"first": first.score if first else float("nan"), "second": second.score if second else float("nan")}
    return {**place, "change": change, **scores, "from_position": None}

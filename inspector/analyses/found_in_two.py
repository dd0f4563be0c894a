"""What detectors find in two models on the same tokens: what both have, what appeared, went, or moved."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from inspector.batches import TokenSequence
from inspector.detectors.base import Detector, Reducer, load_detectors
from inspector.detectors.measured import with_sources
from inspector.detectors.thresholds import judged
from inspector.errors import DetectorError
from inspector.models import Model
from inspector.records import Finding

COLUMNS = ["detector", "kind", "layer", "unit", "position", "change", "first", "second", "from_position"]


class FoundInTwo:
    """Two models' reducers of every installed detector that both have the sites for."""

    def __init__(self, first: Model, second: Model, wanted: Sequence[str | Detector] | None) -> None:
        every = load_detectors() if wanted is None else load_detectors(wanted) if wanted else []
        self.detectors = [
            one for one in every if all(model.shape.has(kind) for model in (first, second) for kind in one.kinds)
        ]
        self.first: list[Reducer] = [one.reducer(first) for one in self.detectors]
        self.second: list[Reducer] = [one.reducer(second) for one in self.detectors]

    def table(
        self, names: Mapping[int, str], rows_read: Sequence[TokenSequence], card: Mapping[str, Any]
    ) -> pd.DataFrame:
        """One row per finding of either model; see `ModelDifferences.findings`."""
        rows: list[dict[str, Any]] = []
        for one, mine, other in zip(self.detectors, self.first, self.second, strict=True):
            try:
                whole = [with_sources(reducer.evidence(), rows_read, card) for reducer in (mine, other)]
                before, after = (judged(one, evidence, names, {}) for evidence in whole)
            except DetectorError:
                continue  # a plugin's own fault, which costs its part only
            rows += _rows(before, after)
        table = pd.DataFrame(rows, columns=COLUMNS)
        return table.astype({"unit": "Int64", "position": "Int64", "from_position": "Int64"})


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

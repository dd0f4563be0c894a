"""`Measured`: a detector's part of a record, with its evidence, thresholds, findings and frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspector.detectors.base import Judge, attempt
from inspector.detectors.schema import Schema, check_part
from inspector.detectors.shown import Frame
from inspector.detectors.thresholds import in_force, judged
from inspector.errors import InputError
from inspector.figures.palette import NEUTRAL
from inspector.printable import brief, counted
from inspector.records import Effect, Evidence, Finding, Record

if TYPE_CHECKING:
    from inspector.batches import TokenSequence


@dataclass(frozen=True, repr=False, eq=False)
class Measured:
    """What a record holds of one detector.

    Args:
        detector: the detector.
        record: the whole record.
    """

    detector: Judge
    record: Record
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Measured) and (self.name, self.record) == (other.name, other.record)

    def __hash__(self) -> int:
        return hash((self.name, self.record))

    def __repr__(self) -> str:
        return f"<Measured by {brief(self.name)}: {counted(len(self.findings), 'finding')}>"

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.detector.name

    @property
    def title(self) -> str:
        """The phenomenon's name for people."""
        return str(getattr(self.detector, "title", self.name))

    @property
    def accent(self) -> str:
        """The phenomenon's colour."""
        return str(getattr(self.detector, "accent", NEUTRAL))

    @property
    def evidence(self) -> Evidence:
        """What was measured on the texts."""
        return self.record.evidence[self.name]

    @property
    def controls(self) -> Mapping[str, Evidence]:
        """The same measured on the control inputs, by the input's name; and other evidence of the detector's."""
        start = f"{self.name}."
        return {name.removeprefix(start): e for name, e in self.record.evidence.items() if name.startswith(start)}

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Text of every token id in the run."""
        return token_names(self.record)

    @property
    def chosen(self) -> Mapping[str, Any]:
        """Thresholds that were chosen; those left out have their defaults."""
        chosen: Mapping[str, Any] = self.record.settings.get("thresholds", {}).get(self.name, {})
        return chosen

    @cached_property
    def thresholds(self) -> Any:
        """The thresholds in force, as `judge` gets them."""
        return in_force(self.detector, self.chosen)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The record's findings of this detector."""
        return tuple(one for one in self.record.findings if one.detector == self.name)

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """The tested changes of this detector's findings."""
        return tuple(one for one in self.record.effects if one.detector == self.name)

    def check(self) -> None:
        """Check that the thresholds are the detector's, and that all fits the schema that it declares, if it does.

        Raises:
            InputError: a threshold that it doesn't have, or a value that it doesn't take.
            ValueError: evidence, facts or tables that don't fit.
        """
        in_force(self.detector, self.chosen)
        schema: Schema | None = getattr(self.detector, "schema", None)
        if schema is not None:
            check_part(schema, self)

    @property
    def frames(self) -> Mapping[str, Frame]:
        """The frames that this record can have, by the name without the detector's.

        Raises:
            DetectorError: the detector's frames are no mapping of names to `Frame`s, or fail.
        """
        every: Mapping[str, Frame] = attempt(self.detector, "frames", lambda: getattr(self.detector, "frames", {}))
        return {name: one for name, one in every.items() if self._present(name, one)}

    def _present(self, name: str, frame: Frame) -> bool:
        return attempt(self.detector, f"frame '{name}'", lambda: frame.present(self))

    def frame(self, name: str) -> pd.DataFrame:
        """One of its frames, or a table of the record; made once, so don't write to it.

        Raises:
            InputError: this record doesn't have it.
            DetectorError: making it failed.
        """
        if name not in self._frames:
            self._frames[name] = self._made(name)
        return self._frames[name]

    def _made(self, name: str) -> pd.DataFrame:
        frames = self.frames
        if name not in frames:
            if name in self.record.tables:
                return pd.DataFrame(dict(self.record.tables[name]))
            raise InputError(f"No frame '{self.name}.{name}' in this run. It has: {', '.join(frames) or 'none'}.")
        one = frames[name]
        made = attempt(self.detector, f"frame '{name}'", lambda: one.make(self))
        if one.verdicts is None:
            return made
        verdicts = one.verdicts
        return attempt(self.detector, f"frame '{name}'", lambda: made.assign(verdict=verdicts(made, self.findings)))

    def has(self, name: str) -> bool:
        """Whether the record has this frame or table, with anything in it."""
        return (name in self.frames or name in self.record.tables) and len(self.frame(name)) > 0

    def effects_frame(self) -> pd.DataFrame:
        """The tested changes as a table."""
        return pd.DataFrame([vars(one) for one in self.effects], columns=list(Effect.__dataclass_fields__))

    def ask(self, part: str, otherwise: Any = ()) -> Any:
        """What the detector's function of this name gives for this record; `otherwise` where it has none.

        Raises:
            DetectorError: it failed.
        """
        function = getattr(self.detector, part, None)
        return otherwise if function is None else attempt(self.detector, part, lambda: _whole(function(self)))

    def judged(self) -> Sequence[Finding]:
        """Its evidence judged under the thresholds in force.

        Raises:
            InputError: a threshold that it doesn't have, or a value that it doesn't take.
            DetectorError: judging failed.
        """
        found = attempt(self.detector, "judge", lambda: judged(self.detector, self.evidence, self.names, self.chosen))
        return tuple(found)


def _whole(given: Any) -> Any:
    """What a generator yields, so that it fails here if it fails."""
    return given if isinstance(given, Mapping | str) else tuple(given)


def token_names(record: Record) -> dict[int, str]:
    """Text of every token id in the run."""
    return dict(zip(record.tokens["id"].tolist(), record.tokens["token"].tolist(), strict=True))


def with_sources(evidence: Evidence, rows: "Sequence[TokenSequence]", card: Mapping[str, Any]) -> Evidence:
    """Evidence that also holds each input row's length and source, and the model it was measured on."""
    row_of = {row.text: row for row in rows}
    fed = [row_of[int(text)] for text in evidence["text"]]
    more = {"source": [row.source for row in fed], "length": [len(row.ids) for row in fed]}
    return replace(
        evidence,
        arrays={**evidence.arrays, **{name: np.array(values, dtype=np.int64) for name, values in more.items()}},
        axes={**evidence.axes, **dict.fromkeys(more, ("text",))},
        combine={**evidence.combine, **dict.fromkeys(more, "text")},
        facts={**evidence.facts, "model": card["fingerprint"]},
    )

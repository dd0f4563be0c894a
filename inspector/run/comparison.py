"""`compare`: two reports side by side, as numbers, sentences and figures; no model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd
import plotly.graph_objects as go

from inspector.alike import Alike
from inspector.arguments import meant, takes
from inspector.detectors.base import attempt
from inspector.errors import DetectorError, InputError
from inspector.figures.drawing import Drawing
from inspector.pages import page
from inspector.printable import brief, counted, printable
from inspector.run.differences import headlines, unlike
from inspector.run.report import Report


@dataclass(frozen=True, repr=False, eq=False)
class Comparison(Alike):
    """Two reports side by side.

    Args:
        first: a report, of a study too.
        second: the other one.
    """

    first: Report
    second: Report

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """One row per number that both have: number, first, second, difference, low, high (its 95 % interval).

        The interval is over texts, paired where both read the same tokens; NaN where a number is no mean over texts.
        """
        return headlines(self.first, self.second).set_axis(
            ["number", "first", "second", "difference", "low", "high"], axis=1
        )

    @cached_property
    def unlike(self) -> list[str]:
        """What else than the model differs, so that numbers may differ for it: texts, precision, BOS, window."""
        return unlike(self.first, self.second)

    def sentences(self) -> list[str]:
        """What differs, in words."""
        named = [printable(str(one.card["name"]))[:60] for one in (self.first, self.second)]
        said = [f"{named[0]} and {named[1]}: {len(self.numbers)} numbers that both runs have."]
        for row in self.numbers.itertuples():
            ends = "" if pd.isna(row.low) else f" [{row.low:+,.4g}, {row.high:+,.4g}]"
            said.append(f"{row.number}: {row.first:,.4g} and {row.second:,.4g}, {row.difference:+,.4g}{ends}.")
        return [*said, *(f"What else differs. {one}" for one in self.unlike)]

    @cached_property
    def drawings(self) -> Mapping[str, Drawing]:
        """The figures in which detectors that measured both compare them; none of one that fails."""
        found: dict[str, Drawing] = {}
        for part in self.first.parts:
            other, compared = self.second.part(part.name), getattr(part.detector, "comparison", None)
            if other is None or compared is None:
                continue
            try:
                found |= attempt(part.detector, "comparison", partial(compared, part, other))
            except DetectorError:
                continue
        return {name: one for name, one in found.items() if len(one.sources) > 1}

    def figures(self) -> tuple[str, ...]:
        """Names of the figures that `figure` can draw."""
        return tuple(self.drawings)

    @takes
    def figure(self, name: str) -> go.Figure:
        """One figure of both.

        Raises:
            InputError: no such figure of these two.
        """
        if name not in self.drawings:
            raise InputError(f"No figure '{name}' of these two.{meant(name, self.drawings)}")
        reports = {"first": self.first, "second": self.second}
        return self.drawings[name].figure(lambda source: reports[source.report].frame(source.frame))

    def __repr__(self) -> str:
        names = [brief(one.card["name"], 40) for one in (self.first, self.second)]
        numbers = counted(len(self.numbers), "number")
        return f"<Comparison of {names[0]} and {names[1]}: {numbers}, {counted(len(self.drawings), 'figure')}>"

    def _repr_html_(self) -> str:
        return page(repr(self), self.unlike, {"Numbers": self.numbers})


@takes
def compare(first: Report, second: Report) -> Comparison:
    """Two reports, or two studies, side by side: what `inspector compare RUN RUN` and the dashboard's screen say.

    Args:
        first: from `examine`, `open_run` or `study_hallucination`.
        second: what it is compared with; of any model, by relative depth where layers are other ones.

    Raises:
        InputError: they have no detector in common.
    """
    if not {part.name for part in first.parts} & {part.name for part in second.parts}:
        raise InputError(
            f"The first report is of {', '.join(first.settings['detectors'])}, the second of "
            f"{', '.join(second.settings['detectors'])}: there is nothing to set side by side."
        )
    return Comparison(first, second)

"""`Drawing`: a figure as a value; the picture, its table, its alt text and the code that recreates it follow."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.markup import as_text


@dataclass(frozen=True)
class Source:
    """A frame that a figure is drawn from.

    Args:
        frame: its name, as `report.frame` takes it.
        query: keeps the rows for which this pandas expression holds; all where empty.
        report: the variable that holds the report in the code, where a drawing takes frames of two.
    """

    frame: str
    query: str = ""
    report: str = "report"

    @property
    def code(self) -> str:
        """How a notebook asks for it."""
        asked = f'{self.report}.frame("{self.frame}")'
        return f"{asked}.query({self.query!r})" if self.query else asked


FrameOf = Callable[[Source], pd.DataFrame]
"""Gives a source's frame, its query not yet applied."""


@dataclass(frozen=True)
class Drawing:
    """A figure function and what it is called with.

    Args:
        function: takes the frames in order, then the arguments by name; importable from its module.
        frames: names of frames, or `Source`s; the first one is the figure's table.
        arguments: plain values that `repr` writes as code.
        means: what the figure says, and what it doesn't, in a sentence or two.
        terms: the field's words that it uses, for a glossary.
        rows: a pandas expression that keeps the table's rows that are drawn; all where empty.
    """

    function: Callable[..., go.Figure]
    frames: tuple[str | Source, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    means: str = ""
    terms: tuple[str, ...] = ()
    rows: str = ""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The frames as sources."""
        return tuple(Source(one) if isinstance(one, str) else one for one in self.frames)

    def figure(self, frame_of: FrameOf) -> go.Figure:
        """The picture, in which texts are text."""
        drawn = self.function(*(_rows(frame_of(one), one.query) for one in self.sources), **self.arguments)
        return as_text(drawn) if isinstance(drawn, go.Figure) else drawn

    def table(self, frame_of: FrameOf) -> pd.DataFrame:
        """The numbers behind the picture."""
        first = self.sources[0]
        return _rows(_rows(frame_of(first), first.query), self.rows)

    def alt(self, figure: go.Figure) -> str:
        """The picture in words."""
        return f"{title_of(figure)}. {self.means}".rstrip()

    @property
    def imports(self) -> str:
        """The line that imports the function; ours are public in `inspector.figures`."""
        home = self.function.__module__
        ours = home.startswith("inspector.")
        return f"from {'inspector.figures' if ours else home} import {self.function.__name__}"

    @property
    def code(self) -> str:
        """The call that draws it, once the reports are there under their names."""
        given = [one.code for one in self.sources]
        given += [f"{name}={value!r}" for name, value in self.arguments.items()]
        return f"{self.function.__name__}({', '.join(given)})"


def title_of(figure: go.Figure) -> str:
    """A figure's title on one line, as plain text: escape it wherever it becomes HTML."""
    return html.unescape(str(figure.layout.title.text).replace("<br>", " "))


def _rows(frame: pd.DataFrame, query: str) -> pd.DataFrame:
    return frame.query(query) if query else frame

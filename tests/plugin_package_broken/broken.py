"""Detectors that fail: in `reducer`, in `update`, in `judge`, in `figures`, in their screen, in their trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from inspector.plugin import (
    Batch,
    Case,
    Drawing,
    Evidence,
    Finding,
    Measured,
    Names,
    Planned,
    Screen,
    Site,
    Tally,
    Trials,
)


class Counting:
    """Counts tokens."""

    kinds = ("resid_post",)

    def __init__(self, model: Any, detector: str) -> None:
        self.tally, self.detector = Tally(model.shape.layers), detector

    def update(self, batch: Batch, site: Site, x: Any) -> None:
        """Take in one layer."""
        if self.detector == "broken_update":
            raise RuntimeError("broken in update")
        self.tally.put("tokens", site.layer, batch.text, batch.real.sum(dim=1).int())

    def merge(self, other: "Counting") -> None:
        """Take in another's counts."""
        self.tally.merge(other.tally)

    def evidence(self) -> Evidence:
        """The counts."""
        return self.tally.evidence(self.detector, {"tokens": ()}, {})


class Reducer:
    """Fails to make a reducer, as far as its name says so."""

    name = "broken_reducer"
    kinds: tuple[str, ...] = ("resid_post",)

    def reducer(self, model: Any) -> Any:
        """A reducer, but for one."""
        if self.name == "broken_reducer":
            raise RuntimeError("broken in reducer")
        return Counting(model, self.name)

    def judge(self, evidence: Evidence, names: Names) -> Sequence[Finding]:
        """No finding, but for one that fails."""
        if self.name == "broken_judge":
            raise RuntimeError("broken in judge")
        return []


class Update(Reducer):
    """Fails while activations stream."""

    name = "broken_update"


class Judge(Reducer):
    """Fails to judge."""

    name = "broken_judge"


class Figures(Reducer):
    """Fails to draw."""

    name = "broken_figures"

    def figures(self, m: Measured) -> Mapping[str, Drawing]:
        """None."""
        raise RuntimeError("broken in figures")


def show(view: Any) -> None:
    """A screen that fails."""
    raise RuntimeError("broken in its screen")


class Screen_(Reducer):
    """Has a screen that fails."""

    name = "broken_screen"
    screen = Screen("A screen that fails.", "broken:show")


class Failing(Trials):
    """Trials that fail."""

    def claims(self, measured: Measured) -> Sequence[Any]:
        """One that can be tested."""
        return ["all"]

    def planned(self, case: Case) -> Planned:
        """None."""
        raise RuntimeError("broken in its trials")


class Trials_(Reducer):
    """Has trials that fail."""

    name = "broken_trials"
    trials = Failing

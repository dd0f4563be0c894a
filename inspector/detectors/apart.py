"""`Apart`: a detector's reducer in a pass with others, whose failure costs its own evidence and nothing else."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from inspector.detectors.base import Detector, Reducer, attempt, failure
from inspector.errors import DetectorError
from inspector.sites import Site

if TYPE_CHECKING:
    from inspector.batches import Batch

T = TypeVar("T")


class Overwritten(Exception):
    """A reducer wrote to the activations, which all others and the model itself read: the pass is spoilt."""

    def __init__(self, detector: Detector) -> None:
        super().__init__(detector.name)
        self.detector = detector
        self.fault = str(failure(detector, "update", "it writes to the activations that it is given"))


class Apart:
    """A reducer that takes in nothing more once it failed; `fault` says how.

    Args:
        detector: whose it is.
        reducer: the reducer.
    """

    def __init__(self, detector: Detector, reducer: Reducer) -> None:
        self.detector, self.reducer, self.kinds = detector, reducer, reducer.kinds
        self.fault = ""

    def update(self, batch: "Batch", site: Site, x: Any) -> None:
        """Take in one site's activations, unless it failed before.

        Raises:
            Overwritten: it wrote to them; `without_overwriting` runs the pass again.
        """
        if self.fault:
            return
        before = getattr(x, "_version", None)
        try:
            attempt(self.detector, "update", lambda: self.reducer.update(batch, site, x))
        except DetectorError as error:
            self.fault = str(error)
        if getattr(x, "_version", None) != before:
            raise Overwritten(self.detector)


def without_overwriting(run: Callable[[Collection[Detector]], T], on_fault: Callable[[str], object]) -> T:
    """What a pass gives; it is run again without a detector that writes to what all read.

    Args:
        run: the pass, given the detectors to leave out. It begins anew each time.
        on_fault: hears of each detector that is left out.
    """
    left_out: list[Detector] = []
    while True:
        try:
            return run(left_out)
        except Overwritten as spoilt:
            left_out.append(spoilt.detector)
            on_fault(spoilt.fault)

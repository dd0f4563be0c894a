"""`Apart`: a detector's reducer in a pass with others, whose failure costs its own evidence and nothing else."""

from typing import TYPE_CHECKING, Any

from inspector.detectors.base import Detector, Reducer, attempt, origin_of
from inspector.errors import DetectorError
from inspector.sites import Site

if TYPE_CHECKING:
    from inspector.batches import Batch


class Overwritten(DetectorError):
    """A reducer wrote to the activations, which all others and the model itself read."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        origin = origin_of(detector)
        super().__init__(
            f"Detector '{detector.name}' of {origin} failed in update: it writes to the activations that it is given. "
            f"The texts were scanned again without it. Update or remove {origin}."
        )


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
            Overwritten: it wrote to them.
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

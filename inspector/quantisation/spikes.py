"""What detectors would keep in full precision, found by a scan."""

from collections.abc import Callable, Sequence

from inspector.batches import TokenSequence
from inspector.detectors.base import attempt, load_detectors
from inspector.detectors.measured import Measured
from inspector.detectors.shown import Spares
from inspector.errors import DetectorError
from inspector.models import Model
from inspector.quantisation.apply import Spared
from inspector.scan import examine


def spikes_of(model: Model, rows: Sequence[TokenSequence]) -> Spared:
    """What detectors would spare after a scan of these texts; experts' neurons, which no matrix reads, are left out."""
    asked = [one for one in load_detectors() if hasattr(one, "spares") and all(map(model.shape.has, one.kinds))]
    try:
        report = examine(model, [row.ids for row in rows], asked, bos=False) if asked else None
    except DetectorError:  # none of them measured anything
        report = None
    parts = [] if report is None else [part for one in asked if (part := report.part(one.name)) is not None]
    spares = [_spared(part) for part in parts]
    sizes = {"dims": model.shape.d_model, "tokens": len(rows[0].ids)}
    dims, tokens = (
        {int(unit) for one in spares for unit in getattr(one, name) if 0 <= unit < sizes[name]} for name in sizes
    )
    layers = [layer for layer in model.shape.layers_of("neuron") if not model.routed(layer)]
    neurons = {(int(layer), int(neuron)) for one in spares for layer, neuron in one.neurons if layer in layers}
    neurons = {one for one in neurons if 0 <= one[1] < model.shape.d_mlp}
    return Spared(tuple(sorted(dims)), tuple(sorted(neurons)), tuple(sorted(tokens)))


def _spared(part: Measured) -> Spares:
    """What one detector would spare; nothing where it fails, which costs its part only."""
    spares: Callable[[Measured], Spares] = part.detector.spares  # type: ignore[attr-defined]
    try:
        found: Spares = attempt(part.detector, "spares", lambda: spares(part))
        return found
    except DetectorError:
        return Spares()

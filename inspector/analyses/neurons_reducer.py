"""What is measured of chosen neurons while activations go by: counts, sums, extremes, top tokens."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.batches import Batch
from inspector.detectors.tally import histogram
from inspector.models import Backend
from inspector.sites import Site
from inspector.stats import HISTOGRAM_BINS


class NeuronReducer:
    """Listens to the neurons' layers; what it keeps doesn't grow with the texts.

    Args:
        neurons: (layer, neuron) pairs; every array here has a row for each.
        keep: top tokens kept of each neuron, one per text.
        routed: layers of routed experts: what isn't routed is left out where the layer's magnitudes are counted.
    """

    kinds: tuple[str, ...] = ("neuron",)

    def __init__(self, neurons: Sequence[tuple[int, int]], keep: int, routed: Collection[int] = ()) -> None:
        self.routed = frozenset(routed)
        self.neurons = tuple(neurons)
        count = len(self.neurons)
        self.rows_of: dict[int, list[int]] = {}
        for row, (layer, _) in enumerate(self.neurons):
            self.rows_of.setdefault(layer, []).append(row)
        self.counts = np.zeros((count, 2, HISTOGRAM_BINS), np.int64)
        """Histograms of z ≥ 0, and of −z where z < 0, of each neuron."""
        self.layer_counts = {layer: np.zeros(HISTOGRAM_BINS, np.int64) for layer in self.rows_of}
        self.sums = np.zeros(count)
        self.lowest, self.highest = (np.full(count, np.nan, np.float32) for _ in range(2))
        self._values = np.zeros((count, keep), np.float32)
        self._texts, self._positions = (np.full((count, keep), -1, np.int64) for _ in range(2))

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos neuron"]) -> None:
        """Take in one layer's neurons; tokens with NaN or infinity in that layer are left out."""
        rows = self.rows_of.get(site.layer)
        if rows is None:
            return
        real = batch.real & x.isfinite().all(dim=-1)
        if not bool(real.any()):
            return
        size = x[real].float().abs()
        size = size[size > 0] if site.layer in self.routed else size
        self.layer_counts[site.layer] += histogram(size).cpu().numpy()
        z = x[..., [self.neurons[row][1] for row in rows]].float()
        told = z[real]
        self._count(rows, told)
        self.sums[rows] += Backend.of(told.device).widened(told).sum(dim=0).cpu().numpy()
        self.lowest[rows] = np.fmin(self.lowest[rows], told.amin(dim=0).cpu().numpy())
        self.highest[rows] = np.fmax(self.highest[rows], told.amax(dim=0).cpu().numpy())
        self._raise(rows, batch, torch.where(real.unsqueeze(-1), z, 0.0))

    def top(self, number: int) -> list[tuple[float, int, int]]:
        """A neuron's top tokens, the largest |z| first: z, input row, position in it."""
        found = zip(self._values[number], self._texts[number], self._positions[number], strict=True)
        return [(float(value), int(text), int(position)) for value, text, position in found if text >= 0]

    def _count(self, rows: list[int], told: Float[Tensor, "token neuron"]) -> None:
        for column, row in enumerate(rows):
            one = told[:, column]
            for side, values in enumerate((one[one >= 0], -one[one < 0])):
                self.counts[row, side] += histogram(values).cpu().numpy()

    def _raise(self, rows: list[int], batch: Batch, z: Float[Tensor, "batch pos neuron"]) -> None:
        """Put each text's largest |z| among the top ones; equal ones in the order of the texts."""
        place = z.abs().argmax(dim=1)
        value = z.gather(1, place.unsqueeze(1)).squeeze(1).T.cpu().numpy()
        text = np.broadcast_to(batch.text.cpu().numpy(), value.shape).copy()
        text[value == 0] = -1  # a neuron that is silent in a text has no top token there
        values = np.concatenate([self._values[rows], value], axis=1)
        texts = np.concatenate([self._texts[rows], text], axis=1)
        positions = np.concatenate([self._positions[rows], place.T.cpu().numpy()], axis=1)
        order = np.lexsort((texts, -np.abs(values)), axis=1)[:, : self._values.shape[1]]
        self._values[rows], self._texts[rows], self._positions[rows] = (
            np.take_along_axis(array, order, axis=1) for array in (values, texts, positions)
        )

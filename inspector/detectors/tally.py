"""`Tally` and `histogram`: the bookkeeping our reducers share — sums, maxima, a row for each text, counts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inspector.records import Combine, Evidence
from inspector.stats import HISTOGRAM_BINS, LOWEST_EXPONENT


class Tally:
    """Accumulates arrays so that the order of batches and shards doesn't matter.

    Sums are kept in float64 or int64, maxima and rows as they come. Rows are keyed by text, and
    filled layer by layer; a layer that never comes stays NaN (or −1 in integer rows).
    """

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.sums: dict[str, np.ndarray] = {}
        self.maxima: dict[str, np.ndarray] = {}
        self.rows: dict[str, dict[int, np.ndarray]] = defaultdict(dict)

    def add(self, name: str, layer: int, values: Tensor) -> None:
        """Add to the layer's sum; floats are summed on in float64."""
        array = values.cpu().numpy()
        if name not in self.sums:
            dtype = np.float64 if array.dtype.kind == "f" else np.int64
            self.sums[name] = np.zeros((self.layers, *array.shape), dtype=dtype)
        self.sums[name][layer] += array

    def raise_to(self, name: str, layer: int, values: Tensor, least: float = 0.0) -> None:
        """Keep the larger of what the layer has, `least` at first, and these values."""
        array = values.cpu().numpy()
        if name not in self.maxima:
            self.maxima[name] = np.full((self.layers, *array.shape), least, dtype=np.float32)
        np.fmax(self.maxima[name][layer], array, out=self.maxima[name][layer])

    def put(self, name: str, layer: int, text: Int[Tensor, " batch"], values: Tensor) -> None:
        """Set one layer of each text's row."""
        array = values.cpu().numpy()
        missing = -1 if array.dtype.kind == "i" else np.nan
        for index, row in zip(text.tolist(), array, strict=True):
            rows = self.rows[name]
            if index not in rows:
                rows[index] = np.full((self.layers, *row.shape), missing, dtype=array.dtype)
            rows[index][layer] = row

    def merge(self, other: "Tally") -> None:
        """Take in another tally of other texts."""
        for name, array in other.sums.items():
            self.sums[name] = self.sums[name] + array if name in self.sums else array.copy()
        for name, array in other.maxima.items():
            self.maxima[name] = np.fmax(self.maxima[name], array) if name in self.maxima else array.copy()
        for name, rows in other.rows.items():
            self.rows[name].update(rows)

    def evidence(
        self,
        detector: str,
        axes: Mapping[str, tuple[str, ...]],
        facts: Mapping[str, Any],
        widths: Mapping[str, int] | None = None,
    ) -> Evidence:
        """Everything as named arrays; `axes` names the axes after layer (and text, in rows).

        Rows named in `widths` are cut to so much of their last axis.
        """
        texts = sorted({index for rows in self.rows.values() for index in rows})
        arrays: dict[str, np.ndarray] = {"text": np.array(texts, dtype=np.int64)}
        names: dict[str, tuple[str, ...]] = {"text": ("text",)}
        combine: dict[str, Combine] = {"text": "text"}
        for how, table in (("sum", self.sums), ("max", self.maxima)):
            for name, array in table.items():
                arrays[name], names[name] = array, ("layer", *axes.get(name, ()))
                combine[name] = "sum" if how == "sum" else "max"
        for name, rows in self.rows.items():
            arrays[name] = self._stacked(rows, texts, (widths or {}).get(name))
            names[name], combine[name] = ("text", "layer", *axes.get(name, ())), "text"
        return Evidence(detector, arrays, names, combine, facts)

    @staticmethod
    def _stacked(rows: Mapping[int, np.ndarray], texts: Sequence[int], width: int | None) -> np.ndarray:
        like = next(iter(rows.values()))[..., :width]
        stacked = np.full((len(texts), *like.shape), -1 if like.dtype.kind == "i" else np.nan, dtype=like.dtype)
        for place, index in enumerate(texts):
            if index in rows:
                stacked[place] = rows[index][..., :width]
        return stacked


def histogram(magnitudes: Float[Tensor, "..."]) -> Int[Tensor, " bins"]:
    """Counts of magnitudes in the bins of `inspector.stats`: a float32's upper 16 bits are its bin."""
    return torch.bincount(_bins(magnitudes.reshape(-1)), minlength=HISTOGRAM_BINS)


def binned(
    magnitudes: Float[Tensor, "..."],
) -> tuple[Int[Tensor, " bins"], Float[Tensor, " bins"], Float[Tensor, " bins"]]:
    """`histogram`, and the largest −|x| and the largest |x| in each of its bins; NaN where it holds none."""
    flat = magnitudes.reshape(-1)
    bins = _bins(flat).long()
    nothing = flat.new_full((HISTOGRAM_BINS,), torch.inf)
    low, high = nothing.scatter_reduce(0, bins, flat, "amin"), (-nothing).scatter_reduce(0, bins, flat, "amax")
    counts = torch.bincount(bins, minlength=HISTOGRAM_BINS)
    empty = counts == 0
    return counts, (-low).masked_fill(empty, torch.nan), high.masked_fill(empty, torch.nan)


def _bins(magnitudes: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
    first = (LOWEST_EXPONENT + 127) << 7
    return (magnitudes.view(torch.int32) >> 16).sub_(first).clamp_(0, HISTOGRAM_BINS - 1)

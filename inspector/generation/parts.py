"""What is massive and where attention goes, over a prompt and over the tokens that a model wrote after it, apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inspector.batches import Batch
from inspector.detectors.tally import histogram
from inspector.models import Model
from inspector.models.attention import AttentionBlock
from inspector.sites import Site

PARTS = ("prompt", "generated")
FEWEST = 8
"""Queries of a part that a key needs to be its strongest, or a quarter of a shorter part."""


@dataclass
class _Largest:
    """The largest entry of a layer's stream over a part."""

    value: float = 0.0
    text: int = -1
    position: int = -1
    dim: int = -1


@dataclass
class PartsReducer:
    """Keeps both parts of the residual stream and of attention, layer by layer.

    Args:
        model: that is read.
        begins: position of the first token that the model wrote, by text.
    """

    model: Model
    begins: Mapping[int, int]
    largest: dict[tuple[int, int], _Largest] = field(default_factory=dict)
    counts: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    on_first: dict[tuple[int, int], list[np.ndarray]] = field(default_factory=dict)
    strongest: dict[tuple[int, int], list[np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds = tuple(kind for kind in ("resid_post", "attention") if self.model.shape.has(kind))

    def update(self, batch: Batch, site: Site, x: Tensor | AttentionBlock) -> None:
        """Take in one layer's stream, or one block of its attention."""
        if isinstance(x, AttentionBlock):
            self._attention(batch, site.layer, x)
        else:
            self._stream(batch, site.layer, x)

    def _parts(self, batch: Batch) -> tuple[Bool[Tensor, "batch pos"], Bool[Tensor, "batch pos"]]:
        begins = torch.tensor([self.begins[text] for text in batch.text.tolist()], device=batch.ids.device)
        written = torch.arange(batch.ids.shape[1], device=batch.ids.device) >= begins[:, None]
        return batch.real & ~written, batch.real & written

    def _stream(self, batch: Batch, layer: int, x: Float[Tensor, "batch pos d"]) -> None:
        size = x.float().abs()
        finite = size.isfinite().all(dim=-1)
        for part, tokens in enumerate(self._parts(batch)):
            tokens = tokens & finite
            if not tokens.any():
                continue
            counts = histogram(size[tokens]).cpu().numpy()
            self.counts[layer, part] = self.counts.get((layer, part), np.zeros_like(counts)) + counts
            inside = size.masked_fill(~tokens.unsqueeze(-1), -1.0)
            row, position, dim = (int(i) for i in torch.unravel_index(inside.argmax(), inside.shape))
            value, kept = float(inside[row, position, dim]), self.largest.setdefault((layer, part), _Largest())
            if value > kept.value:
                self.largest[layer, part] = _Largest(value, int(batch.text[row]), position, dim)

    def _attention(self, batch: Batch, layer: int, x: AttentionBlock) -> None:
        if x.start == 0:
            heads, keys = x.log_pattern.shape[1], batch.ids.shape[1]
            self._received = x.log_pattern.new_zeros(2, len(batch.text), heads, keys)
            self._first = x.log_pattern.new_zeros(2, len(batch.text), heads)
        parts = torch.stack(self._parts(batch))
        parts[:, :, 0] = False  # the first token can attend to nothing but itself
        asked = parts[:, :, x.start : x.stop].float()
        self._received[..., : x.stop] += torch.einsum("bhqk,pbq->pbhk", x.pattern, asked)
        self._first += torch.einsum("bhq,pbq->pbh", x.pattern[..., 0], asked)
        if x.last:
            for part, queries in enumerate(parts):
                self._add(layer, part, queries)

    def _add(self, layer: int, part: int, queries: Bool[Tensor, "batch pos"]) -> None:
        """One layer's shares by the queries of a part; texts without any are left out."""
        number = queries.sum(dim=1)
        has = number > 0
        if not has.any():
            return
        share = self._first[part, has] / number[has, None]
        self.on_first.setdefault((layer, part), []).append(share.cpu().numpy())
        seen_by = _seen_by(queries[has])
        needed = (number[has] // 4).clamp(1, FEWEST)
        mean = self._received[part, has] / seen_by[:, None].clamp(min=1)
        best = mean.masked_fill((seen_by < needed[:, None])[:, None], 0.0).amax(dim=-1)
        self.strongest.setdefault((layer, part), []).append(best.cpu().numpy())


def _seen_by(queries: Bool[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """How many of these queries could see each key."""
    return queries.flip(1).cumsum(dim=1).flip(1)

"""One layer's attention inputs, and its scores in blocks of queries."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from inspector.models.attention_kernels import MASKED, of_heads
from inspector.models.backend import Backend


@dataclass(frozen=True)
class AttentionInputs:
    """One layer's attention for a batch: queries, keys and values after rotation, and the mask.

    `mask` is True where a query may look, for each head or for all alike; None means causal. `softcap` bounds scores by
    tanh; `sink` is a learned logit per head that takes part in the softmax and has no value.
    """

    query: Float[Tensor, "batch head pos d_head"]
    key: Float[Tensor, "batch kv_head pos d_head"]
    value: Float[Tensor, "batch kv_head pos d_value"]
    mask: Bool[Tensor, "#batch #head pos pos"] | None
    scale: float
    softcap: float | None = None
    sink: Float[Tensor, " head"] | None = None

    @property
    def plain(self) -> bool:
        """Whether a fused kernel computes this attention."""
        return self.softcap is None and self.sink is None and self.query.shape[-1] == self.value.shape[-1]

    def part(self, texts: slice, heads: slice) -> "AttentionInputs":
        """The same of some texts and heads, where no heads share keys and values."""
        query, key, value = (x[texts, heads] for x in (self.query, self.key, self.value))
        mask = None if self.mask is None else self.mask.expand(*self.query.shape[:2], -1, -1)[texts, heads]
        sink = None if self.sink is None else self.sink[heads]
        return replace(self, query=query, key=key, value=value, mask=mask, sink=sink)


class ScoreTiles:
    """Scores in blocks of queries, each computed when it is asked for, less an `offset` per query, and masked.

    A block has at most 64 queries where nobody asks for so many `rows`, and divides 64, so that blocks never straddle
    the first 64 tokens; it holds only the keys up to its last query.
    """

    def __init__(
        self, inputs: AttentionInputs, offset: Float[Tensor, "batch head pos"] | None = None, rows: int | None = None
    ) -> None:
        self.inputs, self.offset = inputs, offset
        batch, heads, self.length, _ = inputs.query.shape
        self.rows = rows or tile_rows(batch * heads, self.length, Backend.of(inputs.query.device).tile_bytes)

    @property
    def starts(self) -> range:
        """The first query of every block."""
        return range(0, self.length, self.rows)

    def stop(self, start: int) -> int:
        """One past the last query of the block that begins here."""
        return min(start + self.rows, self.length)

    def tile(self, start: int, place: Float[Tensor, " room"] | None = None) -> Float[Tensor, "batch head query key"]:
        """The block that begins here, in memory of its own or in a `place` that is used again for the next."""
        inputs, stop = self.inputs, self.stop(start)
        query, key, lse, future = self._flat
        out = None if place is None else within(place, len(query), stop - start, stop)
        scores = torch.bmm(query[:, start:stop], key[:, :, :stop], out=out)
        if inputs.softcap is not None:
            scores = torch.tanh_(scores.div_(inputs.softcap)).mul_(inputs.softcap)
        if lse is not None:
            scores.sub_(lse[:, start:stop])
        scores[:, :, start:].add_(future[: stop - start, : stop - start])
        tile = rearrange(scores, "(b h) q k -> b h q k", b=inputs.query.shape[0])
        if inputs.mask is not None:
            tile.masked_fill_(~inputs.mask[:, :, start:stop, :stop], MASKED)
        return tile

    @cached_property
    def _flat(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Queries, keys and offsets of all heads of all texts, and what hides later keys."""
        inputs, heads = self.inputs, self.inputs.query.shape[1]
        query = rearrange(inputs.query.float() * inputs.scale, "b h q d -> (b h) q d")
        key = rearrange(of_heads(inputs.key, heads).float(), "b h k d -> (b h) d k")
        lse = None if self.offset is None else rearrange(self.offset, "b h q -> (b h) q 1")
        return query, key, lse, torch.full((self.rows, self.rows), MASKED, device=query.device).triu(1)


def score_tiles(inputs: AttentionInputs) -> Iterator[Float[Tensor, "batch head query key"]]:
    """Scores in blocks of queries, one after another; see `ScoreTiles`."""
    tiles = ScoreTiles(inputs)
    return map(tiles.tile, tiles.starts)


def whole_scores(inputs: AttentionInputs) -> Float[Tensor, "batch head query key"]:
    """All scores at once, about −1e6 where masked: only for texts of hundreds of tokens."""
    length = inputs.key.shape[2]
    tiles = (functional.pad(tile, (0, length - tile.shape[-1]), value=MASKED) for tile in score_tiles(inputs))
    return torch.cat(list(tiles), dim=2)


def within(place: Float[Tensor, " room"], *shape: int) -> Float[Tensor, "..."]:
    """A tensor of this shape in memory that is there, which need not be asked for again."""
    return place[: math.prod(shape)].view(shape)


def tile_rows(matrices: int, length: int, tile_bytes: int) -> int:
    """Queries a block: the largest power of two from 8 to 64 whose scores take so many bytes at most."""
    rows = 64
    while rows > 8 and 4 * matrices * rows * length > tile_bytes:
        rows //= 2
    return rows

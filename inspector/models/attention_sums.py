"""What one layer's attention pattern adds up to, from tiles of it.

Accelerators take it from attention kernels alone: `inspector.models.attention_identities`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from inspector.models.attention_kernels import exponential, of_heads
from inspector.models.attention_tiles import AttentionInputs, ScoreTiles, within
from inspector.models.backend import Backend

ROWS = 128
"""Queries of a tile that is summed up: with half as many a CPU took up to a quarter longer, with twice no less."""


@dataclass(frozen=True)
class AttentionSums:
    """Sums over one layer's pattern A[q, k]; nothing of padding is in them.

    Args:
        received: Σ_q A[q, k], the attention that each key receives.
        entropy: −Σ_k A log A of each query; a learned sink has no term.
        entropy_rest: entropy with key 0 taken out and the rest scaled up to 1; 0 for the first query.
        own: A[q, q].
        own_rest: the query's share of itself among what key 0 does not get, at most 1; 0 for the first query.
    """

    received: Float[Tensor, "batch head key"]
    entropy: Float[Tensor, "batch head query"]
    entropy_rest: Float[Tensor, "batch head query"]
    own: Float[Tensor, "batch head query"]
    own_rest: Float[Tensor, "batch head query"]


def add_up(
    log_patterns: Iterable[Float[Tensor, "batch head query key"]],
    received: Float[Tensor, "batch head key"],
    place: Float[Tensor, " room"],
) -> AttentionSums:
    """The sums from log A in blocks of queries, the first ones first, each with all keys up to its last query.

    Args:
        log_patterns: about −1e6 where masked, which includes queries of padding.
        received: zeros, to which each key's attention is added.
        place: memory for the largest block.
    """
    by_query: list[tuple[Tensor, ...]] = []
    for log_pattern in log_patterns:
        queries, keys = log_pattern.shape[2:]
        pattern = exponential(log_pattern, out=within(place, *log_pattern.shape))
        received[:, :, :keys] += pattern.sum(dim=2)
        own = pattern.diagonal(offset=keys - queries, dim1=2, dim2=3).clone()
        # Summed apart from key 0: next to a strong sink the rest is lost in 1 - p.
        rest = pattern[..., 1:].sum(dim=-1).clamp(min=1e-30)
        surprise = pattern.mul_(log_pattern)  # in the pattern's place, which is not needed any more
        first, others = -surprise[..., 0], -surprise[..., 1:].sum(dim=-1)
        by_query.append((first + others, (others / rest + rest.log()).clamp(min=0), own, (own / rest).clamp(max=1)))
    entropy, entropy_rest, own, own_rest = (torch.cat(blocks, dim=2) for blocks in zip(*by_query, strict=True))
    entropy_rest[:, :, 0] = own_rest[:, :, 0] = 0
    return AttentionSums(received, entropy, entropy_rest, own, own_rest)


def sums_by_tiles(inputs: AttentionInputs, lse: Float[Tensor, "batch head pos"]) -> AttentionSums:
    """The sums of any attention, a few heads at a time, so that their tiles stay in the cache.

    Args:
        inputs: of the layer.
        lse: of each query's scores; so large at padding that its probabilities are 0.
    """
    batch, heads, length = lse.shape
    inputs = replace(inputs, key=of_heads(inputs.key, heads), value=of_heads(inputs.value, heads))
    most = max(1, Backend.of(lse.device).summed_bytes // (4 * min(ROWS, length) * length))
    whole = []
    for texts in _slices(batch, max(1, most // heads)):
        parts = [_sums_of_part(inputs.part(texts, some), lse[texts, some]) for some in _slices(heads, most)]
        whole.append(_joined(parts, dim=1))
    return _joined(whole, dim=0)


def _sums_of_part(inputs: AttentionInputs, lse: Float[Tensor, "batch head pos"]) -> AttentionSums:
    tiles = ScoreTiles(inputs, lse, min(ROWS, lse.shape[-1]))
    scores, pattern = (lse.new_empty(tiles.rows * lse.numel()) for _ in range(2))
    return add_up((tiles.tile(start, scores) for start in tiles.starts), torch.zeros_like(lse), pattern)


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def _joined(parts: Sequence[AttentionSums], dim: int) -> AttentionSums:
    whole = {one.name: torch.cat([getattr(part, one.name) for part in parts], dim) for one in fields(AttentionSums)}
    return AttentionSums(**whole)

"""Attention that gives away its log-sum-exp, and the blocks of queries that reducers see.

A whole attention pattern is [head, query, key] numbers per text: 1.3 GB per layer at 4,096 tokens and
twenty heads. Flash kernels never hold it, and they return each query's log-sum-exp; with it, any
tile of the pattern is exact: A[q, k] = exp(scale · q·k − lse[q]).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from inspector.models.backend import Backend

TILE_BYTES = 4 << 20
"""A tile of float32 scores kept in the processor's cache while it is used."""

MASKED = -1e6
"""Added to the score of a key that a query may not see; finite, so that p · log p stays 0."""


class UnsupportedAttention(Exception):
    """This attention call has a part that the streamed kernels don't know."""


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


@dataclass(frozen=True)
class AttentionBlock:
    """Queries `[start, start + rows)` of every text in a batch, with all keys they can see.

    What a reducer sees of attention. Rows past a text's end have probability 0 everywhere.
    """

    start: int
    log_pattern: Float[Tensor, "batch head query key"]
    """log A: score minus log-sum-exp, about −1e6 where masked. Read it, don't write to it."""
    sink_mass: Float[Tensor, "batch head query"] | None
    """Probability that went to a learned sink logit, None where the model has none."""
    value_norm: Float[Tensor, "batch head pos"]
    """‖v‖ of every key's value, repeated for the heads that share it."""
    last: bool
    """Whether this is the batch's last block of this layer."""

    @cached_property
    def pattern(self) -> Float[Tensor, "batch head query key"]:
        """Attention probabilities A[q, k] of this block."""
        return self.log_pattern.exp()

    @property
    def stop(self) -> int:
        """One past the block's last query; also the number of keys in it."""
        return self.start + self.log_pattern.shape[2]


def attend(
    inputs: AttentionInputs,
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """Attention's output and the log-sum-exp of each query's scores (the learned sink included).

    With a soft cap or a learned sink everything is computed from tiles, in float32; else a kernel
    of the device's gives the output.
    """
    if not inputs.plain:
        return _attend_in_tiles(inputs)
    flash = Backend.of(inputs.query.device).flash_log_sum_exp
    return attend_by_flash(inputs) if flash else attend_by_fused(inputs)


def attend_by_flash(
    inputs: AttentionInputs,
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """`attend` where torch's flash kernel gives the log-sum-exp too: on a CPU."""
    bias = None if inputs.mask is None else _as_bias(inputs.mask, inputs.query.dtype)
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        inputs.query, inputs.key, inputs.value, 0.0, bias is None, attn_mask=bias, scale=inputs.scale
    )


def attend_by_fused(
    inputs: AttentionInputs,
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """`attend` on any device: its fused kernel gives the output, and a second look at the scores the log-sum-exp."""
    bias = None if inputs.mask is None else _as_bias(inputs.mask, inputs.query.dtype)
    heads = inputs.query.shape[1]
    out = functional.scaled_dot_product_attention(
        inputs.query,
        _repeat_heads(inputs.key, heads),
        _repeat_heads(inputs.value, heads),
        attn_mask=bias,
        is_causal=bias is None,
        scale=inputs.scale,
    )
    return out, torch.cat([scores.logsumexp(dim=-1) for _, scores in score_tiles(inputs)], dim=-1)


def attend_part(
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    value: Float[Tensor, "batch kv_head key d_value"],
    scale: float,
    *,
    causal: bool,
) -> tuple[Float[Tensor, "batch head query d_value"], Float[Tensor, "batch head query"]]:
    """Attention over a part of the keys, and its log-sum-exp, by which parts are joined."""
    if Backend.of(query.device).flash_log_sum_exp and query.shape[-1] == value.shape[-1]:
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, causal, scale=scale)
    return attend_part_in_full(query, key, value, scale, causal=causal)


def attend_part_in_full(
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    value: Float[Tensor, "batch kv_head key d_value"],
    scale: float,
    *,
    causal: bool,
) -> tuple[Float[Tensor, "batch head query d_value"], Float[Tensor, "batch head query"]]:
    """`attend_part` on any device, from all scores."""
    heads = query.shape[1]
    scores = scale * torch.einsum("bhqd, bhkd -> bhqk", query.float(), _repeat_heads(key, heads).float())
    if causal:
        scores += torch.full(scores.shape[-2:], MASKED, device=scores.device).triu(1)
    lse = scores.logsumexp(dim=-1)
    out = (scores - lse.unsqueeze(-1)).exp() @ _repeat_heads(value, heads).float()
    return out.to(query.dtype), lse


def _attend_in_tiles(inputs: AttentionInputs) -> tuple[Tensor, Tensor]:
    value = _repeat_heads(inputs.value, inputs.query.shape[1]).float()
    outs, sums = [], []
    for _, scores in score_tiles(inputs):
        lse = scores.logsumexp(dim=-1)
        if inputs.sink is not None:
            lse = torch.logaddexp(lse, rearrange(inputs.sink.float(), "head -> 1 head 1"))
        pattern = (scores - lse.unsqueeze(-1)).exp()
        outs.append(pattern @ value[:, :, : scores.shape[-1]])
        sums.append(lse)
    return torch.cat(outs, dim=2).to(inputs.query.dtype), torch.cat(sums, dim=2)


def score_tiles(
    inputs: AttentionInputs, offset: Float[Tensor, "batch head pos"] | None = None
) -> Iterator[tuple[int, Float[Tensor, "batch head query key"]]]:
    """Scores in blocks of queries, less an `offset` per query: (first query, tile), masked.

    A block has at most 64 queries, and divides 64, so that blocks never straddle the first 64
    tokens; it holds only the keys up to its last query.
    """
    batch, heads, length, _ = inputs.query.shape
    query = rearrange(inputs.query.float() * inputs.scale, "b h q d -> (b h) q d")
    key = rearrange(_repeat_heads(inputs.key, heads).float(), "b h k d -> (b h) d k")
    lse = None if offset is None else rearrange(offset, "b h q -> (b h) q 1")
    rows = tile_rows(batch * heads, length)
    future = torch.full((rows, rows), MASKED, device=query.device).triu(1)
    for start in range(0, length, rows):
        stop = min(start + rows, length)
        scores = torch.bmm(query[:, start:stop], key[:, :, :stop])
        if inputs.softcap is not None:
            scores = torch.tanh_(scores.div_(inputs.softcap)).mul_(inputs.softcap)
        if lse is not None:
            scores.sub_(lse[:, start:stop])
        scores[:, :, start:].add_(future[: stop - start, : stop - start])
        tile = rearrange(scores, "(b h) q k -> b h q k", b=batch)
        if inputs.mask is not None:
            tile.masked_fill_(~inputs.mask[:, :, start:stop, :stop], MASKED)
        yield start, tile


def whole_scores(inputs: AttentionInputs) -> Float[Tensor, "batch head query key"]:
    """All scores at once, about −1e6 where masked: only for texts of hundreds of tokens."""
    length = inputs.key.shape[2]
    tiles = (functional.pad(tile, (0, length - tile.shape[-1]), value=MASKED) for _, tile in score_tiles(inputs))
    return torch.cat(list(tiles), dim=2)


def tile_rows(matrices: int, length: int) -> int:
    """Queries a block: the largest power of two up to 64 whose scores fit in the cache."""
    rows = 64
    while rows > 8 and 4 * matrices * rows * length > TILE_BYTES:
        rows //= 2
    return rows


@dataclass(frozen=True)
class StreamedAttention:
    """One layer's attention as its inputs and log-sum-exp; the pattern is made a tile at a time."""

    inputs: AttentionInputs
    lse: Float[Tensor, "batch head pos"]

    def blocks(self, real: Bool[Tensor, "batch pos"]) -> Iterator[AttentionBlock]:
        """The pattern in blocks of queries; `real` is False at padding, which is on the right."""
        inputs, lse = self.inputs, self.lse.float()
        heads, length = inputs.query.shape[1], inputs.query.shape[2]
        value_norm = _repeat_heads(inputs.value, heads).float().norm(dim=-1)
        hidden = repeat(~real, "b q -> b h q", h=heads)
        sink_mass = None
        if inputs.sink is not None:
            logit = rearrange(inputs.sink.float(), "head -> 1 head 1")
            sink_mass = (logit - lse).exp().masked_fill(hidden, 0.0)
        for start, tile in score_tiles(inputs, lse.masked_fill(hidden, -MASKED)):
            stop = start + tile.shape[2]
            mass = None if sink_mass is None else sink_mass[:, :, start:stop]
            yield AttentionBlock(start, tile, mass, value_norm, last=stop == length)

    def padded_right(self, shift: Int[Tensor, " batch"]) -> "StreamedAttention":
        """The same with each row's `shift` padding tokens moved from the left to the right."""
        inputs, mask = self.inputs, self.inputs.mask
        if mask is not None:
            mask = roll_rows(roll_rows(mask.expand(len(shift), -1, -1, -1), shift, dim=2), shift, dim=3)
        moved = {name: roll_rows(getattr(inputs, name), shift, dim=2) for name in ("query", "key", "value")}
        return StreamedAttention(replace(inputs, mask=mask, **moved), roll_rows(self.lse, shift, dim=2))


@dataclass(frozen=True)
class WholeAttention:
    """One layer's attention as a whole pattern, where a model gives no other."""

    pattern: Float[Tensor, "batch head pos pos"]
    value_norm: Float[Tensor, "batch head pos"]

    def blocks(self, real: Bool[Tensor, "batch pos"]) -> Iterator[AttentionBlock]:
        """The pattern in blocks of queries; `real` is False at padding, which is on the right."""
        length = self.pattern.shape[-1]
        rows = tile_rows(self.pattern.shape[0] * self.pattern.shape[1], length)
        for start in range(0, length, rows):
            stop = min(start + rows, length)
            tile = self.pattern[:, :, start:stop, :stop].float().log().clamp_(min=MASKED)
            hidden = ~rearrange(real[:, start:stop], "b q -> b 1 q 1")
            yield AttentionBlock(start, tile.masked_fill_(hidden, MASKED), None, self.value_norm, last=stop == length)

    def padded_right(self, shift: Int[Tensor, " batch"]) -> "WholeAttention":
        """The same with each row's `shift` padding tokens moved from the left to the right."""
        pattern = roll_rows(roll_rows(self.pattern, shift, dim=2), shift, dim=3)
        return WholeAttention(pattern, roll_rows(self.value_norm, shift, dim=2))


def roll_rows(x: Tensor, shift: Tensor, dim: int) -> Tensor:
    """Each row of the first axis rolled to the left along `dim` by its own `shift`."""
    size = x.shape[dim]
    index = (torch.arange(size, device=x.device) + shift.unsqueeze(1)) % size
    shape = [1] * x.ndim
    shape[0], shape[dim] = x.shape[0], size
    return x.gather(dim, index.view(shape).expand_as(x))


def _repeat_heads(x: Float[Tensor, "batch kv_head pos d"], heads: int) -> Float[Tensor, "batch head pos d"]:
    """Key or value heads repeated for the query heads that share them (grouped-query attention)."""
    return repeat(x, "b kv k d -> b (kv group) k d", group=heads // x.shape[1])


def _as_bias(mask: Bool[Tensor, "batch head pos pos"], dtype: torch.dtype) -> Float[Tensor, "batch head pos pos"]:
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, float("-inf"))

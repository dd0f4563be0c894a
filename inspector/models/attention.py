"""Attention that gives away its log-sum-exp, and the blocks of queries that reducers see.

A whole attention pattern is [head, query, key] numbers per text: 1.3 GB per layer at 4,096 tokens and
twenty heads. Flash kernels never hold it, and they return each query's log-sum-exp; with it, any
tile of the pattern is exact: A[q, k] = exp(scale · q·k − lse[q]).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from inspector.models.attention_identities import sums_by_kernel
from inspector.models.attention_kernels import MASKED, Kernel, as_bias, exponential, of_heads
from inspector.models.attention_sums import AttentionSums, add_up, sums_by_tiles
from inspector.models.attention_tiles import AttentionInputs, ScoreTiles, score_tiles, tile_rows
from inspector.models.backend import Backend


class UnsupportedAttention(Exception):
    """This attention call has a part that the streamed kernels don't know."""


@dataclass(frozen=True)
class AttentionBlock:
    """Queries `[start, start + rows)` of every text in a batch, with all keys they can see.

    What a reducer sees of attention. Rows past a text's end have probability 0 everywhere.
    """

    start: int
    stop: int
    """One past the block's last query; also the number of keys in it."""
    tile: Callable[[], Tensor]
    """Computes `log_pattern`."""
    sink_mass: Float[Tensor, "batch head query"] | None
    """Probability that went to a learned sink logit, None where the model has none."""
    value_norm: Float[Tensor, "batch head pos"]
    """‖v‖ of every key's value, repeated for the heads that share it."""
    last: bool
    """Whether this is the batch's last block of this layer."""
    add_up: Callable[[], AttentionSums]
    """Computes `sums`."""

    @cached_property
    def log_pattern(self) -> Float[Tensor, "batch head query key"]:
        """log A: score minus log-sum-exp, about −1e6 where masked. Read it, don't write to it."""
        return self.tile()

    @cached_property
    def pattern(self) -> Float[Tensor, "batch head query key"]:
        """Attention probabilities A[q, k] of this block."""
        return exponential(self.log_pattern)

    @cached_property
    def sums(self) -> AttentionSums:
        """What the whole layer's pattern adds up to; of one block alone, for it takes about as long as attention."""
        return self.add_up()


def attend(
    inputs: AttentionInputs,
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """Attention's output and the log-sum-exp of each query's scores (the learned sink included).

    A kernel of the device's gives both. With a soft cap everything is computed from tiles, in float32; with a learned
    sink, or values of another width than the keys', where the device takes no sums from its kernel.
    """
    backend = Backend.of(inputs.query.device)
    if inputs.plain:
        return attend_by_fused(inputs) if backend.kernel is None else attend_by_kernel(inputs, backend.kernel)
    narrow = inputs.value.shape[-1] <= inputs.query.shape[-1]
    if backend.sums is not None and inputs.softcap is None and narrow:
        return attend_beside_sink(inputs, backend.sums)
    return _attend_in_tiles(inputs)


def attend_by_kernel(
    inputs: AttentionInputs, kernel: Kernel
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """`attend` where a kernel gives the log-sum-exp too."""
    causal = inputs.mask is None
    return kernel(inputs.query, inputs.key, inputs.value, inputs.scale, causal=causal, mask=inputs.mask)


def attend_beside_sink(
    inputs: AttentionInputs, kernel: Kernel
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """`attend` by a kernel that knows no sinks and no narrower values: a sink's logit only scales the output down."""
    width = inputs.value.shape[-1]
    value = functional.pad(inputs.value, (0, inputs.query.shape[-1] - width))
    out, lse = attend_by_kernel(replace(inputs, value=value), kernel)
    out, lse = out[..., :width], lse.float()
    if inputs.sink is None:
        return out, lse
    whole = torch.logaddexp(lse, rearrange(inputs.sink.float(), "head -> 1 head 1"))
    return (out * (lse - whole).exp().unsqueeze(-1)).to(out.dtype), whole


def attend_by_fused(
    inputs: AttentionInputs,
) -> tuple[Float[Tensor, "batch head pos d_value"], Float[Tensor, "batch head pos"]]:
    """`attend` on any device: its fused kernel gives the output, and a second look at the scores the log-sum-exp."""
    bias = None if inputs.mask is None else as_bias(inputs.mask, inputs.query.dtype)
    heads = inputs.query.shape[1]
    out = functional.scaled_dot_product_attention(
        inputs.query,
        of_heads(inputs.key, heads),
        of_heads(inputs.value, heads),
        attn_mask=bias,
        is_causal=bias is None,
        scale=inputs.scale,
    )
    return out, torch.cat([scores.logsumexp(dim=-1) for scores in score_tiles(inputs)], dim=-1)


def attend_part(
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    value: Float[Tensor, "batch kv_head key d_value"],
    scale: float,
    *,
    causal: bool,
) -> tuple[Float[Tensor, "batch head query d_value"], Float[Tensor, "batch head query"]]:
    """Attention over a part of the keys, and its log-sum-exp, by which parts are joined."""
    kernel = Backend.of(query.device).kernel
    if kernel is not None and query.shape[-1] == value.shape[-1]:
        return kernel(query, key, value, scale, causal=causal)
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
    scores = scale * torch.einsum("bhqd, bhkd -> bhqk", query.float(), of_heads(key, heads).float())
    if causal:
        scores += torch.full(scores.shape[-2:], MASKED, device=scores.device).triu(1)
    lse = scores.logsumexp(dim=-1)
    out = exponential(scores - lse.unsqueeze(-1)) @ of_heads(value, heads).float()
    return out.to(query.dtype), lse


def _attend_in_tiles(inputs: AttentionInputs) -> tuple[Tensor, Tensor]:
    value = of_heads(inputs.value, inputs.query.shape[1]).float()
    outs, sums = [], []
    for scores in score_tiles(inputs):
        lse = scores.logsumexp(dim=-1)
        if inputs.sink is not None:
            lse = torch.logaddexp(lse, rearrange(inputs.sink.float(), "head -> 1 head 1"))
        pattern = exponential(scores - lse.unsqueeze(-1))
        outs.append(pattern @ value[:, :, : scores.shape[-1]])
        sums.append(lse)
    return torch.cat(outs, dim=2).to(inputs.query.dtype), torch.cat(sums, dim=2)


@dataclass(frozen=True)
class StreamedAttention:
    """One layer's attention as its inputs and log-sum-exp; the pattern is made a tile at a time."""

    inputs: AttentionInputs
    lse: Float[Tensor, "batch head pos"]

    @property
    def device(self) -> torch.device:
        """Where its layer is."""
        return self.lse.device

    def blocks(self, real: Bool[Tensor, "batch pos"]) -> Iterator[AttentionBlock]:
        """The pattern in blocks of queries; `real` is False at padding, which is on the right."""
        inputs, lse = self.inputs, self.lse.float()
        heads, length = inputs.query.shape[1], inputs.query.shape[2]
        value_norm = of_heads(inputs.value, heads).float().norm(dim=-1)
        hidden = repeat(~real, "b q -> b h q", h=heads)
        sink_mass = None
        if inputs.sink is not None:
            logit = rearrange(inputs.sink.float(), "head -> 1 head 1")
            sink_mass = (logit - lse).exp().masked_fill(hidden, 0.0)
        tiles, sums = ScoreTiles(inputs, lse.masked_fill(hidden, -MASKED)), partial(self.sums, real)
        for start in tiles.starts:
            stop = tiles.stop(start)
            mass = None if sink_mass is None else sink_mass[:, :, start:stop]
            yield AttentionBlock(start, stop, partial(tiles.tile, start), mass, value_norm, stop == length, sums)

    def sums(self, real: Bool[Tensor, "batch pos"]) -> AttentionSums:
        """What the pattern adds up to, by the device's kernel or by tiles; `real` as in `blocks`."""
        inputs, lse, kernel = self.inputs, self.lse.float(), Backend.of(self.lse.device).sums
        if kernel is not None and inputs.mask is None and inputs.softcap is None:
            return sums_by_kernel(inputs.query, inputs.key, lse, real, inputs.scale, kernel)
        return sums_by_tiles(inputs, lse.masked_fill(rearrange(~real, "b q -> b 1 q"), -MASKED))

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

    @property
    def device(self) -> torch.device:
        """Where its layer is."""
        return self.pattern.device

    def blocks(self, real: Bool[Tensor, "batch pos"]) -> Iterator[AttentionBlock]:
        """The pattern in blocks of queries; `real` is False at padding, which is on the right."""
        for start, stop in self._ends:
            tile, last = partial(self._tile, start, stop, real), stop == self.pattern.shape[-1]
            yield AttentionBlock(start, stop, tile, None, self.value_norm, last, partial(self.sums, real))

    def sums(self, real: Bool[Tensor, "batch pos"]) -> AttentionSums:
        """What the pattern adds up to; `real` as in `blocks`."""
        tiles, norm = (self._tile(start, stop, real) for start, stop in self._ends), self.value_norm
        return add_up(tiles, torch.zeros_like(norm), norm.new_empty(self._rows * norm.numel()))

    @property
    def _rows(self) -> int:
        batch, heads, length, _ = self.pattern.shape
        return tile_rows(batch * heads, length, Backend.of(self.pattern.device).tile_bytes)

    @property
    def _ends(self) -> list[tuple[int, int]]:
        """The first query of each block, and one past its last."""
        length = self.pattern.shape[-1]
        return [(start, min(start + self._rows, length)) for start in range(0, length, self._rows)]

    def _tile(self, start: int, stop: int, real: Tensor) -> Tensor:
        tile = self.pattern[:, :, start:stop, :stop].float().log().clamp_(min=MASKED)
        return tile.masked_fill_(~rearrange(real[:, start:stop], "b q -> b 1 q 1"), MASKED)

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

"""What a causal attention pattern adds up to, from attention kernels alone: the pattern itself is never computed.

With scores s[q, k] = scale · q·k and log-sum-exps lse[q], A[q, k] = exp(s[q, k] − lse[q]). Two identities:

- *Received attention* of key k is Σ_{q ≥ k} A[q, k] = exp(log-sum-exp over q of s[q, k] − lse[q]): the log-sum-exp that
  a causal kernel returns where queries and keys have changed places, in reversed order, with −lse[q] in one more dim.
- *Entropy* of query q is −Σ A log A = lse[q] − Σ A s = lse[q] − scale · q·E[k], and E[k] = Σ A[q, k] k is what a kernel
  returns where the keys are the values.

The second is taken over all keys but the first, and the first is put back: next to a strong sink what the others have
would be lost in 1 − A[q, 0].
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from inspector.models.attention_kernels import MASKED, Kernel, of_heads

HIDDEN = 3e4
"""The log-sum-exp that padding is given: its probabilities are 0, and float16 has the number."""
PARTS = {torch.float32: 1, torch.float64: 1, torch.float16: 3, torch.bfloat16: 3}
"""Numbers of a dtype that add up to one with float32's precision: a high part, and what it leaves."""


@dataclass(frozen=True)
class AttentionSums:
    """Sums over one layer's pattern, each taken when it is asked for; nothing of padding is in them.

    Args:
        query, key: after rotation.
        lse: of each query's scores, a learned sink included.
        real: False at padding, which is on the right.
        scale: of the scores.
        kernel: of the device.
    """

    query: Float[Tensor, "batch head pos d"]
    key: Float[Tensor, "batch kv_head pos d"]
    lse: Float[Tensor, "batch head pos"]
    real: Bool[Tensor, "batch pos"]
    scale: float
    kernel: Kernel

    @cached_property
    def received(self) -> Float[Tensor, "batch head key"]:
        """Attention that each key receives, added up over the queries."""
        return received(self.query, self.key, self._masked(self.lse, HIDDEN), self.scale, self.kernel)

    @cached_property
    def entropy(self) -> Float[Tensor, "batch head query"]:
        """−Σ A log A of each query; a learned sink has no term."""
        first, rest = (self._first - self.lse, self._rest[0] - self.lse)
        return self._masked(-first.exp() * first + rest.exp() * (self._rest[1] - rest))

    @cached_property
    def entropy_rest(self) -> Float[Tensor, "batch head query"]:
        """Entropy with key 0 taken out and the rest scaled up to 1; 0 for the first query."""
        return self._masked(self._rest[1])

    @cached_property
    def own(self) -> Float[Tensor, "batch head query"]:
        """A[q, q]."""
        return self._masked((self._own - self.lse).exp())

    @cached_property
    def own_rest(self) -> Float[Tensor, "batch head query"]:
        """The query's share of itself among what key 0 does not get, at most 1; 0 for the first query."""
        later = torch.arange(self.lse.shape[-1], device=self.lse.device) > 0
        return self._masked((self._own - self._rest[0]).exp().clamp(max=1) * later)

    @cached_property
    def _first(self) -> Tensor:
        return self.scale * torch.einsum("bhqd, bhd -> bhq", self.query.float(), self._keys[:, :, 0])

    @cached_property
    def _own(self) -> Tensor:
        return self.scale * torch.linalg.vecdot(self.query.float(), self._keys)

    @property
    def _keys(self) -> Float[Tensor, "batch head pos d"]:
        return of_heads(self.key, self.query.shape[1]).float()

    @cached_property
    def _rest(self) -> tuple[Tensor, Tensor]:
        return entropy_without_first(self.query, self.key, self.scale, self.kernel)

    def _masked(self, x: Tensor, value: float = 0.0) -> Tensor:
        return x.masked_fill(rearrange(~self.real, "b q -> b 1 q"), value)


def received(
    query: Float[Tensor, "batch head pos d"],
    key: Float[Tensor, "batch kv_head pos d"],
    lse: Float[Tensor, "batch head pos"],
    scale: float,
    kernel: Kernel,
) -> Float[Tensor, "batch head pos"]:
    """Σ over the queries of A[q, k], for each key."""
    one = 2.0 ** -round(math.log2(scale))  # has no rounding, and scale · one is about 1
    bias = in_parts(-lse.float() / (scale * one), query.dtype)
    ones = torch.full_like(bias, one)
    seen = torch.cat([query, bias], dim=-1).flip(2)
    looking = torch.cat([of_heads(key, query.shape[1]), ones], dim=-1).flip(2)
    _, total = kernel(looking, seen, seen, scale, causal=True)
    return total.flip(2).exp()


def entropy_without_first(
    query: Float[Tensor, "batch head pos d"], key: Float[Tensor, "batch kv_head pos d"], scale: float, kernel: Kernel
) -> tuple[Float[Tensor, "batch head pos"], Float[Tensor, "batch head pos"]]:
    """Each query's log-sum-exp over all keys but the first, and the entropy of attention to these alone."""
    later, keys = query[:, :, 1:], key[:, :, 1:]
    if not later.shape[2]:
        none = torch.zeros_like(query[..., 0], dtype=torch.float32)
        return none + MASKED, none
    # Keys are large in dims that all of them share. Without these a 16-bit mean of keys loses less.
    middle = keys.float().mean(dim=2, keepdim=True)
    mean, lse = kernel(later, keys, (keys.float() - middle).to(key.dtype), scale, causal=True)
    mean = mean.float() + of_heads(middle, query.shape[1])
    entropy = lse.float() - scale * torch.linalg.vecdot(later.float(), mean)
    return functional.pad(lse.float(), (1, 0), value=MASKED), functional.pad(entropy.clamp(min=0), (1, 0))


def in_parts(x: Float[Tensor, "..."], dtype: torch.dtype) -> Float[Tensor, "... part"]:
    """Numbers of this dtype that add up to each number of `x`, the largest first."""
    parts: list[Tensor] = []
    for _ in range(PARTS[dtype]):
        parts.append(x.to(dtype))
        x = x - parts[-1].to(x.dtype)
    return torch.stack(parts, dim=-1)

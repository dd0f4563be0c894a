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

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from inspector.models.attention_kernels import MASKED, Kernel, of_heads
from inspector.models.attention_sums import AttentionSums

HIDDEN = 3e4
"""The log-sum-exp that padding is given: its probabilities are 0, and float16 has the number."""
PARTS = {torch.float32: 1, torch.float64: 1, torch.float16: 3, torch.bfloat16: 3}
"""Numbers of a dtype that add up to one with float32's precision: a high part, and what it leaves."""


def sums_by_kernel(
    query: Float[Tensor, "batch head pos d"],
    key: Float[Tensor, "batch kv_head pos d"],
    lse: Float[Tensor, "batch head pos"],
    real: Bool[Tensor, "batch pos"],
    scale: float,
    kernel: Kernel,
) -> AttentionSums:
    """The sums of causal attention from two more calls of a kernel.

    Args:
        query, key: after rotation.
        lse: of each query's scores, a learned sink included.
        real: False at padding, which is on the right.
        scale: of the scores.
        kernel: of the device.
    """

    def masked(x: Tensor, value: float = 0.0) -> Tensor:
        return x.masked_fill(rearrange(~real, "b q -> b 1 q"), value)

    keys = of_heads(key, query.shape[1]).float()
    own = scale * torch.linalg.vecdot(query.float(), keys)
    first = scale * torch.einsum("bhqd, bhd -> bhq", query.float(), keys[:, :, 0]) - lse
    lse_rest, entropy_rest = entropy_without_first(query, key, scale, kernel)
    rest = lse_rest - lse
    later = torch.arange(lse.shape[-1], device=lse.device) > 0
    return AttentionSums(
        received(query, key, masked(lse, HIDDEN), scale, kernel),
        entropy=masked(-first.exp() * first + rest.exp() * (entropy_rest - rest)),
        entropy_rest=masked(entropy_rest),
        own=masked((own - lse).exp()),
        own_rest=masked((own - lse_rest).exp().clamp(max=1) * later),
    )


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

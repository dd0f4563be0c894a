"""Attention kernels that give away their log-sum-exp, a CPU's and CUDA's, under one signature.

`kernel(query, key, value, scale, causal=…, mask=…)` gives the output, in the queries' dtype, and each query's
log-sum-exp. Keys may have fewer heads than queries; a mask is True where a query may look.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from einops import repeat
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

Kernel = Callable[..., tuple[Tensor, Tensor]]
"""See the module's first lines."""

MASKED = -1e6
"""Added to the score of a key that a query may not see, and the log-sum-exp over no keys.

It is finite, so that p · log p stays 0.
"""

LOG2_E = math.log2(math.e)

FLASH_WIDTH = 256
"""The widest head that CUDA's flash kernel takes."""
WIDTHS, LENGTHS = 8, 16
"""Its heads' widths, and the length of a mask's rows, are multiples of these."""


def cpu_kernel(
    query: Float[Tensor, "batch head query d"],
    key: Float[Tensor, "batch kv_head key d"],
    value: Float[Tensor, "batch kv_head key d"],
    scale: float,
    *,
    causal: bool = False,
    mask: Bool[Tensor, "#batch #head query key"] | None = None,
) -> tuple[Float[Tensor, "batch head query d"], Float[Tensor, "batch head query"]]:
    """Torch's flash kernel on a CPU, which takes float32 and masks."""
    bias = None if mask is None else as_bias(mask, query.dtype)
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=bias, scale=scale
    )


def cuda_kernel(
    query: Float[Tensor, "batch head query d"],
    key: Float[Tensor, "batch kv_head key d"],
    value: Float[Tensor, "batch kv_head key d"],
    scale: float,
    *,
    causal: bool = False,
    mask: Bool[Tensor, "#batch #head query key"] | None = None,
) -> tuple[Float[Tensor, "batch head query d"], Float[Tensor, "batch head query"]]:
    """The flash kernel in bfloat16 and float16; in float32, with a mask or with wide heads the memory-efficient one."""
    width, length, dtype = value.shape[-1], query.shape[2], query.dtype
    if dtype != torch.float32 and not flash_runs(query.device):  # such a card may lack the dtype as well
        query, key, value = (x.float() for x in (query, key, value))
    query, key, value = (_widened(x) for x in (query, key, value))
    if query.dtype != torch.float32 and mask is None and query.shape[-1] <= FLASH_WIDTH:
        out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, 0.0, causal, scale=scale)
    else:
        key, value = (of_heads(x, query.shape[1]) for x in (key, value))
        bias = None if mask is None else _aligned_bias(mask, query)
        out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, bias, True, 0.0, causal, scale=scale
        )
    return out[..., :width].to(dtype), lse[..., :length]  # the memory-efficient kernel's rows are padded


@cache
def flash_runs(device: torch.device) -> bool:
    """Whether a CUDA device is new enough for the flash kernel."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def kernel_of(device: torch.device) -> Kernel | None:
    """The kernel that runs on a device, which is found by trying; None where there is none."""
    kernel = {"cpu": cpu_kernel, "cuda": cuda_kernel}.get(device.type)
    if kernel is None:
        return None
    try:
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.zeros(1, 1, 2, 8, device=device, dtype=dtype)
            kernel(x, x, x, 1.0, causal=True)
    except (RuntimeError, AssertionError, NotImplementedError, AttributeError):
        return None
    return kernel


def of_heads(x: Float[Tensor, "batch kv_head pos d"], heads: int) -> Float[Tensor, "batch head pos d"]:
    """Key or value heads repeated for the query heads that share them (grouped-query attention)."""
    return repeat(x, "b kv k d -> b (kv group) k d", group=heads // x.shape[1])


def as_bias(mask: Bool[Tensor, "batch head query key"], dtype: torch.dtype) -> Float[Tensor, "batch head query key"]:
    """What is added to the scores: 0 where a query may look, else −∞."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, float("-inf"))


def exponential(x: Float[Tensor, "*shape"], out: Float[Tensor, "*shape"] | None = None) -> Float[Tensor, "*shape"]:
    """exp of log probabilities. A CPU's own takes up to fifty times as long where it underflows, as it does of masked
    scores; its power of two does not, and is faster elsewhere.
    """
    return torch.exp2(torch.mul(x, LOG2_E, out=out), out=out)


def _widened(x: Tensor) -> Tensor:
    """Heads as wide as kernels take them, by zeros that change no score."""
    return functional.pad(x, (0, -x.shape[-1] % WIDTHS))


def _aligned_bias(mask: Tensor, query: Tensor) -> Tensor:
    """The bias for every head of every text, in rows that begin where a kernel can read them."""
    length = mask.shape[-1]
    bias = functional.pad(as_bias(mask, query.dtype), (0, -length % LENGTHS))[..., :length]
    return bias.expand(query.shape[0], query.shape[1], -1, -1)

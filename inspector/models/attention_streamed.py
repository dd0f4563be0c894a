"""Attention straight from the model's own attention modules, without whole patterns.

For the length of a pass an attention function of ours is selected through transformers' attention
interface. It attends by flash kernels or tiles, and tells the pass's listener each layer's inputs
and log-sum-exp.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from inspector.models.attention import AttentionInputs, UnsupportedAttention, attend
from inspector.models.attention_swap import listening

OnAttention = Callable[[int, AttentionInputs, Tensor], None]
"""Called with layer, inputs and log-sum-exp `[batch, head, pos]` after a layer's attention."""

NAME = "inspector_streamed"

IGNORED = frozenset({"use_cache", "position_ids", "sliding_window", "output_router_logits", "is_causal", "dropout"})
"""Arguments that the mask already carries, or that change nothing in a forward pass."""

CacheChange = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Called with a layer's keys and values `[batch, head, pos, dim]` as they would be cached; gives others."""

_cached: dict[int, CacheChange] = {}
"""Attention module's id → what its keys and values become, only inside `cache_changed`."""

Allowed = Callable[[AttentionInputs], Bool[Tensor, "batch head query key"]]
"""Called with a layer's attention; says which keys each query may see, where the model's own mask lets it."""

_limits: dict[int, Allowed] = {}
"""Attention module's id → which keys may be seen, only inside `attention_limited`."""

_listeners: dict[int, tuple[int, OnAttention]] = {}
"""Attention module's id → (layer, listener), only while a pass runs."""


def _attention_function(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function registered with transformers: attends, and tells the pass's listener."""
    refuse_unknown(kwargs, attention_mask)
    if query.shape[2] != key.shape[2]:
        raise UnsupportedAttention("attention with a key-value cache")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if (change := _cached.get(id(module))) is not None:
        key, value = change(key, value)
    inputs = AttentionInputs(query, key, value, attention_mask, scale, softcap, s_aux)
    if (allowed := _limits.get(id(module))) is not None:
        inputs = _limited(inputs, allowed)
    out, lse = attend(inputs)
    layer, listen = _listeners[id(module)]
    listen(layer, inputs, lse)
    return out.transpose(1, 2).contiguous(), None


def _limited(inputs: AttentionInputs, allowed: Allowed) -> AttentionInputs:
    """The same with fewer keys; every query may see itself, so that none sees nothing."""
    own = torch.eye(inputs.query.shape[2], dtype=torch.bool, device=inputs.query.device)
    mask = torch.ones_like(own).tril() if inputs.mask is None else inputs.mask
    return replace(inputs, mask=(mask & allowed(inputs)) | own)


def refuse_unknown(given: dict[str, Any], mask: Tensor | None) -> None:
    """Refuse what might change attention in a way not known here.

    Raises:
        UnsupportedAttention: an unknown argument, or a mask that is added to scores.
    """
    if unknown := unknown_arguments(given):
        raise UnsupportedAttention(f"attention with {', '.join(unknown)}")
    if mask is not None and mask.dtype != torch.bool:
        raise UnsupportedAttention("attention with an additive mask")


def unknown_arguments(given: dict[str, Any]) -> list[str]:
    """Names of arguments that might change attention in a way not known here."""
    return [name for name, value in given.items() if value is not None and name not in IGNORED]


ALL_ATTENTION_FUNCTIONS.register(NAME, _attention_function)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


@contextmanager
def streamed_attention(bridge: TransformerBridge, listen: OnAttention) -> Iterator[None]:
    """Run the model's own attention modules on our kernels; `listen` hears every layer.

    Raises:
        UnsupportedAttention: an attention module isn't where the bridge says it is.
    """
    with listening(bridge, NAME, _listeners, listen):
        yield


@contextmanager
def cache_changed(bridge: TransformerBridge, changes: Mapping[int, CacheChange]) -> Iterator[None]:
    """Have these layers attend to other keys and values in streamed passes while the context lasts."""
    with _by_module(bridge, changes, _cached):
        yield


@contextmanager
def attention_limited(bridge: TransformerBridge, limits: Mapping[int, Allowed]) -> Iterator[None]:
    """Have these layers' queries see fewer keys in streamed passes while the context lasts."""
    with _by_module(bridge, limits, _limits):
        yield


@contextmanager
def _by_module(bridge: TransformerBridge, given: Mapping[int, Any], table: dict[int, Any]) -> Iterator[None]:
    mine = {id(bridge.blocks[layer].attn.original_component): one for layer, one in given.items()}
    before = {module: table[module] for module in mine if module in table}  # an outer context's
    table.update(mine)
    try:
        yield
    finally:
        for module in mine:
            table.pop(module, None)
        table.update(before)

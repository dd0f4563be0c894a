"""Attention straight from the model's own attention modules, without whole patterns.

TransformerBridge recomputes attention in Python and holds [head, query, key] in float32. For the
length of a pass, `streamed_attention` puts each block's own attention module back into its layer
and selects an attention function of ours through transformers' attention interface; both are
undone afterwards. The bridge's hooks outside attention still fire, and so do those on its output.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from inspector.attention import AttentionInputs, UnsupportedAttention, attend
from inspector.models.model import attention_layers

OnAttention = Callable[[int, AttentionInputs, Tensor], None]
"""Called with layer, inputs and log-sum-exp `[batch, head, pos]` after a layer's attention."""

NAME = "inspector_streamed"

IGNORED = frozenset({"use_cache", "position_ids", "sliding_window", "output_router_logits", "is_causal", "dropout"})
"""Arguments that the mask already carries, or that change nothing in a forward pass."""

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
    unknown = [name for name, given in kwargs.items() if given is not None and name not in IGNORED]
    if unknown or query.shape[2] != key.shape[2]:
        raise UnsupportedAttention(f"attention with {', '.join(unknown) or 'a key-value cache'}")
    if attention_mask is not None and attention_mask.dtype != torch.bool:
        raise UnsupportedAttention("attention with an additive mask")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    inputs = AttentionInputs(query, key, value, attention_mask, scale, softcap, s_aux)
    out, lse = attend(inputs)
    layer, listen = _listeners[id(module)]
    listen(layer, inputs, lse)
    return out.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(NAME, _attention_function)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


@contextmanager
def streamed_attention(bridge: TransformerBridge, listen: OnAttention) -> Iterator[None]:
    """Run the model's own attention modules on our kernels; `listen` hears every layer.

    Raises:
        UnsupportedAttention: an attention module isn't where the bridge says it is.
    """
    swapped: list[tuple[nn.Module, str, nn.Module]] = []
    configs = _attention_configs(bridge)
    before = [config._attn_implementation for config in configs]
    mine: list[int] = []
    handles: list[Any] = []
    try:
        for layer in attention_layers(bridge):
            attn = bridge.blocks[layer].attn
            own = attn.original_component
            for parent, name in _places(bridge.blocks[layer].original_component, attn):
                parent._modules[name] = own
                swapped.append((parent, name, attn))
            handles.append(own.register_forward_hook(_on_output(attn), with_kwargs=True))
            _listeners[id(own)] = (layer, listen)
            mine.append(id(own))
        for config in configs:
            config._attn_implementation = NAME
        yield
    finally:
        for parent, name, attn in swapped:
            parent._modules[name] = attn
        for config, implementation in zip(configs, before, strict=True):
            config._attn_implementation = implementation
        for handle in handles:
            handle.remove()
        for key in mine:
            _listeners.pop(key, None)


def _on_output(attn: nn.Module) -> Any:
    """Fires what the bridge's attention would: its `hook_out`, then the hooks on the module itself."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        out = (attn.hook_out(out[0]), *out[1:]) if isinstance(out, tuple) else attn.hook_out(out)
        for key, own in attn._forward_hooks.items():
            given = (attn, args, kwargs, out) if key in attn._forward_hooks_with_kwargs else (attn, args, out)
            out = out if (changed := own(*given)) is None else changed
        return out

    return hook


def _attention_configs(bridge: TransformerBridge) -> list[Any]:
    """Every config object that modules of this model read their attention function from."""
    found = {id(c): c for m in bridge.original_model.modules() if (c := getattr(m, "config", None)) is not None}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]


def _places(block: nn.Module, attn: nn.Module) -> list[tuple[nn.Module, str]]:
    places = [(m, name) for m in block.modules() for name, child in m._modules.items() if child is attn]
    if not places:
        raise UnsupportedAttention("an attention module that is not in its layer's module table")
    return places


def hooks_inside_attention(bridge: TransformerBridge) -> list[str]:
    """Names of hook points that only fire on the bridge's own attention, and that hold hooks."""
    return [
        str(point.name)
        for layer in attention_layers(bridge)
        for point in bridge.blocks[layer].attn.children()
        if isinstance(point, HookPoint) and point.has_hooks() and point is not bridge.blocks[layer].attn.hook_out
    ]

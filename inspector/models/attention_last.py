"""The last query's attention pattern, while a text grows token by token over a key-value cache."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformer_lens.model_bridge import TransformerBridge
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from inspector.models.attention_streamed import refuse_unknown
from inspector.models.attention_swap import listening

OnPattern = Callable[[int, Float[Tensor, "head key"]], None]
"""Called with layer and the last query's pattern over the keys that the layer still holds, the latest last."""

NAME = "inspector_last"

_listeners: dict[int, tuple[int, OnPattern]] = {}
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
    """The function registered with transformers: attends, and tells the last query's pattern."""
    refuse_unknown(kwargs, attention_mask)
    scale, groups = query.shape[-1] ** -0.5 if scaling is None else scaling, query.shape[1] // key.shape[1]
    key, value = (repeat(x, "b kv k d -> b (kv group) k d", group=groups) for x in (key, value))
    plain = softcap is None and s_aux is None
    pattern = _pattern(query[:, :, -1:] if plain else query, key, attention_mask, scale, softcap, s_aux)
    if plain:
        causal = attention_mask is None and query.shape[2] > 1
        out = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, is_causal=causal, scale=scale
        )
    else:
        out = (pattern @ value.float()).to(query.dtype)
    layer, listen = _listeners[id(module)]
    listen(layer, pattern[0, :, -1])
    return out.transpose(1, 2).contiguous(), None


def _pattern(
    query: Float[Tensor, "batch head query d"],
    key: Float[Tensor, "batch head key d"],
    mask: Tensor | None,
    scale: float,
    softcap: float | None,
    sink: Float[Tensor, " head"] | None,
) -> Float[Tensor, "batch head query key"]:
    """Attention probabilities of the last queries, in float32; a learned sink's share is left out of them."""
    scores = scale * query.float() @ key.float().mT
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    asked, keys = scores.shape[-2:]
    if mask is None:
        seen = torch.ones(asked, keys, dtype=torch.bool, device=scores.device).tril(keys - asked)
    else:
        seen = mask[..., -asked:, :keys]
    scores = scores.masked_fill(~seen, float("-inf"))
    if sink is None:
        return scores.softmax(dim=-1)
    extra = repeat(sink.float(), "head -> b head q 1", b=len(scores), q=asked)
    return torch.cat([scores, extra], dim=-1).softmax(dim=-1)[..., :-1]


ALL_ATTENTION_FUNCTIONS.register(NAME, _attention_function)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


@contextmanager
def last_pattern(bridge: TransformerBridge, listen: OnPattern) -> Iterator[None]:
    """Run the model's own attention modules; `listen` hears each layer's pattern of the last query of the first row.

    Raises:
        UnsupportedAttention: an attention module isn't where the bridge says it is.
    """
    with listening(bridge, NAME, _listeners, listen):
        yield

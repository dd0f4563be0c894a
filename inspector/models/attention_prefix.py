"""A prefix shared by many prompts: its keys and values are computed once, and kept once.

Few-shot prompts begin alike. Ordinary caches copy the beginning into every row of a batch, and
copy all of it again for each new token. Here a row's cache holds only what is its own; attention
over the prefix is one product for all rows, and the two parts are joined by their log-sum-exps:
softmax over both = the parts' outputs weighted by exp(lse − lse of both).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from inspector.models.attention import UnsupportedAttention, attend_part
from inspector.models.attention_streamed import unknown_arguments
from inspector.models.attention_swap import own_attention
from inspector.models.evaluating import evaluating
from inspector.models.placement import input_device

NAME = "inspector_shared"


@dataclass(frozen=True)
class Prefix:
    """Tokens that prompts begin with, and every layer's keys and values of them `[1, kv_head, pos, d_head]`."""

    ids: tuple[int, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    def cache(self, room: int) -> Cache:
        """An empty cache for rows that continue from here with up to `room` tokens of their own."""
        return Cache(layers=[_OwnPart(len(self.ids), room) for _ in self.keys])


class _OwnPart(CacheLayerMixin):
    """One layer's keys and values of each row's own tokens, in a buffer that is filled."""

    def __init__(self, shared: int, room: int) -> None:
        super().__init__()
        self.shared, self.room, self.filled = shared, room, 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys, self.values = (
            x.new_empty(x.shape[0], x.shape[1], self.room, x.shape[3]) for x in (key_states, value_states)
        )
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        stop = self.filled + key_states.shape[2]
        if stop > self.room:
            raise UnsupportedAttention(f"a cache with room for {self.room} tokens")
        self.keys[:, :, self.filled : stop] = key_states
        self.values[:, :, self.filled : stop] = value_states
        self.filled = stop
        return self.keys[:, :, :stop], self.values[:, :, :stop]

    def get_seq_length(self) -> int:
        return self.shared + self.filled

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return self.shared + self.room

    def batch_repeat_interleave(self, repeats: int) -> None:
        rows = torch.arange(self.keys.shape[0], device=self.keys.device).repeat_interleave(repeats)
        self.batch_select_indices(rows)

    def batch_select_indices(self, indices: Tensor) -> None:
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty(len(indices), *old.shape[1:])
            new[:, :, : self.filled] = old[indices, :, : self.filled]
            setattr(self, name, new)


_prefixes: dict[int, tuple[Tensor, Tensor]] = {}
"""Attention module's id → keys and values of the prefix, only while it is shared."""


def _attention_function(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function registered with transformers: each row's own tokens, joined with the prefix."""
    shared_key, shared_value = _prefixes[id(module)]
    positions, own = query.shape[2], key.shape[2]
    total = shared_key.shape[2] + own
    unknown = unknown_arguments({**kwargs, "mask": attention_mask, "softcap": softcap, "sinks": s_aux})
    if unknown or positions not in (1, own) or total > (sliding_window or total):
        raise UnsupportedAttention(f"attention with {', '.join(unknown) or 'a window'} over a shared prefix")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    kv = key.shape[1]
    if positions == 1:  # a key head's queries side by side: nothing is copied for heads that share it
        grouped = rearrange(query, "b (kv g) 1 d -> b kv g d", kv=kv)
        out, lse = attend_part(grouped, key, value, scale, causal=False)
        out, lse = rearrange(out, "b kv g d -> b (kv g) 1 d"), rearrange(lse, "b kv g -> b (kv g) 1")
    else:
        out, lse = attend_part(query, key, value, scale, causal=True)
    if shared_key.shape[2]:
        together = rearrange(query, "b (kv g) q d -> 1 kv (b g q) d", kv=kv)
        first, first_lse = attend_part(together, shared_key, shared_value, scale, causal=False)
        sizes = {"b": query.shape[0], "q": positions}
        first = rearrange(first, "1 kv (b g q) d -> b (kv g) q d", **sizes)
        first_lse = rearrange(first_lse, "1 kv (b g q) -> b (kv g) q", **sizes)
        share = torch.sigmoid(first_lse.float() - lse.float()).unsqueeze(-1)
        out = (share * first + (1 - share) * out).to(query.dtype)
    return out.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(NAME, _attention_function)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, lambda *args, **kwargs: None)


@contextmanager
def shared_prefix(bridge: TransformerBridge, prefix: Prefix) -> Iterator[None]:
    """Let forward passes with a cache of `prefix.cache()` continue from the prefix.

    Raises:
        UnsupportedAttention: attention can't be taken that way.
    """
    with own_attention(bridge, NAME) as layer_of:
        try:
            _prefixes.update({m: (prefix.keys[layer], prefix.values[layer]) for m, layer in layer_of.items()})
            yield
        finally:
            for module in layer_of:
                _prefixes.pop(module, None)


def compute_prefix(bridge: TransformerBridge, ids: tuple[int, ...]) -> Prefix:
    """One forward pass over the prefix; what it leaves in the cache.

    Raises:
        UnsupportedAttention: a layer keeps something else than all keys and values.
    """
    hf = bridge.original_model
    # Without a prefix a token is run all the same: it tells the shapes.
    tokens = torch.tensor([ids or (0,)], device=input_device(hf))
    core = getattr(hf, "base_model", hf)
    with own_attention(bridge, "sdpa"), evaluating(hf):
        cache = core(input_ids=tokens, use_cache=True).past_key_values
    layers = cache.layers if isinstance(cache, DynamicCache) else []
    if len(layers) != len(bridge.blocks) or any(getattr(layer, "keys", None) is None for layer in layers):
        raise UnsupportedAttention("a cache that isn't keys and values of every layer")
    if any(layer.keys.shape[2] != tokens.shape[1] for layer in layers):
        raise UnsupportedAttention("a window shorter than the prefix")
    keep = slice(0, len(ids))
    return Prefix(
        tuple(ids),
        tuple(layer.keys[:, :, keep] for layer in layers),
        tuple(layer.values[:, :, keep] for layer in layers),
    )

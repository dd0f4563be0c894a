"""A sliding window over the key-value cache with some early tokens kept, in one pass over a text.

StreamingLLM (Xiao et al. 2023, arXiv 2309.17453) keeps the last tokens and the first few, and counts positions
inside the cache. A token's keys and values never change once they are cached, so one pass over the whole text shows
what token by token would: every query looks at recent keys, at their own distances, and at the kept ones where they
stand in the cache, its first places. These keys must be rotated to another position for each query: the model itself
is asked for them, by running the text's beginning at shifted positions. That goes for any rotary embedding; a model
that adds positions to the stream, where no cache can re-index them, is refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from inspector.models.attention import MASKED, AttentionInputs, UnsupportedAttention, attend
from inspector.models.attention_streamed import unknown_arguments
from inspector.models.attention_swap import hooks_inside_attention, own_attention
from inspector.models.evaluating import evaluating
from inspector.models.model import Model

NAME = "inspector_windowed"


@dataclass(frozen=True)
class ShiftedKeys:
    """Keys of a text's first tokens as they would be at other positions.

    Args:
        by_layer: `[shift, kv_head, token, d_head]` of every layer.
        earlier: how many of the shifts are to earlier positions; shifts are −earlier, …, 0, 1, ….
    """

    by_layer: tuple[Tensor, ...]
    earlier: int

    @property
    def later(self) -> int:
        """How many of the shifts are to later positions."""
        return len(self.by_layer[0]) - 1 - self.earlier


def shifted_keys(model: Model, first: Sequence[int], shifts: int) -> ShiftedKeys:
    """Keys of these tokens at every shift up to `shifts`, and at every earlier one that a cache may ask for.

    Raises:
        UnsupportedAttention: positions are in the stream, or a layer caches something else than keys and values.
    """
    if not model.card["takes_position_ids"]:
        raise UnsupportedAttention("positions that can't be chosen")
    later = _layers_at(model, first, range(shifts + 1))
    if not torch.allclose(later[0].values[1:], later[0].values[:1], rtol=1e-3, atol=1e-5):
        raise UnsupportedAttention("positions that are added to the stream")
    earlier = max(0, len(first) - 1)
    if not earlier:
        return ShiftedKeys(tuple(layer.keys for layer in later), 0)
    before = _layers_at(model, first, range(-earlier, 0))
    both = zip(before, later, strict=True)
    return ShiftedKeys(tuple(torch.cat([one.keys, other.keys]) for one, other in both), earlier)


def _layers_at(model: Model, first: Sequence[int], shifts: range) -> Sequence[Any]:
    """What every layer caches of these tokens, a row for each shift of their positions."""
    hf = model.bridge.original_model
    core = getattr(hf, "base_model", hf)
    ids = torch.tensor([list(first)], device=model.device).expand(len(shifts), -1)
    positions = torch.arange(ids.shape[1], device=model.device) + torch.tensor(shifts, device=model.device)[:, None]
    with model.lock, own_attention(model.bridge, "sdpa"), evaluating(hf):
        cache = core(input_ids=ids, position_ids=positions, use_cache=True).past_key_values
    layers = cache.layers if isinstance(cache, DynamicCache) else []
    if len(layers) != len(model.bridge.blocks) or any(getattr(layer, "keys", None) is None for layer in layers):
        raise UnsupportedAttention("a cache that isn't keys and values of every layer")
    return layers


@dataclass(frozen=True)
class _Window:
    """What attention must know while a window is in force.

    Args:
        size: tokens in the cache.
        seen: what each query looks at, at its own distance.
        tokens: what some queries past `size` look at from elsewhere.
        moved: whether such a query does, and with which of the layer's `keys`.
    """

    size: int
    seen: Bool[Tensor, "query key"]
    tokens: Int[Tensor, " moved"]
    moved: Bool[Tensor, "overflow moved"]
    shift: Int[Tensor, "overflow moved"]
    keys: Float[Tensor, "shift kv_head first d_head"]


_windows: dict[int, _Window] = {}
"""Attention module's id → its window, only while a pass runs."""


def _attention_function(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function registered with transformers: keys where they were and moved ones, joined by their log-sum-exps."""
    window, length = _windows[id(module)], query.shape[2]
    near = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    if unknown := unknown_arguments({name: x for name, x in kwargs.items() if name != "sliding_window"}):
        raise UnsupportedAttention(f"attention with {', '.join(unknown)}")
    if attention_mask is not None and not (attention_mask == near).all():
        raise UnsupportedAttention("attention with a mask of its own")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out, lse = attend(AttentionInputs(query, key, value, window.seen[None, None, :length, :length], scale))
    full = slice(window.size, length)  # queries for which the cache has overflowed
    if len(window.tokens) and length > window.size:
        group, past = query.shape[1] // key.shape[1], slice(0, length - window.size)
        keys = window.keys[window.shift[past], :, window.tokens]
        keys = repeat(keys, "q k kv d -> q (kv g) k d", g=group)
        values = repeat(value[:, :, window.tokens], "b kv k d -> b (kv g) k d", g=group)
        scores = scale * torch.einsum("bhqd, qhkd -> bhqk", query[:, :, full].float(), keys.float())
        scores = scores.masked_fill(~window.moved[past], MASKED)
        kept = torch.einsum("bhqk, bhkd -> bhqd", scores.softmax(dim=-1), values.float())
        share = torch.sigmoid(scores.logsumexp(dim=-1) - lse[:, :, full].float()).unsqueeze(-1)
        joined = (share * kept + (1 - share) * out[:, :, full]).to(query.dtype)
        out = torch.cat([out[:, :, : window.size], joined], dim=2)
    return out.transpose(1, 2).contiguous(), None


def _contents(length: int, size: int, kept: Sequence[int]) -> Iterator[list[int]]:
    """The tokens in the cache when each token is added, in their order there: once it is full, the kept ones first."""
    cached: list[int] = []
    for token in range(length):
        cached.append(token)
        if len(cached) > size:
            oldest = token - (size - len(kept))
            stay = [one for one in cached if one in kept]
            cached = stay + [one for one in cached if one > oldest and one not in kept]
        yield cached


def _looks(size: int, kept: Sequence[int], keys: ShiftedKeys) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`seen`, `tokens`, `moved` and `shift` of a `_Window`."""
    length, first = size + keys.later, keys.by_layer[0].shape[2]
    seen = np.zeros((length, length), dtype=bool)
    shift, moved = np.zeros((keys.later, first), dtype=np.int64), np.zeros((keys.later, first), dtype=bool)
    for query, cached in enumerate(_contents(length, size, kept)):
        token = np.array(cached)
        by = np.arange(query - len(token) + 1, query + 1) - token  # the query is the cache's last
        seen[query, token[by == 0]] = True
        if by.any():
            moved[query - size, token[by != 0]] = True
            shift[query - size, token[by != 0]] = by[by != 0] + keys.earlier
    tokens = np.flatnonzero(moved.any(axis=0))
    found = (seen, tokens, moved[:, tokens], shift[:, tokens])
    return tuple(map(torch.from_numpy, found))


ALL_ATTENTION_FUNCTIONS.register(NAME, _attention_function)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


@contextmanager
def windowed_attention(model: Model, size: int, kept: Sequence[int], keys: ShiftedKeys) -> Iterator[None]:
    """Let `Model.logits` of one text see what a cache of `size` tokens holds, with these first positions kept.

    Args:
        model: from `load_model`.
        size: tokens in the cache, the kept ones among them.
        kept: positions of early tokens that stay; each under the number of tokens in `keys`.
        keys: of this text's first tokens, with a shift for every token past `size`.

    Raises:
        UnsupportedAttention: attention can't be taken that way.
    """
    with model.lock, own_attention(model.bridge, NAME) as layer_of:
        if inside := hooks_inside_attention(model):
            raise UnsupportedAttention(f"a hook at {inside[0]}, which would not fire")
        if size + keys.later > (model.rotary_switch or size + keys.later):
            raise UnsupportedAttention("positions that are rotated by the text's length")
        looks = _looks(size, kept, keys)
        try:
            for attention, layer in layer_of.items():
                own = keys.by_layer[layer]
                seen, tokens, moved, shift = (x.to(own.device) for x in looks)
                _windows[attention] = _Window(size, seen, tokens, moved, shift, own)
            yield
        finally:
            for module in layer_of:
                _windows.pop(module, None)

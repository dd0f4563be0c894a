"""A sliding window over the key-value cache with some early tokens kept, in one pass over a text.

StreamingLLM (Xiao et al. 2023, arXiv 2309.17453) keeps the last tokens and the first few, and counts positions
inside the cache. A token's keys and values never change once they are cached, so one pass over the whole text shows
what token by token would: every query looks at a band of recent keys, at their own distances, and at the kept ones,
as near as the cache is long. The kept keys must be rotated to another position for each query: the model itself is
asked for them, by running the text's beginning at shifted positions. That goes for any rotary embedding; a model
that adds positions to the stream, where no cache can re-index them, is refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from einops import repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from inspector.models.attention import AttentionInputs, UnsupportedAttention, attend
from inspector.models.attention_streamed import unknown_arguments
from inspector.models.attention_swap import hooks_inside_attention, own_attention
from inspector.models.model import Model

NAME = "inspector_windowed"


@dataclass(frozen=True)
class ShiftedKeys:
    """Keys of a text's first tokens as they would be 1, 2, … positions later.

    Args:
        by_layer: `[shift, kv_head, token, d_head]` of every layer.
    """

    by_layer: tuple[Tensor, ...]


def shifted_keys(model: Model, first: Sequence[int], shifts: int) -> ShiftedKeys:
    """Keys of these tokens at every shift from 1 to `shifts`.

    Raises:
        UnsupportedAttention: positions are in the stream, or a layer caches something else than keys and values.
    """
    hf = model.bridge.original_model
    core = getattr(hf, "base_model", hf)
    ids = torch.tensor([list(first)], device=model.device).expand(shifts + 1, -1)
    positions = torch.arange(ids.shape[1], device=model.device) + torch.arange(len(ids), device=model.device)[:, None]
    if not model.card["takes_position_ids"]:
        raise UnsupportedAttention("positions that can't be chosen")
    with model.lock, own_attention(model.bridge, "sdpa"), torch.no_grad():
        cache = core(input_ids=ids, position_ids=positions, use_cache=True).past_key_values
    layers = cache.layers if isinstance(cache, DynamicCache) else []
    if len(layers) != len(model.bridge.blocks) or any(getattr(layer, "keys", None) is None for layer in layers):
        raise UnsupportedAttention("a cache that isn't keys and values of every layer")
    if not torch.allclose(layers[0].values[1:], layers[0].values[:1], rtol=1e-3, atol=1e-5):
        raise UnsupportedAttention("positions that are added to the stream")
    return ShiftedKeys(tuple(layer.keys[1:] for layer in layers))


@dataclass(frozen=True)
class _Window:
    """What attention must know while a window is in force."""

    size: int
    kept: Int[Tensor, " kept"]
    keys: Float[Tensor, "shift kv_head token d_head"]


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
    """The function registered with transformers: the band and the kept keys, joined by their log-sum-exps."""
    window, length = _windows[id(module)], query.shape[2]
    near, far = _distances(length, query.device)
    if unknown := unknown_arguments({name: x for name, x in kwargs.items() if name != "sliding_window"}):
        raise UnsupportedAttention(f"attention with {', '.join(unknown)}")
    if attention_mask is not None and not (attention_mask == near).all():
        raise UnsupportedAttention("attention with a mask of its own")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    recent = window.size - len(window.kept)
    seen = near & ((far < recent) | (torch.arange(length, device=query.device) < window.size)[:, None])
    out, lse = attend(AttentionInputs(query, key, value, seen[None, None], scale))
    full = slice(window.size, length)  # queries for which the cache has overflowed
    if len(window.kept) and length > window.size:
        group = query.shape[1] // key.shape[1]
        keys = repeat(window.keys[: length - window.size, :, window.kept], "q kv k d -> q (kv g) k d", g=group)
        values = repeat(value[:, :, window.kept], "b kv k d -> b (kv g) k d", g=group)
        scores = scale * torch.einsum("bhqd, qhkd -> bhqk", query[:, :, full].float(), keys.float())
        kept = torch.einsum("bhqk, bhkd -> bhqd", scores.softmax(dim=-1), values.float())
        share = torch.sigmoid(scores.logsumexp(dim=-1) - lse[:, :, full].float()).unsqueeze(-1)
        joined = (share * kept + (1 - share) * out[:, :, full]).to(query.dtype)
        out = torch.cat([out[:, :, : window.size], joined], dim=2)
    return out.transpose(1, 2).contiguous(), None


def _distances(length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Whether a query may see a key, and how far back it is `[query, key]`."""
    position = torch.arange(length, device=device)
    back = position[:, None] - position
    return back >= 0, back


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
        places = torch.tensor(list(kept), dtype=torch.int64, device=model.device)
        try:
            _windows.update({m: _Window(size, places, keys.by_layer[layer]) for m, layer in layer_of.items()})
            yield
        finally:
            for module in layer_of:
                _windows.pop(module, None)

"""Reading activations during forward passes: hooks at sites, and attention by its execution path."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from einops import rearrange, repeat
from torch import Tensor

from inspector.errors import ModelError
from inspector.models.attention import AttentionInputs, StreamedAttention, WholeAttention
from inspector.models.attention_prefix import Prefix, shared_prefix
from inspector.models.attention_streamed import streamed_attention
from inspector.models.attention_swap import hooks_inside_attention
from inspector.models.model import AttentionRoute, Model, hooked, logits_read
from inspector.sites import Site

Read = Callable[[Site, Tensor | StreamedAttention | WholeAttention], None]
"""Called at each site, in the order of the forward pass."""


def route_now(model: Model) -> AttentionRoute:
    """The execution path of attention in a pass that starts now.

    Hooks of the user's inside the bridge's attention only fire on the bridge's own attention, so
    while there are any, whole patterns are read.
    """
    if model.route == "streamed" and hooks_inside_attention(model):
        return "eager"
    return model.route


@contextmanager
def reading(model: Model, kinds: Sequence[str], read: Read, prefix: Prefix | None = None) -> Iterator[None]:
    """Hand every activation of these kinds to `read` while the context lasts, then leave no trace.

    With a `prefix` passes may continue from it; attention is not read then.

    Raises:
        ModelError: the model has no site of one of the kinds.
    """
    for kind in kinds:
        if not model.shape.has(kind):
            raise ModelError(f"{model.card['architecture']} has no site of the kind '{kind}'.")
    points = {site: point for site, point in model.hooks.items() if site.kind in kinds}
    with model.lock, ExitStack() as stack:
        stack.enter_context(hooked(points, read))
        if "logits" in kinds:
            site = Site("logits", model.shape.layers)
            stack.enter_context(logits_read(model.bridge, partial(read, site)))
        if prefix is not None:
            stack.enter_context(shared_prefix(model.bridge, prefix))
        # The streamed path is also the faster one, so it is taken whether attention is read or not.
        elif route_now(model) == "streamed":
            stack.enter_context(_streamed(model, read if "attention" in kinds else None))
        elif "attention" in kinds:
            stack.enter_context(_whole(model, read))
        yield


@contextmanager
def _streamed(model: Model, read: Read | None) -> Iterator[None]:
    def listen(layer: int, inputs: AttentionInputs, lse: Tensor) -> None:
        if read is not None:
            read(Site("attention", layer), StreamedAttention(inputs, lse))

    with streamed_attention(model.bridge, listen):
        yield


@contextmanager
def _whole(model: Model, read: Read) -> Iterator[None]:
    values: dict[int, Tensor] = {}

    def take(site: Site, x: Tensor) -> None:
        if site.kind == "value":
            values[site.layer] = x
        else:
            norms = _value_norms(values.pop(site.layer, None), x, model.shape.kv_heads)
            read(Site("attention", site.layer), WholeAttention(x, norms))

    points = {}
    for layer in model.shape.layers_of("attention"):
        attn = model.bridge.blocks[layer].attn
        points[Site("pattern", layer)] = attn.hook_pattern
        if (value := getattr(attn, "hook_v", None)) is not None:
            points[Site("value", layer)] = value
    with hooked(points, take):
        yield


def _value_norms(value: Tensor | None, pattern: Tensor, kv_heads: int) -> Tensor:
    """‖v‖ `[batch, head, pos]` of a bridge's hook_v in either of its layouts; NaN in any other."""
    batch, heads, length, _ = pattern.shape
    if value is not None and value.shape[:2] == (batch, length):
        if value.ndim == 3 and value.shape[2] % kv_heads == 0:
            value = rearrange(value, "b p (kv d) -> b p kv d", kv=kv_heads)
        if value.ndim == 4 and heads % value.shape[2] == 0:
            norm = rearrange(value.float().norm(dim=-1), "b p kv -> b kv p")
            return repeat(norm, "b kv p -> b (kv group) p", group=heads // norm.shape[1])
    return torch.full((batch, heads, length), torch.nan, device=pattern.device)

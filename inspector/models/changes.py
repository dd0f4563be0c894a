"""Changing what a model computes: hooks that give other activations, and which changes are in force."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from inspector.models.experts import points_of
from inspector.models.model import Model
from inspector.sites import Site

Change = Callable[..., Tensor | None]
"""A hook: called with an activation, it gives the changed one, or None where nothing changes."""

Begin = Callable[[Any, tuple[Any, ...], dict[str, Any]], None]
"""Called with the module that is about to run, and with what it was called with."""

_changes: WeakKeyDictionary[TransformerBridge, list[list[object]]] = WeakKeyDictionary()
"""What each open context changes, the outermost first; read and written under the model's lock."""

_own_hooks: set[int] = set()
"""Ids of the hooks by which that is done; torch never gives an id again."""


def changes_in_force(model: Model) -> tuple[object, ...]:
    """Everything that open contexts change in this model's activations, in the order it is applied."""
    return tuple(change for context in _changes.get(model.bridge, ()) for change in context)


@contextmanager
def in_force(model: Model, changes: tuple[object, ...]) -> Iterator[None]:
    """Tell that these changes, which compare by value, are applied while the context lasts.

    So nothing that was computed under other changes, a prefix for example, is reused.
    """
    contexts = _changes.setdefault(model.bridge, [])
    mine = list(changes)
    contexts.append(mine)
    try:
        yield
    finally:
        # By identity: contexts held by generators may end in any order, and two may change the same.
        contexts[:] = [context for context in contexts if context is not mine]


def state_of(model: Model) -> tuple[object, ...]:
    """What a model computes depends on: the changes in force, and all other hooks on it, by their ids.

    Nothing that was found in one state holds in another.
    """
    modules = {id(m): m for part in (model.bridge, model.bridge.original_model) for m in part.modules()}
    modules |= {id(point): point for point in points_of(model.bridge).values()}
    hooks = {key for m in modules.values() for key in (*m._forward_hooks, *m._forward_pre_hooks)}
    return *changes_in_force(model), frozenset(hooks - _own_hooks)


@contextmanager
def change_at(model: Model, site: Site, change: Change) -> Iterator[None]:
    """Have `change` give a site's activations while the context lasts; at `attention` the scores before the softmax.

    Only the bridge's own attention has scores: see `bridge_attends` and `unchangeable_scores`.
    """
    attends = site.kind == "attention"
    point = model.bridge.blocks[site.layer].attn.hook_attn_scores if attends else model.hooks[site]
    with _hooked(point, change):
        yield


@contextmanager
def before_passes(model: Model, begin: Begin) -> Iterator[None]:
    """Have `begin` called before each forward pass, of the whole model or of its core alone."""
    hf = model.bridge.original_model
    with ExitStack() as stack:
        # Some models run their core without calling it, and some passes call the core alone.
        for module in dict.fromkeys((hf, getattr(hf, "base_model", hf))):
            handle = module.register_forward_pre_hook(begin, with_kwargs=True)
            stack.callback(handle.remove)
            stack.enter_context(known_hook(handle.id))
        yield


def bridge_attends(model: Model, layer: int) -> bool:
    """Whether a pass that starts now runs the bridge's attention in this layer, not the model's own."""
    block = model.bridge.blocks[layer]
    return any(part is block.attn for part in block.original_component.modules())


def unchangeable_scores(model: Model, layers: Sequence[int]) -> list[int]:
    """Layers in which a change of attention's scores doesn't show in its pattern, tried on a few tokens.

    There attention is computed where no hook reaches.
    """
    zero: dict[int, bool] = {}

    def hide(scores: Tensor, hook: Any) -> Tensor:
        return torch.cat([torch.full_like(scores[..., :1], torch.finfo(scores.dtype).min), scores[..., 1:]], dim=-1)

    def look(layer: int) -> Callable[..., None]:
        return lambda pattern, hook: zero.update({layer: bool((pattern[..., 1:, 0] == 0).all())})

    if not layers:
        return []
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the bridge's own, where it can't heed a change
        for layer in layers:
            attn = model.bridge.blocks[layer].attn
            if hasattr(attn, "hook_attn_scores") and hasattr(attn, "hook_pattern"):
                stack.enter_context(_hooked(attn.hook_attn_scores, hide))
                stack.enter_context(_hooked(attn.hook_pattern, look(layer)))
        model.logits(torch.arange(4, device=model.device).remainder(model.shape.vocab).unsqueeze(0))
    return [layer for layer in layers if not zero.get(layer)]


@contextmanager
def _hooked(point: Any, change: Change) -> Iterator[None]:
    """Have `change` change what passes this point; permanent, for `reset_hooks` of the user's would take it away."""
    handle = point.add_hook(change, is_permanent=True)
    try:
        with known_hook(handle.hook.id):
            yield
    finally:
        handle.hook.remove()
        point.fwd_hooks = [kept for kept in point.fwd_hooks if kept is not handle]


@contextmanager
def known_hook(hook: int) -> Iterator[None]:
    """A hook of this package's own, which is nobody else's, while the context lasts."""
    _own_hooks.add(hook)
    try:
        yield
    finally:
        _own_hooks.discard(hook)


def hooks_of_others(model: Model) -> list[str]:
    """Names of the modules and hook points with hooks that neither TransformerLens nor `intervene` put there."""
    named = {id(m): name for name, m in reversed(list(model.bridge.named_modules()))}
    found = []
    experts = {id(point): f"blocks.{layer}.mlp.experts" for layer, point in points_of(model.bridge).items()}
    named |= experts
    every = (model.bridge, *model.bridge.original_model.modules(), *model.bridge.modules())
    for part in (*every, *points_of(model.bridge).values()):
        hooks = {**part._forward_pre_hooks, **part._forward_hooks}
        theirs = [key for key, hook in hooks.items() if isinstance(part, HookPoint) or not _by_a_library(hook)]
        if set(theirs) - _own_hooks:
            found.append(named.get(id(part), type(part).__name__).replace("._original_component", ""))
    return list(dict.fromkeys(found))


def _by_a_library(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).partition(".")[0] in ("transformer_lens", "inspector", "accelerate")

"""Putting a model's own attention modules back in the bridge's place, for the length of a pass.

TransformerBridge recomputes attention in Python and holds [head, query, key] in float32. Its hooks
outside attention don't need that: they still fire, and so do those on attention's output.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from inspector.models.attention import UnsupportedAttention
from inspector.models.model import Model, attention_layers


@contextmanager
def own_attention(bridge: TransformerBridge, implementation: str | None) -> Iterator[dict[int, int]]:
    """Run the model's own attention modules; gives each one's `id` → its layer. All is undone afterwards.

    Args:
        bridge: the model.
        implementation: the attention function to select in transformers' attention interface; what
            the model's configuration says where None.

    Raises:
        UnsupportedAttention: an attention module isn't where the bridge says it is.
    """
    swapped: list[tuple[nn.Module, str, nn.Module]] = []
    configs = _attention_configs(bridge) if implementation else []
    before = [config._attn_implementation for config in configs]
    layer_of: dict[int, int] = {}
    handles: list[Any] = []
    try:
        for layer in attention_layers(bridge):
            attn = bridge.blocks[layer].attn
            own = attn.original_component
            layer_of[id(own)] = layer
            if any(part is own for part in _outside(bridge.blocks[layer].original_component, attn)):
                continue  # inside another such context, which undoes it
            for parent, name in _places(bridge.blocks[layer].original_component, attn):
                parent._modules[name] = own
                swapped.append((parent, name, attn))
            handles.append(own.register_forward_hook(_on_output(attn), with_kwargs=True))
        for config in configs:
            config._attn_implementation = implementation
        yield layer_of
    finally:
        for parent, name, attn in swapped:
            parent._modules[name] = attn
        for config, chosen in zip(configs, before, strict=True):
            config._attn_implementation = chosen
        for handle in handles:
            handle.remove()


@contextmanager
def listening(
    bridge: TransformerBridge, implementation: str, listeners: dict[int, tuple[int, Any]], listen: Any
) -> Iterator[None]:
    """Run the model's own attention modules with an attention function of ours, which looks its listener up by module.

    Args:
        bridge: the model.
        implementation: the function's name in transformers' attention interface.
        listeners: the function's table, attention module's `id` → (layer, listener); an outer context's come back.
        listen: goes into it for every layer.

    Raises:
        UnsupportedAttention: an attention module isn't where the bridge says it is.
    """
    with own_attention(bridge, implementation) as layer_of:
        before = {module: listeners[module] for module in layer_of if module in listeners}
        try:
            listeners.update({module: (layer, listen) for module, layer in layer_of.items()})
            yield
        finally:
            for module in layer_of:
                listeners.pop(module, None)
            listeners.update(before)


def hooks_inside_attention(model: Model) -> list[str]:
    """Names of hook points that only fire on the bridge's own attention, and that hold hooks."""
    return points_with_hooks(model.bridge)


def points_with_hooks(bridge: TransformerBridge) -> list[str]:
    """See `hooks_inside_attention`."""
    return [name for layer in attention_layers(bridge) for name in _unreached(bridge.blocks[layer].attn, layer)]


def _unreached(attn: nn.Module, layer: int) -> Iterator[str]:
    """Names of this attention's modules that hold hooks and don't run when the model's own attention does.

    Its own projections run in both, where the bridge has put its parts into the model. Where queries, keys and values
    are one matrix, or the output's is shared, the bridge runs parts that the model does not have.
    """
    run_by_both = {*map(id, attn.original_component.modules()), id(attn.hook_out)}
    for name, module in attn.named_modules():
        hooks = module._forward_pre_hooks if module is attn else {**module._forward_pre_hooks, **module._forward_hooks}
        if hooks and id(module) not in run_by_both:
            yield f"blocks.{layer}.attn.{name}".rstrip(".")


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
    # Looked up where modules keep their own: asking each part of a bridge for one it hasn't takes as long as a layer.
    found = {id(c): c for m in bridge.original_model.modules() if (c := vars(m).get("config")) is not None}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]


def _outside(block: nn.Module, attn: nn.Module) -> Iterator[nn.Module]:
    """Modules of a block that stand in it themselves, not behind the bridge's attention."""
    for child in block._modules.values():
        if child is not None and child is not attn:
            yield child
            yield from _outside(child, attn)


def _places(block: nn.Module, attn: nn.Module) -> list[tuple[nn.Module, str]]:
    places = [(m, name) for m in block.modules() for name, child in m._modules.items() if child is attn]
    if not places:
        raise UnsupportedAttention("an attention module that is not in its layer's module table")
    return places

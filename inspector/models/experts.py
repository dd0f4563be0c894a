"""Neurons of routed experts: a mixture's experts side by side, as if they were one MLP with a very wide middle.

Neuron e · width + j is neuron j of expert e. What it carries at a token is its activation times the token's weight of
its expert, 0 where the token isn't routed there; times the last matrices of all experts it gives what the experts add.
transformers' modules of experts have one form (`down_proj`, `gate_up_proj`, `_apply_gate`), which is taken here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from inspector.models.placement import present

POINTS = "_inspector_experts"
"""The bridge's attribute that holds the hook points, by layer; no module of it."""


class ExpertsPoint(HookPoint):
    """Where the neurons of one layer's experts are read and changed, `[batch, pos, neuron]`.

    Nothing is computed in a pass while no hook is here. What a hook changes is added to what the experts gave.

    Args:
        block: the mixture: router and experts.
        experts: the module that holds their matrices.
    """

    experts: Any

    def __init__(self, block: nn.Module, experts: Any) -> None:
        super().__init__()
        object.__setattr__(self, "experts", experts)  # not as a part of this module
        self._shape: tuple[int, ...] = ()
        self._handles = (
            block.register_forward_pre_hook(self._enter, with_kwargs=True),
            experts.register_forward_hook(self._leave, with_kwargs=True),
        )

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = args[0] if args else next(iter(kwargs.values()))
        self._shape = tuple(given.shape[:-1])

    def _leave(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Tensor | None:
        if not self.fwd_hooks:
            return None
        hidden, index, weight = (*args, *kwargs.values())[:3]
        with present(module):
            z = neurons(module, hidden, index, weight)
            given = z.clone().reshape(*self._shape, -1)  # a hook may write to what it is given
            more = self(given).reshape(z.shape) - z
            changed = more.ne(0).any(dim=0).nonzero().squeeze(1)
            if not len(changed):
                return None
            return out + (more[:, changed] @ rows_of(module, changed)).reshape(out.shape).to(out.dtype)

    def remove(self) -> None:
        """Take the hooks out of the model again."""
        for handle in self._handles:
            handle.remove()


def points_of(bridge: TransformerBridge) -> dict[int, ExpertsPoint]:
    """A hook point for each layer with routed experts; the same ones whenever the bridge is asked."""
    if POINTS not in vars(bridge):
        found = {}
        for layer, block in enumerate(bridge.blocks):
            mixture = getattr(block._modules.get("mlp"), "original_component", None)
            experts = None if mixture is None else next(filter(_is_experts, mixture.modules()), None)
            if mixture is not None and experts is not None:
                found[layer] = ExpertsPoint(mixture, experts)
        vars(bridge)[POINTS] = found
    points: dict[int, ExpertsPoint] = vars(bridge)[POINTS]
    return points


def remove_points(hf: nn.Module) -> None:
    """Take all of them out of a model again."""
    for module in hf.modules():
        for hook in [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]:
            if isinstance(point := getattr(hook, "__self__", None), ExpertsPoint):
                point.remove()


def _is_experts(module: Any) -> bool:
    """Whether a module holds experts' matrices in the form that is known here."""
    down = getattr(module, "down_proj", None)
    known = isinstance(down, Tensor) and down.ndim == 3 and hasattr(module, "_apply_gate")
    return known and not getattr(module, "has_post_expert_norm", True)


def matrix(experts: Any) -> Float[Tensor, "neuron d_model"]:
    """The experts' last matrices one under another, neurons in rows."""
    down = experts.down_proj if experts.is_transposed else experts.down_proj.transpose(1, 2)
    return down.reshape(-1, down.shape[2])


def rows_of(experts: Any, numbers: Int[Tensor, " chosen"]) -> Float[Tensor, "chosen d_model"]:
    """What some of the experts' neurons write."""
    inner = width(experts) // len(experts.down_proj)
    expert, neuron = numbers // inner, numbers % inner
    return experts.down_proj[expert, neuron] if experts.is_transposed else experts.down_proj[expert, :, neuron]


def width(experts: Any) -> int:
    """How many neurons all experts have together."""
    return int(experts.down_proj.shape[0] * experts.down_proj.shape[1 if experts.is_transposed else 2])


def bias(
    experts: Any, index: Int[Tensor, "token choice"], weight: Float[Tensor, "token choice"]
) -> Float[Tensor, "token d_model"] | float:
    """What the experts' biases add; 0 without any."""
    if not experts.has_bias:
        return 0.0
    return (experts.down_proj_bias[index] * weight.unsqueeze(-1)).sum(dim=1)


def neurons(
    experts: Any,
    hidden: Float[Tensor, "token d_model"],
    index: Int[Tensor, "token choice"],
    weight: Float[Tensor, "token choice"],
) -> Float[Tensor, "token neuron"]:
    """Activations of all experts' neurons at each token, times the token's weight of the expert."""
    count, first = len(experts.down_proj), "gate_up_proj" if experts.has_gate else "up_proj"
    found = hidden.new_zeros(len(hidden), count, width(experts) // count)
    for expert in index.unique().tolist():
        if expert >= count:
            continue  # no expert of this device
        token, choice = torch.where(index == expert)
        inner = getattr(experts, first)[expert]
        x = hidden[token] @ (inner if experts.is_transposed else inner.T)
        if experts.has_bias:
            x = x + getattr(experts, f"{first}_bias")[expert]
        z = experts._apply_gate(x) if experts.has_gate else experts.act_fn(x)
        z = z * weight[token, choice].unsqueeze(-1)
        found[:, expert].index_add_(0, token, z.to(found.dtype))
    return found.reshape(len(hidden), -1)


@contextmanager
def recorded(bridge: TransformerBridge) -> Iterator[dict[int, tuple[Tensor, Tensor, Tensor, Tensor]]]:
    """By layer what experts were given in the passes of the context (states, choices, weights), and what they gave."""
    found: dict[int, tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    def keep(layer: int) -> Any:
        return lambda module, args, kwargs, out: found.__setitem__(layer, (*(*args, *kwargs.values())[:3], out))

    points = points_of(bridge).items()
    handles = [point.experts.register_forward_hook(keep(layer), with_kwargs=True) for layer, point in points]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def multiply(experts: Any, hidden: Tensor, index: Tensor, weight: Tensor, out: Tensor) -> bool:
    """Whether the experts' neurons times their matrices give what they gave."""
    with present(experts):
        got = neurons(experts, hidden, index, weight).float() @ matrix(experts).float() + bias(experts, index, weight)
    return bool((got - out.float()).abs().max() <= 0.02 * out.float().abs().max() + 1e-6)

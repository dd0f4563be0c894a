"""A model's matrices: what they are given and what they give, changed for a while without touching a weight."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from inspector.errors import ModelError
from inspector.models.attention_streamed import CacheChange, cache_changed, streamed_attention
from inspector.models.changes import WHOLE_TEXTS, in_force, known_hook, running
from inspector.models.model import Model
from inspector.models.placement import present

TensorChange = Callable[[Tensor], Tensor]

_reached: WeakKeyDictionary[Any, set[int]] = WeakKeyDictionary()
"""A bridge's modules that a pass was seen to run, by id."""


@dataclass(frozen=True)
class Matrix:
    """A linear map inside a block.

    Args:
        layer: its block.
        name: of its module, as in the checkpoint: "model.layers.3.mlp.down_proj".
        reads: `stream` where its input is the (normed) residual stream, `neurons` of the MLP's last matrix, `heads` of
            attention's last one, or `other`.
    """

    layer: int
    name: str
    reads: str

    @property
    def part(self) -> str:
        """Its name inside the block: "down_proj"."""
        return self.name.rpartition(".")[2]


def matrices_of(model: Model) -> dict[Matrix, nn.Module]:
    """The linear maps of all blocks with their modules, in the order of the model.

    Experts' matrices, which are one tensor for all, and weights that are stored quantised are not among them.
    """
    found = dict[Matrix, nn.Module]()
    place = {id(module): name for name, module in _plain_modules(model.bridge.original_model)}
    for layer, block in enumerate(model.bridge.blocks):
        last, out = _inner(block, "mlp", "out"), _inner(block, "attn", "o")
        for _, module in _plain_modules(block.original_component):
            if type(module) not in (nn.Linear, Conv1D) or id(module) not in place:
                continue
            found[Matrix(layer, place[id(module)], _reads(model, module, last, out))] = module
    if not found:
        raise ModelError(f"{model.card['architecture']} has no matrices that can be quantised one by one.")
    return found


def _reads(model: Model, module: nn.Module, last: nn.Module | None, out: nn.Module | None) -> str:
    width = weight_of(module).shape[1]
    if module is last:
        return "neurons"
    if module is out:
        return "heads" if width == model.shape.heads * model.shape.d_head else "other"
    return "stream" if width == model.shape.d_model else "other"


def _plain_modules(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The checkpoint's own modules under their names, without the bridge's parts around and beside them."""
    if (own := module._modules.get("_original_component")) is not None:
        yield from _plain_modules(own, name)
        return
    yield name, module
    for child, part in module._modules.items():
        if part is not None:
            yield from _plain_modules(part, f"{name}.{child}".lstrip("."))


def _inner(block: Any, *path: str) -> Any:
    """The plain module behind a part of a block; None where it has none."""
    for name in path:
        block = getattr(block, "_modules", {}).get(name)
    return getattr(block, "original_component", None)


@dataclass(frozen=True)
class Multiplied:
    """How one matrix multiplies for a while.

    Args:
        inputs: makes what it is given `[row, token, dim]`; None leaves it.
        weights: makes its weights `[out, in]`; None leaves them.
    """

    inputs: TensorChange | None = None
    weights: TensorChange | None = None


@contextmanager
def multiplied(
    model: Model,
    changes: Mapping[nn.Module, Multiplied],
    told: tuple[object, ...],
    cache: Mapping[int, CacheChange] | None = None,
) -> Iterator[None]:
    """Have these matrices multiply otherwise, and keys and values be other ones, while the context lasts.

    Args:
        model: from `load_model`.
        changes: by module.
        told: what is done, as values: nothing that was computed under other changes is used meanwhile.
        cache: by layer, what keys and values become.

    Raises:
        ModelError: keys and values are to be changed, and this model's attention isn't streamed.
    """
    if cache and model.route != "streamed":
        raise ModelError(f"{model.card['architecture']} has attention whose keys and values can't be quantised here.")
    with model.lock, ExitStack() as stack:
        if model.route == "streamed":  # a bridge's own attention may multiply by copies of the weights
            stack.enter_context(streamed_attention(model.bridge, lambda *seen: None))
        for module, change in changes.items():
            stack.enter_context(_multiplying(module, change))
        if cache:
            stack.enter_context(cache_changed(model.bridge, cache))
        stack.enter_context(in_force(model, (*told, WHOLE_TEXTS)))
        _refuse_unreached(model, changes)
        yield


def _refuse_unreached(model: Model, modules: Collection[nn.Module]) -> None:
    """Check by a few tokens that a pass runs all of these.

    Raises:
        ModelError: it doesn't: they are computed where no hook reaches.
    """
    known = _reached.setdefault(model.bridge, set())
    if known.issuperset(map(id, modules)):
        return
    seen: set[int] = set()
    handles = [module.register_forward_hook(lambda m, args, out: seen.add(id(m))) for module in modules]
    try:
        model.logits(torch.zeros((1, 2), dtype=torch.int64, device=model.device))
    finally:
        for handle in handles:
            handle.remove()
    if len(seen) < len(modules):
        raise ModelError(
            f"{model.card['architecture']} computes {len(modules) - len(seen)} of {len(modules)} matrices where no "
            "hook reaches, so they can't be quantised. Name others (only)."
        )
    known |= seen


@contextmanager
def _multiplying(module: Any, change: Multiplied) -> Iterator[None]:
    """One matrix that multiplies otherwise; hooks of the user's on it fire as before."""

    def before(m: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (change.inputs(args[0]), *args[1:]) if change.inputs is not None else args

    def forward(x: Tensor) -> Tensor:
        assert change.weights is not None
        with present(module):  # what runs instead is accelerate's forward, which brings an offloaded weight
            weight = change.weights(weight_of(module))
            return functional.linear(x.to(weight.device), weight, module.bias)

    handle = module.register_forward_pre_hook(before)
    try:
        with known_hook(handle.id), nullcontext() if change.weights is None else running(module, forward):
            yield
    finally:
        handle.remove()


def weight_of(module: Any) -> Float[Tensor, "out in"]:
    """A matrix's weights, outputs in rows."""
    weight: Tensor = module.weight if type(module) is nn.Linear else module.weight.T
    return weight.detach()

"""Where a model's weights are: on one device, over several, or away until accelerate brings them for a call."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.hooks import AlignDevicesHook, SequentialHook
from accelerate.utils import send_to_device
from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

from inspector.errors import ModelError
from inspector.models.backend import Backend
from inspector.printable import printable

MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
"""Maps that accelerate works out by itself."""


@dataclass(frozen=True)
class Where:
    """Where a model is to be loaded.

    Args:
        backend: of the one device, or of the fastest one of a map.
        map: accelerate's, from modules to devices; None for one device.
    """

    backend: Backend
    map: str | dict[str, str | int] | None

    @staticmethod
    def named(device: Any, device_map: Any) -> "Where":
        """A device, or a map of several, as a user names them.

        Raises:
            ModelError: both are given, there is no such map, or one of its devices can't be used.
        """
        if device_map is None:
            return Where(Backend.named(device), None)
        if device is not None:
            raise ModelError(
                f"Got device {printable(device)[:20]} and a device_map, which are two ways to say the same. Give one."
            )
        if isinstance(device_map, str):
            if device_map not in MAPS:
                raise ModelError(
                    f"No device_map '{printable(device_map)[:40]}'. Use {', '.join(MAPS)}, or names of modules with "
                    "their devices; for one device, device."
                )
            return Where(Backend.named(None), device_map)
        return Where._placed(dict(device_map))

    @staticmethod
    def _placed(map_: dict[Any, Any]) -> "Where":
        for part, place in map_.items():
            plain = isinstance(place, int | str) and not isinstance(place, bool) and place != "meta"
            if not isinstance(part, str) or not plain:
                raise ModelError(
                    f"In device_map {printable(repr(part))[:60]} is put on {printable(repr(place))[:20]}. Give names "
                    "of modules with numbers of cards, names of devices, cpu or disk."
                )
        names = [f"cuda:{place}" if isinstance(place, int) else place for place in map_.values() if place != "disk"]
        backends = [Backend.named(name) for name in dict.fromkeys(names)]
        fast = [backend for backend in backends if backend.device.type != "cpu"]
        return Where((fast or [Backend.named("cpu")])[0], map_)

    @property
    def offloads(self) -> bool:
        """Whether weights may end on a disk."""
        return isinstance(self.map, str) or "disk" in (self.map or {}).values()


@dataclass(frozen=True)
class Placement:
    """Where a model's weights are used, and how many of them are away between calls.

    Args:
        devices: on which its parts compute, in the order of the parts.
        offloaded: weights that are in memory or on a disk until they are needed.
        weights: of the model.
    """

    devices: tuple[torch.device, ...]
    offloaded: int
    weights: int

    def __str__(self) -> str:
        where = ", ".join(map(str, self.devices))
        return f"{where}; {self.offloaded} of {self.weights} weights offloaded" if self.offloaded else where


def placement_of(hf: nn.Module) -> Placement:
    """Where a model's weights are."""
    weights = list(hf.parameters())
    devices = dict.fromkeys(_device_of(part) for part in hf.modules())
    known = tuple(device for device in devices if device is not None)
    return Placement(known, sum(weight.is_meta for weight in weights), len(weights))


def dispatched(hf: nn.Module) -> bool:
    """Whether accelerate's hooks run this model's parts where it put them, so that nothing else may move them."""
    return any(hook.execution_device is not None for part in hf.modules() for hook in _hooks(part))


def refuse_moving(hf: nn.Module, device: torch.device) -> None:
    """Check that a dispatched model is where it is asked for.

    Raises:
        ModelError: it is elsewhere, or on several devices.
    """
    now = placement_of(hf)
    if now.devices != (torch.empty(0, device=device).device,):
        raise ModelError(
            f"{type(hf).__name__} was dispatched by accelerate ({now}), so it can't be put on {device}. Leave device "
            "out, or load it without device_map."
        )


def never_loaded(hf: nn.Module) -> list[str]:
    """Names of weights that are on the meta device and that no hook brings."""
    named = {id(part): name for name, part in reversed(list(hf.named_modules()))}
    absent = [
        (named[id(part)], name)
        for part in hf.modules()
        for name, weight in part._parameters.items()
        if weight is not None and weight.is_meta and not any(hook.offload for hook in _hooks(part))
    ]
    return [f"{part}.{name}".lstrip(".") for part, name in absent]


def parameter_count(hf: Any) -> int:
    """How many parameters a model has, tied ones once: offloading makes two of them."""
    named = {name.replace("_original_component.", ""): weight for name, weight in hf.named_parameters()}
    tied = getattr(hf, "all_tied_weights_keys", None) or {}
    return sum(weight.numel() for name, weight in named.items() if tied.get(name) not in named)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's first weights are while it runs; a CPU where it has none."""
    found = (_device_of(part) for part in module.modules())
    return next((device for device in found if device is not None), torch.device("cpu"))


def input_device(hf: Any) -> torch.device:
    """Where the input tokens go."""
    return device_of(hf.get_input_embeddings())


def bring_inputs(bridge: TransformerBridge) -> None:
    """Have the parts outside the blocks be given their inputs where their weights are.

    A norm of the bridge's multiplies by the weight itself, where accelerate's hook on what it wraps moves nothing.
    """
    for part in bridge._modules.values():
        if not isinstance(part, GeneralizedComponent) or part.original_component is None:
            continue
        if any(hook.execution_device is not None for hook in _hooks(part.original_component)):
            part.register_forward_pre_hook(_bring, with_kwargs=True)


def _bring(part: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    moved: tuple[tuple[Any, ...], dict[str, Any]] = send_to_device((args, kwargs), device_of(part))
    return moved


@contextmanager
def present(*modules: nn.Module, parts: bool = True) -> Iterator[None]:
    """Have the weights of these modules, and of their parts unless told otherwise, here while the context lasts.

    Nothing is done where none are offloaded, or where accelerate has brought them already. What is read meanwhile may
    be kept; it is a copy of what was offloaded, so nothing that is written to it lasts.
    """
    with ExitStack() as stack:
        every = [part for module in modules for part in (module.modules() if parts else (module,))]
        for part in dict.fromkeys(every):
            if not any(weight.is_meta for weight in _own(part)):
                continue
            for hook in _hooks(part):
                if hook.offload:
                    hook.pre_forward(part)
                    stack.callback(hook.post_forward, part, None)
        yield


def _own(part: nn.Module) -> list[torch.Tensor]:
    """A module's weights and buffers, without those of its parts."""
    return [x for x in (*part._parameters.values(), *part._buffers.values()) if x is not None]


def _device_of(part: nn.Module) -> torch.device | None:
    for weight in _own(part):
        if not weight.is_meta:
            return weight.device
    wanted = (hook.execution_device for hook in _hooks(part) if hook.offload)
    # An empty tensor knows which card "cuda" is.
    return next((torch.empty(0, device=device).device for device in wanted if device is not None), None)


def _hooks(part: nn.Module) -> Iterator[AlignDevicesHook]:
    """accelerate's hooks on a module that move its inputs and weights."""
    pending = [vars(part).get("_hf_hook")]  # a bridge's parts hand on what they are asked for to what they wrap
    while pending:
        hook = pending.pop(0)
        if isinstance(hook, SequentialHook):
            pending.extend(hook.hooks)
        elif isinstance(hook, AlignDevicesHook):
            yield hook

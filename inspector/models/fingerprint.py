"""Which weights a model has, in a line: `fingerprint`."""

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

from inspector.models.placement import present


def fingerprint(hf: nn.Module, sample: int = 4096, places: Mapping[int, nn.Module] | None = None) -> str:
    """SHA-256 over every weight's name, shape and up to `sample` evenly spread values, in hex.

    Fast on any size, the same wherever the weights came from; not a hash of every byte. Weights are read where they
    are: `state_dict` runs code of the layers, and quantised ones repack themselves in it.

    Args:
        hf: the model.
        sample: values of each weight.
        places: the bridge's parts by the `id` of the module that each stands for: it may run in the part's place now.
    """
    digest = hashlib.sha256()
    for name, (shape, spread) in sorted(_stored(hf, "", sample, places or {}).items()):
        digest.update(f"{name.replace('_original_component.', '')} {shape}".encode())
        digest.update(spread)
    return digest.hexdigest()


def _stored(
    module: nn.Module, prefix: str, sample: int, places: Mapping[int, nn.Module]
) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Shapes and samples of parameters and buffers by the names they are saved under.

    The bridge's parts leave out what they hold twice. Of an offloaded model a module's weights are here at a time.
    """
    with present(module, parts=False):
        saved = {name: x for name, x in module._buffers.items() if name not in module._non_persistent_buffers_set}
        own = {**module._parameters, **saved}
        found = {f"{prefix}{name}": (tuple(x.shape), _spread(x, sample)) for name, x in own.items() if x is not None}
    for name, child in module._modules.items():
        part = places.get(id(child), child)
        own = child if part is module else part
        found |= {} if own is None else _stored(own, f"{prefix}{name}.", sample, places)
    if isinstance(module, GeneralizedComponent):
        for hook in module._state_dict_hooks.values():
            hook(module, found, prefix, {})
    return found


def _spread(weight: Tensor, sample: int) -> bytes:
    flat = weight.detach().reshape(-1)
    spread = flat[:: max(1, flat.numel() // sample)][:sample].float().cpu().contiguous()
    return bytes(spread.numpy().tobytes())

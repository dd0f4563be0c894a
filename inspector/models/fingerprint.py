"""Which weights a model has, in a line: `fingerprint`."""

import hashlib

from torch import Tensor, nn
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent


def fingerprint(hf: nn.Module, sample: int = 4096) -> str:
    """SHA-256 over every weight's name, shape and up to `sample` evenly spread values, in hex.

    Fast on any size, the same wherever the weights came from; not a hash of every byte. Weights are read where they
    are: `state_dict` runs code of the layers, and quantised ones repack themselves in it.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(_stored(hf, "").items()):
        flat = weight.detach().reshape(-1)
        spread = flat[:: max(1, flat.numel() // sample)][:sample].float().cpu().contiguous()
        digest.update(f"{name.replace('_original_component.', '')} {tuple(weight.shape)}".encode())
        digest.update(spread.numpy().tobytes())
    return digest.hexdigest()


def _stored(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Parameters and buffers by the names they are saved under; the bridge's parts leave out what they hold twice."""
    saved = {name: x for name, x in module._buffers.items() if name not in module._non_persistent_buffers_set}
    own = {**module._parameters, **saved}
    found = {f"{prefix}{name}": x.detach() for name, x in own.items() if x is not None}
    for name, child in module._modules.items():
        found |= {} if child is None else _stored(child, f"{prefix}{name}.")
    if isinstance(module, GeneralizedComponent):
        for hook in module._state_dict_hooks.values():
            hook(module, found, prefix, {})
    return found

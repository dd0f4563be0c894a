"""Hugging Face models that a user hands over: what can't be inspected, and those that have been loaded before."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

from inspector.errors import ModelError
from inspector.models.faults import one_line
from inspector.models.placement import never_loaded

_BRIDGE = "_inspector_bridge"


def refuse_type(model: object) -> None:
    """Refuse what is neither a model nor the name of one.

    Raises:
        ModelError: always; it says what to do with the type that was given.
    """
    advice = "Merge the adapter first: model.merge_and_unload()." if hasattr(model, "merge_and_unload") else ""
    raise ModelError(
        f"load_model got {type(model).__name__}. {advice or 'Give a name, a folder, a bridge or a Hugging Face model.'}"
    )


def bridge_of(hf: nn.Module) -> TransformerBridge | None:
    """The bridge that an earlier `load_model` put over this model, which works in the model itself.

    Raises:
        ModelError: somebody else has put one over it.
    """
    bridge = vars(hf).get(_BRIDGE)
    if bridge is None and any(isinstance(part, GeneralizedComponent) for part in hf.modules()):
        raise ModelError(
            f"This {type(hf).__name__} is inside a TransformerLens bridge already. Give load_model the bridge, or load "
            "the model again."
        )
    return bridge


def remember(hf: nn.Module, bridge: TransformerBridge) -> None:
    """Keep the bridge with its model; the two live and are copied together."""
    vars(hf)[_BRIDGE] = bridge


def refuse_weights(hf: nn.Module) -> None:
    """Check that all weights are here or brought when they are needed, and are plain numbers.

    Raises:
        ModelError: some are on the meta device and no hook of accelerate's brings them, or packed by torchao.
    """
    kind, named = type(hf).__name__, dict(hf.named_parameters())
    absent = never_loaded(hf)
    if absent:
        raise ModelError(
            f"{kind}: {len(absent)} of {len(named)} weights were never loaded (meta device), e.g. {absent[0]}. Load "
            "the whole model; what a device can't hold goes elsewhere by device_map."
        )
    packed = {name: type(weight.data) for name, weight in named.items() if is_traceable_wrapper_subclass(weight.data)}
    packed |= {name: type(part) for name, part in hf.named_modules() if type(part).__module__.startswith("torch.ao.")}
    for name, how in packed.items():
        raise ModelError(
            f"{kind}: {name} is packed ({how.__name__}, as torchao makes them), so its numbers can't be read. Load the "
            "model without quantisation."
        )


def vocab_of(hf: Any) -> int:
    """How many token ids the model has.

    Raises:
        ModelError: it has none.
    """
    size = getattr(hf.config.get_text_config(), "vocab_size", None)
    if not isinstance(size, int):
        raise ModelError(
            f"{type(hf).__name__} has no vocabulary: it is no language model. Give a causal language model."
        )
    return size


def plain_logits(hf: Any, ids: Tensor) -> Tensor:
    """Logits of the model alone.

    Raises:
        ModelError: it fails, or has none.
    """
    kind = type(hf).__name__
    with one_line(f"{kind} fails on a short text", "Try the model without inspector."):
        out = hf(input_ids=ids, use_cache=False)
    logits = getattr(out, "logits", None)
    if not isinstance(logits, torch.Tensor) or logits.shape[:2] != ids.shape or logits.ndim != 3:
        raise ModelError(
            f"{kind} gives no logits for each token, as a model without its language-modelling head does. "
            "Load it by AutoModelForCausalLM."
        )
    return logits

"""What a folder's config.json declares: kinds, sizes, and the memory that they take, before anything is loaded."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from inspector.errors import ModelError
from inspector.models.backend import Backend
from inspector.models.faults import AGAIN, TRUST, one_line
from inspector.printable import printable

OBJECTS = ("text_config", "quantization_config", "rope_scaling", "rope_parameters")
SIZES = ("hidden_size", "n_embd", "d_model", "vocab_size", "head_dim", "max_position_embeddings", "n_positions")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads", "num_query_heads")
REPEATED = re.compile(r"(num|n)_?(hidden_|decoder_|encoder_|local_|routed_|shared_)?(layers?|experts|blocks)")
"""Names of fields that say how often a part is repeated."""


def check_kinds(what: str, config: Mapping[str, Any], own_code: bool) -> None:
    """Refuse values of which the loaders' complaints would mislead.

    Raises:
        ModelError: names the field; the line begins with `what`.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise ModelError(f"{what}: config.json has no model_type, a name such as llama. {AGAIN}")
    if kind not in CONFIG_MAPPING and "auto_map" not in config:
        raise _unusable(what, "model_type", kind, f"unknown to transformers {transformers.__version__}", "Update it.")
    if "auto_map" in config and kind not in CONFIG_MAPPING and not own_code:
        raise ModelError(f"{what} needs Python code of its own. {TRUST}")
    for field in OBJECTS:
        if not isinstance(config.get(field), dict | None):
            raise _unusable(what, field, config[field], "no object")
    if config.get("text_config") and kind in CONFIG_MAPPING and not CONFIG_MAPPING[kind].sub_configs:
        raise ModelError(f"{what}: config.json has a text_config, and a {kind} has none. {AGAIN}")
    for field in ("dtype", "torch_dtype"):
        value = config.get(field)
        known = isinstance(value, str) and isinstance(getattr(torch, value.removeprefix("torch."), None), torch.dtype)
        if value not in (None, "auto") and not known:
            raise _unusable(what, field, value, "unknown to torch")


def check_sizes(what: str, config: Mapping[str, Any], parts: int, size: int) -> None:
    """Refuse sizes that are zero or negative, and parts that are repeated more often than the weights can hold.

    Args:
        what: the line's beginning.
        config: the content of config.json, or its `text_config`.
        parts: tensors in the files with the weights.
        size: bytes of these files.

    Raises:
        ModelError: names the field.
    """
    for field, value in config.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if (field in SIZES or field in HEADS) and not value >= 1:
            raise _unusable(what, field, value, "less than 1")
        if REPEATED.fullmatch(field) and value > (size if "expert" in field else parts):
            raise _unusable(what, field, value, f"more than its weights, {size:,} bytes, can hold")


def check_memory(
    what: str, folder: str, config: Mapping[str, Any], dtype: Any, device: Backend | None, own_code: bool
) -> None:
    """Build the model without its weights, and compare what they will take with the memory that is free.

    With no `device` what doesn't fit goes elsewhere, and it is only built.

    Raises:
        ModelError: it can't be built, or is too large.
    """
    empty = _empty(what, folder, config, own_code)
    if device is None or config.get("quantization_config"):
        return  # packed weights are smaller, by how much is the library's affair
    own = getattr(empty.config, "dtype", None)
    kept = next((one for one in (dtype, own) if isinstance(one, torch.dtype)), torch.float32)
    needed = sum(p.numel() for p in empty.parameters()) * kept.itemsize
    needed += sum(b.numel() * b.element_size() for b in empty.buffers())
    for place, free in (("memory", device.host_bytes()), (str(device.device), device.free_bytes())):
        if needed > free:
            raise ModelError(
                f"{what}: the model that config.json declares takes {needed / 1e9:,.1f} GB of {place}, and "
                f"{free / 1e9:,.1f} GB are free. Use a smaller model or dtype bfloat16."
            )


def _empty(what: str, folder: str, config: Mapping[str, Any], own_code: bool) -> Any:
    try:
        with one_line(f"{what}: config.json can't be used", AGAIN), torch.device("meta"):
            declared = AutoConfig.from_pretrained(folder, trust_remote_code=own_code)
            return AutoModelForCausalLM.from_config(declared, trust_remote_code=own_code)
    except ModelError as error:
        # A table of the library's that lacks an entry names the entry, and not the field that asks for it.
        wanted = error.__cause__.args[:1] if isinstance(error.__cause__, KeyError) else ()
        field = next((name for name, value in _fields(config) if (value,) == wanted), None)
        if field is None:
            raise
        raise _unusable(what, field, wanted[0], "unknown") from error


def _unusable(what: str, field: str, value: object, why: str, advice: str = AGAIN) -> ModelError:
    return ModelError(f"{what}: config.json has {field} = {printable(repr(value))[:30]}, which is {why}. {advice}")


def _fields(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """All fields with their values, those of the objects in it too."""
    for name, value in config.items():
        yield name, value
        if isinstance(value, dict):
            yield from _fields(value)

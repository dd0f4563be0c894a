"""Lengths at which a model begins to compute otherwise, which no short text shows: windows, chunks, rotary factors."""

from torch import nn
from transformer_lens.model_bridge import TransformerBridge


def window_of(bridge: TransformerBridge) -> int | None:
    """Tokens that a query can look back at, where that is limited in some layer."""
    return min(_settings(bridge, "sliding_window"), default=None)


def chunk_of(bridge: TransformerBridge) -> int | None:
    """Tokens of a chunk, where queries in some layer look at their own chunk only."""
    return min(_settings(bridge, "attention_chunk_size"), default=None)


def rotary_switch_of(bridge: TransformerBridge) -> int | None:
    """The longest sequence with the short rotary factors, where longer ones take others (longrope)."""
    given = [getattr(getattr(module, "config", None), "rope_parameters", None) for module in _modules(bridge)]
    each = [kind for one in given if isinstance(one, dict) for kind in (one, *one.values())]  # one, or one a layer type
    switching = [one for one in each if isinstance(one, dict) and one.get("rope_type") == "longrope"]
    return min((int(one["original_max_position_embeddings"]) for one in switching), default=None)


def _settings(bridge: TransformerBridge, name: str) -> list[int]:
    found = [getattr(getattr(module, "config", None), name, None) for module in _modules(bridge)]
    return [value for value in found if isinstance(value, int)]


def _modules(bridge: TransformerBridge) -> list[nn.Module]:
    return list(bridge.original_model.modules())

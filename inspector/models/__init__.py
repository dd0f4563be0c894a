"""The one door to TransformerLens and transformers; torch is imported when a name is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.models.attention_prefix import Prefix
    from inspector.models.attention_swap import hooks_inside_attention
    from inspector.models.backend import Backend
    from inspector.models.changes import hooks_of_others
    from inspector.models.entailment import Entailment
    from inspector.models.generate import Decoder
    from inspector.models.hooks import reading, route_now
    from inspector.models.load import asking_dtype, load_model
    from inspector.models.model import AttentionRoute, Model, refuse_ids
    from inspector.models.unembed import check_readout, direct_logits, log_probs, written

_HOMES = {
    "AttentionRoute": "model",
    "Backend": "backend",
    "Decoder": "generate",
    "Entailment": "entailment",
    "Model": "model",
    "Prefix": "attention_prefix",
    "asking_dtype": "load",
    "check_readout": "unembed",
    "direct_logits": "unembed",
    "hooks_inside_attention": "attention_swap",
    "hooks_of_others": "changes",
    "load_model": "load",
    "log_probs": "unembed",
    "reading": "hooks",
    "refuse_ids": "model",
    "route_now": "hooks",
    "written": "unembed",
}

__all__ = [
    "AttentionRoute",
    "Backend",
    "Decoder",
    "Entailment",
    "Model",
    "Prefix",
    "asking_dtype",
    "check_readout",
    "direct_logits",
    "hooks_inside_attention",
    "hooks_of_others",
    "load_model",
    "log_probs",
    "reading",
    "refuse_ids",
    "route_now",
    "written",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inspector.models' has no attribute '{name}'")
    return getattr(import_module(f"inspector.models.{_HOMES[name]}"), name)

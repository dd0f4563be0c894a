"""The one door to TransformerLens and transformers."""

from inspector.models.attention_prefix import Prefix
from inspector.models.attention_swap import hooks_inside_attention
from inspector.models.backend import Backend
from inspector.models.generate import Decoder
from inspector.models.hooks import reading, route_now
from inspector.models.load import asking_dtype, load_model
from inspector.models.model import AttentionRoute, Model
from inspector.models.unembed import check_readout, direct_logits, log_probs, written

__all__ = [
    "AttentionRoute",
    "Backend",
    "Decoder",
    "Model",
    "Prefix",
    "asking_dtype",
    "check_readout",
    "direct_logits",
    "hooks_inside_attention",
    "load_model",
    "log_probs",
    "reading",
    "route_now",
    "written",
]

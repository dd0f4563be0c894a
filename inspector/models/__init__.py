"""The one door to TransformerLens and transformers."""

from inspector.models.decoding import Decoder
from inspector.models.loading import asking_dtype, load_model
from inspector.models.model import AttentionRoute, Model
from inspector.models.reading import reading, route_now
from inspector.models.readout import check_readout, direct_logits, log_probs, written
from inspector.models.sharing import Prefix
from inspector.models.swapping import hooks_inside_attention

__all__ = [
    "AttentionRoute",
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

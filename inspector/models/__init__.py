"""The one door to TransformerLens and transformers."""

from inspector.models.loading import load_model
from inspector.models.model import AttentionRoute, Model
from inspector.models.reading import reading, route_now
from inspector.models.streaming import hooks_inside_attention

__all__ = ["AttentionRoute", "Model", "hooks_inside_attention", "load_model", "reading", "route_now"]

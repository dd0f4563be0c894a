"""Attention that sees fewer keys, for the length of a context: what a smaller key-value cache would leave."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from inspector.errors import InputError, ModelError
from inspector.models.attention_streamed import Allowed, attention_limited, streamed_attention
from inspector.models.changes import WHOLE_TEXTS, in_force
from inspector.models.model import Model


@contextmanager
def limited(model: Model, limits: Mapping[int, Allowed], told: tuple[object, ...]) -> Iterator[None]:
    """Have these layers' queries see only the keys that are allowed; whoever generates computes every token again.

    Args:
        model: from `load_model`.
        limits: by layer, which keys may be seen.
        told: what is done, as values: nothing that was computed under other limits is used meanwhile.

    Raises:
        InputError: a layer that has no attention.
        ModelError: this model's attention isn't streamed.
    """
    if model.route != "streamed":
        raise ModelError(f"{model.card['architecture']} has attention whose keys can't be limited here.")
    if missing := set(limits) - set(model.shape.layers_of("attention")):
        raise InputError(f"Layer {min(missing)} has no attention. Name another.")
    with (
        model.lock,
        streamed_attention(model.bridge, lambda *seen: None),
        attention_limited(model.bridge, limits),
        in_force(model, (*told, WHOLE_TEXTS)),
    ):
        yield

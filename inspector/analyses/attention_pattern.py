"""One head's attention pattern on one text, measured on demand: runs don't keep patterns."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inspector.batches import Batch, batches, tokenise
from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.models.attention import AttentionBlock
from inspector.models.observe import observe
from inspector.progress import Reported, progress_of
from inspector.sites import Site


def attention_pattern(
    model: Model, ids: Sequence[int], layer: int, head: int, *, progress: Reported = None
) -> Float[np.ndarray, "query key"]:
    """Attention probabilities of one head on one text, float32; what a learned sink takes is in no key.

    Args:
        model: from `load_model`.
        ids: the text's input token ids (`report.frame("tokens")` has them).
        layer, head: 0-based.
        progress: hears of the task `reading`, in tokens.

    Raises:
        InputError: no tokens, more than the context holds, or a head out of range.
        ModelError: attention can't be read in that layer.
    """
    if not 0 <= head < model.shape.heads or not 0 <= layer < model.shape.layers:
        raise InputError(
            f"Head {head} of layer {layer} is outside this model's {model.shape.layers} layers of "
            f"{model.shape.heads} heads. They are counted from 0."
        )
    if layer not in model.shape.layers_of("attention"):
        raise ModelError(f"{model.card['architecture']} has no attention in layer {layer} that can be read.")
    if len(ids) > model.shape.context:
        raise InputError(f"{len(ids)} tokens are more than the context of {model.shape.context}. Give a shorter text.")
    rows = tokenise(None, [list(ids)], bos=None, window=model.shape.context)
    reader = _OneHead(layer, head, len(ids))
    observe(
        model, batches(rows, len(ids), model.pad_id), [reader], task=progress_of(progress).task("reading", len(ids))
    )
    return reader.pattern


class _OneHead:
    """Keeps one head's blocks as they stream by."""

    kinds: tuple[str, ...] = ("attention",)

    def __init__(self, layer: int, head: int, length: int) -> None:
        self.layer, self.head = layer, head
        self.pattern = np.zeros((length, length), dtype=np.float32)

    def update(self, batch: Batch, site: Site, block: AttentionBlock) -> None:
        if site.layer == self.layer:
            rows = block.pattern[0, self.head].float().cpu().numpy()
            self.pattern[block.start : block.stop, : rows.shape[1]] = rows

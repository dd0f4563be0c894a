"""Attention patterns of heads on one text, measured on demand: runs don't keep patterns."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inspector.analyses.one_text import read_one
from inspector.batches import Batch
from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.models.attention import AttentionBlock
from inspector.progress import Reported
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
    return attention_patterns(model, ids, [(layer, head)], progress=progress)[0]


def attention_patterns(
    model: Model,
    ids: Sequence[int],
    heads: Sequence[tuple[int, int]],
    *,
    side: int | None = None,
    progress: Reported = None,
) -> Float[np.ndarray, "head query key"]:
    """Attention probabilities of many heads on one text, by one forward pass, as `attention_pattern`.

    Args:
        model: from `load_model`.
        ids: the text's input token ids.
        heads: layer and head of each, 0-based.
        side: longer texts are max-pooled over squares to at most this many queries and keys, so that a sink of one
            column survives; None keeps all.
        progress: hears of the task `reading`, in tokens.

    Raises:
        InputError: no tokens, more than the context holds, no heads, or one that is out of range.
        ModelError: attention can't be read in one of the layers.
    """
    if not heads:
        raise InputError("No heads were named. Give (layer, head) of each.")
    for layer, head in heads:
        _refuse(model, layer, head)
    reader = _Heads(heads, len(ids), 1 if side is None else -(-len(ids) // side))
    read_one(model, ids, reader, progress)
    return reader.patterns


def _refuse(model: Model, layer: int, head: int) -> None:
    """Refuse a head that the model hasn't, or whose attention can't be read."""
    if not 0 <= head < model.shape.heads or not 0 <= layer < model.shape.layers:
        raise InputError(
            f"Head {head} of layer {layer} is outside this model's {model.shape.layers} layers of "
            f"{model.shape.heads} heads. They are counted from 0."
        )
    if layer not in model.shape.layers_of("attention"):
        raise ModelError(f"{model.card['architecture']} has no attention in layer {layer} that can be read.")


class _Heads:
    """Keeps these heads' blocks as they stream by, as maxima over squares of `factor` queries and keys."""

    kinds: tuple[str, ...] = ("attention",)

    def __init__(self, heads: Sequence[tuple[int, int]], length: int, factor: int) -> None:
        self.heads, self.factor = list(heads), factor
        side = -(-length // factor)
        self.patterns = np.zeros((len(self.heads), side, side), dtype=np.float32)

    def update(self, batch: Batch, site: Site, block: AttentionBlock) -> None:
        mine = [at for at, (layer, _) in enumerate(self.heads) if layer == site.layer]
        if not mine:
            return
        rows = block.pattern[0, [self.heads[at][1] for at in mine]].float().cpu().numpy()
        queries, keys = np.arange(block.start, block.start + rows.shape[1]) // self.factor, rows.shape[2]
        groups, first = np.unique(queries, return_index=True)
        most = np.maximum.reduceat(rows, first, axis=1)
        most = np.maximum.reduceat(most, np.arange(0, keys, self.factor), axis=2)
        place = np.ix_(np.array(mine), groups, np.arange(most.shape[2]))
        self.patterns[place] = np.maximum(self.patterns[place], most)

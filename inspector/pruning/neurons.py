"""Which neurons of a layer can go first: by how much they write to the stream, or by their output weights alone."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from inspector.batches import Batch, TokenSequence, batches
from inspector.models import Backend, Model
from inspector.models.observe import observe
from inspector.sites import Site

Scores = Mapping[int, Float[np.ndarray, " neuron"]]
"""Of every neuron, by layer: the lowest go first."""


class _Activity:
    """Sums |activation| of every neuron over all tokens."""

    kinds: tuple[str, ...] = ("neuron",)

    def __init__(self) -> None:
        self.total: dict[int, Float[np.ndarray, " neuron"]] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in one layer's activations."""
        here = Backend.of(x.device).widened(x[batch.real].abs())
        self.total[site.layer] = self.total.get(site.layer, 0) + here.sum(dim=0).cpu().numpy()


def neuron_scores(model: Model, rows: Sequence[TokenSequence], tokens: int) -> dict[str, Scores]:
    """Scores of every neuron: `least active` (mean |activation| · ‖output weights‖) and `smallest weights`.

    Args:
        model: from `load_model`.
        rows: texts that activations are measured on.
        tokens: per batch.
    """
    activity = _Activity()
    observe(model, batches(rows, tokens, model.pad_id), [activity])
    norms = {layer: model.w_out(layer).detach().float().norm(dim=1).cpu().numpy() for layer in activity.total}
    active = {layer: total * norms[layer] for layer, total in activity.total.items()}
    return {"least active": active, "smallest weights": norms}


def least_first(scores: Scores) -> dict[int, Int[np.ndarray, " neuron"]]:
    """Neurons of each layer, the lowest score first."""
    return {layer: np.argsort(values, kind="stable") for layer, values in scores.items()}

"""What two models' streams and predictions differ by, reduced while the second one's go by."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.batches import Batch
from inspector.models import Backend, Model
from inspector.sites import Site

CHUNK = 1 << 24
"""Logits that are compared at once, tokens by the vocabulary."""
STREAMS = ("error", "cosine", "squared_error", "squared", "at_first", "lost")
EMPTY = {name: np.nan if name in ("error", "cosine") else 0.0 for name in STREAMS}
"""What a layer without a stream has."""
PREDICTIONS = ("kl", "loss_first", "loss_second", "top_first", "top_second")


class First:
    """Holds the first model's streams and logits of one batch, the real tokens in a row."""

    kinds: tuple[str, ...] = ("resid_post", "logits")

    def __init__(self) -> None:
        self.held: dict[Site, Tensor] = {}

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos unit"]) -> None:
        """Take in one site's activations."""
        self.held[site] = x[batch.real]

    def taken(self) -> dict[Site, Tensor]:
        """What is held, which is let go."""
        held, self.held = self.held, {}
        return held


class Against:
    """Compares the second model's streams and logits with the first's, site by site.

    Args:
        model: the second.
    """

    kinds: tuple[str, ...] = ("resid_post", "logits")

    def __init__(self, model: Model) -> None:
        shape = model.shape
        self.first: dict[Site, Tensor] = {}
        self.by_dim = np.zeros((shape.layers, shape.d_model))
        self.streams: dict[int, dict[str, np.ndarray]] = {}
        self.predictions: dict[int, dict[str, np.ndarray]] = {}
        self.layers = shape.layers

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos unit"]) -> None:
        """Take in one site's activations, beside the first model's."""
        if site not in self.first:
            return  # the first has no such site
        here, other = self.first.pop(site).float(), x[batch.real]
        if site.kind == "logits":
            self._predicted(batch, here, other.to(here.device).float())
        else:
            self._streamed(batch, site.layer, here, other.to(here.device).float())

    def _streamed(self, batch: Batch, layer: int, a: Float[Tensor, "token dim"], b: Float[Tensor, "token dim"]) -> None:
        finite = b.isfinite().all(dim=1) & a.isfinite().all(dim=1)
        wide = Backend.of(a.device).widened
        a, b = wide(a), wide(b)
        difference = torch.where(finite[:, None], b - a, 0.0)
        squared, size = difference.square().sum(dim=1), a.norm(dim=1)
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=1)
        gone = torch.full_like(size, torch.nan)
        columns = {
            "error": torch.where(finite, squared.sqrt() / size, gone),
            "cosine": torch.where(finite, cosine, gone),
            "squared_error": squared,
            "squared": torch.where(finite, size.square(), torch.zeros_like(size)),
            "lost": wide((~finite).float()),
        }
        self.by_dim[layer] += difference.square().sum(dim=0).cpu().numpy()
        starts = np.cumsum([0, *batch.lengths.tolist()])
        each = {name: values.cpu().numpy() for name, values in columns.items()}
        for row, text in enumerate(batch.text.tolist()):
            mine = {name: values[starts[row] : starts[row + 1]] for name, values in each.items()}
            kept = self.streams.setdefault(text, {name: np.full(self.layers, EMPTY[name]) for name in STREAMS})
            known = ~np.isnan(mine["error"])
            for name in ("error", "cosine"):
                kept[name][layer] = mine[name][known].mean() if known.any() else np.nan
            for name in ("squared_error", "squared", "lost"):
                kept[name][layer] = mine[name].sum()
            kept["at_first"][layer] = mine["squared_error"][0]

    def _predicted(self, batch: Batch, a: Float[Tensor, "token vocab"], b: Float[Tensor, "token vocab"]) -> None:
        size = max(1, CHUNK // a.shape[1])
        ids = batch.ids[batch.real].to(a.device)
        parts = [_compared(a[i : i + size], b[i : i + size], ids[i + 1 : i + size + 1]) for i in range(0, len(a), size)]
        whole = {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in PREDICTIONS}
        starts = np.cumsum([0, *batch.lengths.tolist()])
        for row, text in enumerate(batch.text.tolist()):
            mine = {name: values[starts[row] : starts[row + 1]] for name, values in whole.items()}
            for name in ("loss_first", "loss_second"):  # of the token itself, which the one before predicts
                mine[name] = np.concatenate([[np.nan], mine[name][:-1]])
            self.predictions[text] = mine

    def arrays(self, texts: Sequence[int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """By token, and by text and layer, in the order of these texts."""
        by_token = {name: np.concatenate([self.predictions[text][name] for text in texts]) for name in PREDICTIONS}
        return by_token, {name: np.stack([self.streams[text][name] for text in texts]) for name in STREAMS}


def _compared(a: Tensor, b: Tensor, following: Tensor) -> dict[str, Tensor]:
    """Numbers of some predictions; the last one's next token may be unknown, and its losses are then NaN."""
    mine, other = a.log_softmax(dim=1), b.log_softmax(dim=1)
    some = torch.full((len(a),), torch.nan, device=a.device)
    losses = {}
    for name, logp in (("loss_first", mine), ("loss_second", other)):
        losses[name] = some.clone()
        losses[name][: len(following)] = -logp[: len(following)].gather(1, following[:, None]).squeeze(1)
    terms = mine.exp() * (mine - other)
    kl = torch.where(mine.isneginf(), 0.0, terms).sum(dim=1).clamp(min=0)  # what never comes adds nothing
    kl = torch.where((mine.isnan() | other.isnan()).any(dim=1), torch.nan, kl)
    return {"kl": kl, "top_first": a.argmax(dim=1), "top_second": b.argmax(dim=1), **losses}

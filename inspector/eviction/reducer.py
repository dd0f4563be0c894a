"""Where attention goes by distance, and how many keys hold most of it: what decides which keys a head can lose."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inspector.batches import Batch
from inspector.detectors.tally import Tally
from inspector.eviction.limits import Window
from inspector.models import Model
from inspector.models.attention import AttentionBlock
from inspector.records import Evidence
from inspector.sites import Site

SHARES = (0.9, 0.95, 0.99)
"""Of a query's attention: how many keys hold so much is counted."""
TOP = (16, 64)
"""How much so many keys hold, the strongest of each query."""
EVERY = 8
"""Keys are sorted by attention for one query in so many."""

AXES = {
    "first": ("head",),
    "last": ("head",),
    "elsewhere": ("head",),
    "keys": ("head", "share"),
    "top": ("head", "top"),
}


class Reach:
    """Reduces attention to each head's means over a text's queries that a window would take keys from.

    What goes to a learned sink is no key's, so the three parts add up to less than 1 there.

    Args:
        model: from `load_model`.
        window: which keys are first ones and which last ones.
    """

    kinds: tuple[str, ...] = ("attention",)

    def __init__(self, model: Model, window: Window) -> None:
        self.window = window
        self.tally = Tally(model.shape.layers)
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, Tensor] = {}

    def update(self, batch: Batch, site: Site, x: AttentionBlock) -> None:
        """Take in one block of queries."""
        if x.start == 0:
            self.sums, self.counts = {}, {}
        queries = torch.arange(x.start, x.stop, device=x.log_pattern.device)
        late = batch.real[:, x.start : x.stop] & (queries >= self.window.size)
        self._add("mass", self._mass(x, queries), late)
        sampled = queries % EVERY == 0
        if sampled.any():
            strongest = x.pattern[:, :, sampled].sort(dim=-1, descending=True).values.cumsum(dim=-1)
            self._add("keys", _keys(strongest), late[:, sampled])
            self._add("top", _top(strongest), late[:, sampled])
        if x.last:
            means = {name: total / self.counts[name][:, None, None] for name, total in self.sums.items()}
            found: dict[str, Any] = dict(zip(("first", "last", "elsewhere"), means.pop("mass").unbind(-1), strict=True))
            for name, values in {**found, **means}.items():
                self.tally.put(name, site.layer, batch.text, values)

    def evidence(self) -> Evidence:
        """The measurements so far; NaN for texts that no window takes keys from."""
        return self.tally.evidence("reach", AXES, {})

    def _mass(self, x: AttentionBlock, queries: Tensor) -> Float[Tensor, "batch head query part"]:
        """Attention to the first keys, to the last ones that aren't among the first, and to all others."""
        keys = torch.arange(x.stop, device=queries.device)
        early = keys < self.window.first
        near = (queries.unsqueeze(1) - keys < self.window.last) & ~early
        first = x.pattern[..., early].sum(dim=-1)
        last = (x.pattern * near).sum(dim=-1)
        other = (x.pattern * ~(near | early)).sum(dim=-1)  # by itself: 1 − the rest would be rounding alone
        return torch.stack([first, last, other], dim=-1)

    def _add(self, name: str, values: Float[Tensor, "batch head query part"], counted: Tensor) -> None:
        total = (values * counted[:, None, :, None]).sum(dim=2)
        count = counted.sum(dim=1)
        self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.counts[name] = self.counts[name] + count if name in self.counts else count


def _keys(strongest: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query share"]:
    """How many keys hold each share of what goes to keys."""
    whole = strongest[..., -1:]
    return torch.stack([1 + (strongest < share * whole).sum(dim=-1) for share in SHARES], dim=-1).float()


def _top(strongest: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query top"]:
    """What so many keys hold."""
    return torch.stack([strongest[..., min(k, strongest.shape[-1]) - 1] for k in TOP], dim=-1)

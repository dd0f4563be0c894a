"""What the attention-sink detector measures while attention goes by, a block of queries at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inspector.batches import Batch
from inspector.detectors.sinks.schema import EARLY, EPSILONS, WINDOW
from inspector.detectors.tally import Tally
from inspector.models import Backend, Model
from inspector.models.attention import AttentionBlock
from inspector.records import Evidence
from inspector.sites import Site

LATER_QUERIES = 16
"""A key needs this many queries (or a quarter of a short text) to be a text's strongest."""
PER_HEAD = 9
"""Numbers kept of every head in every text, beside those of the early keys; a learned sink's share is one more."""
SHORTEST = WINDOW
"""A shorter text is in no rate: α falls with T, and over 9 tokens even uniform attention has α₀ = 0.31."""

AXES = {
    "received_sum": ("head", "key"),
    "hits": ("epsilon", "key"),
    "seen": ("key",),
    "skipped": (),
    "received": ("head", "key"),
    "received_full": ("head", "key"),
    "best": ("head",),
    "best_key": ("head",),
    "best_token": ("head",),
    "entropy": ("head",),
    "entropy_rest": ("head",),
    "self_share": ("head",),
    "self_rest": ("head",),
    "value_ratio": ("head",),
    "best_value_ratio": ("head",),
    "sink_mass": ("head",),
}


@dataclass
class _Running:
    """Sums over the blocks of one layer and batch."""

    received_window: Float[Tensor, "batch head window"]
    sink_mass: Float[Tensor, "batch head"] | None


class SinksReducer:
    """Reduces a scan's attention; see `inspector.detectors.sinks.detector` for what is made of it."""

    kinds: tuple[str, ...] = ("attention",)

    def __init__(self, model: Model) -> None:
        self.heads = model.shape.heads
        self.tally = Tally(model.shape.layers)
        self.running: _Running | None = None

    def update(self, batch: Batch, site: Site, x: AttentionBlock) -> None:
        """Take in one block of queries."""
        if self.running is None or x.start == 0:
            self.running = self._begin(x)
        if x.stop <= WINDOW:
            self.running.received_window[:, :, : x.stop] += x.pattern.sum(dim=2)
        if self.running.sink_mass is not None and x.sink_mass is not None:
            self.running.sink_mass += x.sink_mass.sum(dim=-1)
        if x.last:
            self._end(self.running, batch, site.layer, x)
            self.running = None

    def merge(self, other: "SinksReducer") -> None:
        """Take in what another reducer measured on other texts."""
        self.tally.merge(other.tally)

    def evidence(self) -> Evidence:
        """The measurements so far."""
        facts = {"window": WINDOW, "shortest": SHORTEST, "epsilons": list(EPSILONS), "layers": self.tally.layers}
        return self.tally.evidence("sinks", AXES, facts)

    def bytes_kept(self, lengths: Sequence[int]) -> int:
        """Bytes of the rows of these texts: numbers of four bytes for each head, some of them for each early key."""
        return 4 * len(lengths) * self.tally.layers * self.heads * (2 * EARLY + PER_HEAD)

    @staticmethod
    def _begin(x: AttentionBlock) -> _Running:
        size, heads, keys = x.value_norm.shape
        mass = None if x.sink_mass is None else x.value_norm.new_zeros(size, heads)
        return _Running(x.value_norm.new_zeros(size, heads, min(WINDOW, keys)), mass)

    def _end(self, running: _Running, batch: Batch, layer: int, x: AttentionBlock) -> None:
        sums = x.sums
        finite = sums.received.isfinite().all(dim=(1, 2)) & x.value_norm.isfinite().all(dim=(1, 2))
        self.tally.add("skipped", layer, (~finite).sum())
        lengths = batch.lengths
        window = _mean_over_later(running.received_window, lengths.clamp(max=WINDOW))
        full = _mean_over_later(sums.received, lengths)
        self._pooled(layer, window[finite & (lengths >= SHORTEST)])
        best, key, token = _strongest(full, batch, lengths)
        count = lengths.unsqueeze(1).float()
        rows = {
            "received": _first_keys(window),
            "received_full": _first_keys(full),
            "best": best,
            "best_key": key.int(),
            "best_token": token.int(),
            "entropy": sums.entropy.sum(dim=-1) / count,
            "entropy_rest": sums.entropy_rest.sum(dim=-1) / (count - 1),
            "self_share": sums.own.sum(dim=-1) / count,
            "self_rest": sums.own_rest.sum(dim=-1) / (count - 1),
            "value_ratio": _value_ratio(x.value_norm, torch.zeros_like(key), batch),
            "best_value_ratio": _value_ratio(x.value_norm, key, batch),
        }
        if running.sink_mass is not None:
            rows["sink_mass"] = running.sink_mass / count
        for name, values in rows.items():
            missing = torch.nan if values.is_floating_point() else -1
            self.tally.put(name, layer, batch.text, torch.where(_like(finite, values), values, missing))

    def _pooled(self, layer: int, window: Float[Tensor, "batch head key"]) -> None:
        """Sums over texts for every key of the first 64; a text counts where it has the key."""
        alpha = torch.nn.functional.pad(window, (0, WINDOW - window.shape[-1]), value=torch.nan)
        has = alpha.isfinite()
        self.tally.add("seen", layer, has[:, 0].sum(dim=0))
        self.tally.add("received_sum", layer, Backend.of(alpha.device).widened(alpha.nan_to_num(0.0)).sum(dim=0))
        hits = torch.stack([(alpha > epsilon).sum(dim=(0, 1)) for epsilon in EPSILONS])
        self.tally.add("hits", layer, hits)


def _like(rows: Bool[Tensor, " batch"], values: Tensor) -> Bool[Tensor, "batch *ones"]:
    return rows.view(-1, *[1] * (values.ndim - 1))


def _mean_over_later(
    received: Float[Tensor, "batch head key"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch head key"]:
    """α_k: attention received by key k, over the queries from k to the text's end; NaN past it."""
    keys = torch.arange(received.shape[-1], device=received.device)
    queries = (lengths[:, None] - keys).unsqueeze(1)
    return torch.where(queries > 0, received / queries, torch.nan)


def _first_keys(alpha: Float[Tensor, "batch head key"]) -> Float[Tensor, "batch head early"]:
    early = alpha[:, :, :EARLY]
    return torch.nn.functional.pad(early, (0, EARLY - early.shape[-1]), value=torch.nan)


def _strongest(
    alpha: Float[Tensor, "batch head key"], batch: Batch, lengths: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch head"], Int[Tensor, "batch head"], Int[Tensor, "batch head"]]:
    """Each head's most attended key among those that enough queries could see."""
    keys = torch.arange(alpha.shape[-1], device=alpha.device)
    needed = (lengths // 4).clamp(max=LATER_QUERIES)
    eligible = (lengths - needed)[:, None] >= keys
    best, key = alpha.masked_fill(~eligible.unsqueeze(1) | alpha.isnan(), -1.0).max(dim=-1)
    return best, key, batch.ids.gather(1, key)


def _value_ratio(
    norm: Float[Tensor, "batch head pos"], key: Int[Tensor, "batch head"], batch: Batch
) -> Float[Tensor, "batch head"]:
    """The key's value norm over the mean of the others'; NaN in a text of one token."""
    own = norm.gather(2, key.unsqueeze(-1)).squeeze(-1)
    total = (norm * batch.real.unsqueeze(1)).sum(dim=-1)
    return own / ((total - own) / (batch.lengths.unsqueeze(1) - 1))

"""What the massive-activation detector measures while the residual stream goes by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inspector.batches import Batch
from inspector.detectors.tally import Tally, binned, histogram
from inspector.models import Backend, Model
from inspector.records import Evidence
from inspector.sites import Site

ENTRIES = 16
"""Largest entries kept of each text and layer."""
WRITTEN = 4
"""Of these, how many are traced to the attention, the MLP and its neurons."""
WRITERS = 8
"""Neurons kept for each traced entry."""
MAPPED_TEXTS, MAPPED_POSITIONS = 8, 2048
"""Texts whose every token is kept in the layer × token map, and how far."""
OUTLIER = 6.0
"""LLM.int8's magnitude; its counts are kept for every dim of a layer's normed input."""

HUGE, SAMPLED_DIMS = 64.0, 64
"""A token whose median |x|, over some of the dims, is so many times its text's says nothing of other tokens' dims."""

AXES = {
    "histogram": ("bin",),
    "bin_min": ("bin",),
    "bin_max": ("bin",),
    "moments": ("power",),
    "outliers": ("dim",),
    "normed_tokens": (),
    "dim_max": ("dim",),
    "dim_usual": ("dim",),
    "nonfinite": (),
    "input_histogram": ("bin",),
    "value": ("entry",),
    "dim": ("entry",),
    "position": ("entry",),
    "token": ("entry",),
    "attn": ("entry",),
    "mlp": ("entry",),
    "neuron": ("entry", "rank"),
    "written": ("entry", "rank"),
    "input_max": ("rank",),
    "input_position": ("rank",),
    "input_token": ("rank",),
    "map": ("pos",),
    "spike_direction": ("dim",),
    "other_direction": ("dim",),
    "directions": (),
    "effective_dims": (),
    "nonfinite_position": (),
}


@dataclass
class _Held:
    """Activations of the block that is running, kept until its end."""

    attn_out: Tensor | None = None
    mlp_out: Tensor | None = None
    neuron: Tensor | None = None
    spike: Int[Tensor, " batch"] | None = None  # position of the last block's largest entry


class MassiveReducer:
    """Reduces a scan's residual stream; see `inspector.detectors.massive.detector` for what is made of it."""

    def __init__(self, model: Model) -> None:
        wanted = ("resid_post", "attn_out", "mlp_out", "neuron", "normed")
        self.kinds = tuple(kind for kind in wanted if model.shape.has(kind))
        self.model = model
        self.tally = Tally(model.shape.layers)
        self.held = _Held()

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos d"]) -> None:
        """Take in one site's activations."""
        if site.kind == "resid_post":
            self._stream(batch, site.layer, x)
        elif site.kind == "normed":
            self._direction(batch, site.layer, x)
        else:
            if site.kind == "neuron":
                self._mlp_input(batch, site.layer, x)
            setattr(self.held, site.kind, x)

    def merge(self, other: "MassiveReducer") -> None:
        """Take in what another reducer measured on other texts."""
        self.tally.merge(other.tally)

    def evidence(self) -> Evidence:
        """The measurements so far."""
        facts = {"outlier": OUTLIER, "layers": self.tally.layers}
        used = [
            np.isfinite(row).any(axis=0).nonzero()[0].max(initial=-1) for row in self.tally.rows.get("map", {}).values()
        ]
        return self.tally.evidence("massive", AXES, facts, {"map": int(max(used, default=-1)) + 1})

    def bytes_kept(self, lengths: Sequence[int]) -> int:
        """Bytes of the rows of these texts, in float32 and int32; the map is as wide as the first ones are long."""
        numbers = 4 * ENTRIES + min(MAPPED_POSITIONS, max(lengths[:MAPPED_TEXTS]))
        if {"attn_out", "mlp_out"} <= set(self.kinds):
            numbers += 2 * WRITTEN
        if {"neuron", "mlp_out"} <= set(self.kinds):
            numbers += 2 * WRITTEN * min(WRITERS, self.model.shape.d_mlp)
        if "neuron" in self.kinds:
            numbers += 3 * WRITTEN
        return 4 * len(lengths) * self.tally.layers * numbers

    def _stream(self, batch: Batch, layer: int, x: Float[Tensor, "batch pos d"]) -> None:
        x = x.float()
        magnitude = x.abs()
        largest = magnitude.amax(dim=-1)
        real = batch.real & largest.isfinite()
        if not bool(largest.isfinite().all()):
            self._note_nonfinite(batch, layer, largest)
            magnitude = magnitude.masked_fill(~real.unsqueeze(-1), 0.0)
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)
        all_real = bool(real.all())
        rows = rearrange(magnitude, "b p d -> (b p) d") if all_real else magnitude[real]
        signed = rearrange(x, "b p d -> (b p) d") if all_real else x[real]
        self.tally.add("nonfinite", layer, (batch.real & ~real).sum())
        counts, *extremes = binned(rows)
        self.tally.add("histogram", layer, counts)
        for name, extreme in zip(("bin_min", "bin_max"), extremes, strict=True):
            self.tally.raise_to(name, layer, extreme, least=torch.nan)
        self.tally.add("moments", layer, _moments(signed))
        dim_max = _dim_max(rows)
        self.tally.raise_to("dim_max", layer, dim_max)
        ordinary = _ordinary(magnitude, real)
        if not bool(ordinary[real].all()):
            dim_max = _dim_max(magnitude[real & ordinary])
        self.tally.raise_to("dim_usual", layer, dim_max)
        shown = largest.masked_fill(~real, -1.0)
        self._map(batch, layer, shown)
        self._entries(batch, layer, x, magnitude, shown)
        self.held = _Held(spike=shown.argmax(dim=1))

    def _note_nonfinite(self, batch: Batch, layer: int, largest: Float[Tensor, "batch pos"]) -> None:
        bad = batch.real & ~largest.isfinite()
        first = torch.where(bad.any(dim=1), bad.int().argmax(dim=1), -1)
        self.tally.put("nonfinite_position", layer, batch.text, first)

    def _map(self, batch: Batch, layer: int, shown: Float[Tensor, "batch pos"]) -> None:
        mapped = batch.text < MAPPED_TEXTS
        if not bool(mapped.any()):
            return
        row = torch.full((int(mapped.sum()), MAPPED_POSITIONS), torch.nan)
        width = min(MAPPED_POSITIONS, shown.shape[1])
        values = shown[mapped][:, :width].cpu()
        row[:, :width] = values.masked_fill(values < 0, torch.nan)
        self.tally.put("map", layer, batch.text[mapped], row)

    def _entries(
        self,
        batch: Batch,
        layer: int,
        x: Float[Tensor, "batch pos d"],
        magnitude: Float[Tensor, "batch pos d"],
        shown: Float[Tensor, "batch pos"],
    ) -> None:
        """The largest entries of each text: they lie in the tokens with the largest maxima."""
        count = min(ENTRIES, shown.shape[1])
        token_max, tokens = shown.topk(count, dim=1)
        rows = torch.arange(len(shown), device=x.device).unsqueeze(1)
        near = magnitude[rows, tokens].masked_fill((token_max < 0).unsqueeze(-1), -1.0)
        top, flat = rearrange(near, "b t d -> b (t d)").topk(min(ENTRIES, count * x.shape[-1]), dim=1)
        position, dim = tokens.gather(1, flat // x.shape[-1]), flat % x.shape[-1]
        absent = top < 0
        value = x[rows, position, dim].masked_fill(absent, torch.nan)
        found = {
            "dim": dim.masked_fill(absent, -1),
            "position": position.masked_fill(absent, -1),
            "token": batch.ids.gather(1, position).masked_fill(absent, -1),
        }
        self.tally.put("value", layer, batch.text, _padded(value, ENTRIES))
        for name, index in found.items():
            self.tally.put(name, layer, batch.text, _padded(index.int(), ENTRIES))
        self._writers(batch, layer, position[:, :WRITTEN], dim[:, :WRITTEN])

    def _writers(
        self, batch: Batch, layer: int, position: Int[Tensor, "batch entry"], dim: Int[Tensor, "batch entry"]
    ) -> None:
        """What attention, the MLP and its neurons add to the largest entries in this block."""
        held = self.held
        rows = torch.arange(len(position), device=position.device).unsqueeze(1)
        if held.attn_out is not None and held.mlp_out is not None:
            for name, part in (("attn", held.attn_out), ("mlp", held.mlp_out)):
                self.tally.put(name, layer, batch.text, _padded(part[rows, position, dim].float(), WRITTEN))
        if held.neuron is None or held.mlp_out is None:
            return
        columns = self.model.w_out(layer)[:, dim.reshape(-1)].T.reshape(*dim.shape, -1).float()
        written = held.neuron[rows, position].float() * columns
        if not self.model.routed(layer):  # there a shared expert or the experts' biases may add to what they write
            # A norm after the MLP (Gemma, OLMo-2) scales every neuron's share of this entry alike.
            bias = self.model.b_out(layer)
            direct = written.sum(dim=-1) + (0.0 if bias is None else bias[dim].float())
            gain = held.mlp_out[rows, position, dim].float() / direct
            written = written * gain.nan_to_num(1.0, 1.0, 1.0).unsqueeze(-1)
        rank = min(WRITERS, written.shape[-1])
        order = written.abs().topk(rank, dim=-1).indices
        self.tally.put("neuron", layer, batch.text, _padded(order.int(), WRITTEN, dim=1))
        self.tally.put("written", layer, batch.text, _padded(written.gather(-1, order), WRITTEN, dim=1))

    def _mlp_input(self, batch: Batch, layer: int, z: Float[Tensor, "batch pos d_mlp"]) -> None:
        """Token maxima of the down-projection's input, for PrefixQuant's token outliers."""
        largest = torch.maximum(z.amax(dim=-1), -z.amin(dim=-1)).float()
        real = batch.real & largest.isfinite()
        self.tally.add("input_histogram", layer, histogram(largest[real]))
        top, position = largest.masked_fill(~real, -1.0).topk(min(WRITTEN, z.shape[1]), dim=1)
        token = batch.ids.gather(1, position)
        self.tally.put("input_max", layer, batch.text, _padded(top.masked_fill(top < 0, torch.nan), WRITTEN))
        for name, index in (("input_position", position), ("input_token", token)):
            self.tally.put(name, layer, batch.text, _padded(index.masked_fill(top < 0, -1).int(), WRITTEN))

    def _direction(self, batch: Batch, layer: int, x: Float[Tensor, "batch pos d"]) -> None:
        """After the norm: LLM.int8's outliers, and the spike token's direction beside the last token's."""
        magnitude = x.abs()
        real = batch.real & magnitude.amax(dim=-1).isfinite()
        rows = rearrange(magnitude, "b p d -> (b p) d") if bool(real.all()) else magnitude[real]
        self.tally.add("outliers", layer, (rows >= OUTLIER).sum(dim=0))
        self.tally.add("normed_tokens", layer, real.sum())
        spike = self.held.spike
        if spike is None or layer == 0:
            return
        spike = spike.to(x.device)  # of the block before, which may be on another device
        rows = torch.arange(len(x), device=x.device)
        last = batch.lengths - 1
        apart = spike != last
        one, other = (_unit(x[rows, where].float()) for where in (spike, last))
        usable = apart & one.isfinite().all(dim=-1) & other.isfinite().all(dim=-1)
        self.tally.add("directions", layer, usable.sum())
        self.tally.add("spike_direction", layer, one[usable].sum(dim=0))
        self.tally.add("other_direction", layer, other[usable].sum(dim=0))
        self.tally.add("effective_dims", layer, (1 / (one[usable] ** 4).sum(dim=-1)).sum())


def _dim_max(magnitude: Float[Tensor, "token d"]) -> Float[Tensor, " d"]:
    return magnitude.amax(dim=0) if len(magnitude) else magnitude.new_zeros(magnitude.shape[1])


def _ordinary(magnitude: Float[Tensor, "batch pos d"], real: Bool[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
    """Tokens whose typical |x| is not far above their text's: where all dims are huge, none stands out."""
    sample = magnitude[..., :: max(1, magnitude.shape[-1] // SAMPLED_DIMS)].median(dim=-1).values
    usual = sample.masked_fill(~real, torch.nan).nanmedian(dim=1, keepdim=True).values
    return sample <= HUGE * usual


def _moments(x: Float[Tensor, "token d"]) -> Float[Tensor, " 5"]:
    """n, Σx, Σx², Σx³, Σx⁴."""
    flat = x.reshape(-1)
    square = flat * flat
    sums = [flat.sum(), square.sum(), torch.dot(square, flat), torch.dot(square, square)]
    counted = torch.stack([torch.tensor(float(flat.numel()), device=x.device), *sums])
    return Backend.of(x.device).widened(counted)


def _unit(x: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
    return x / x.norm(dim=-1, keepdim=True)


def _padded(x: Tensor, size: int, dim: int = -1) -> Tensor:
    """Filled up to `size` along `dim` with NaN, or −1 in integers."""
    lack = size - x.shape[dim]
    if lack <= 0:
        return x
    shape = list(x.shape)
    shape[dim] = lack
    return torch.cat([x, x.new_full(shape, torch.nan if x.is_floating_point() else -1)], dim=dim)

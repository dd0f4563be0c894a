"""`Change`: one thing in a model is changed, and what its matched random control is; for who tries before testing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inspector.errors import InputError
from inspector.figures import rounded
from inspector.interventions.operations import OPERATIONS
from inspector.interventions.values import Intervention, ablate_output, knock_out_attention, scale, zero_ablate
from inspector.sites import Site

KINDS = {
    "resid_post": "a dim of the residual stream",
    "neuron": "a neuron of the MLP",
    "attention": "an attention head",
    "mlp_out": "all that the MLP writes",
    "attn_out": "all that attention writes",
}
NAMED = {
    "resid_post": "dim {unit} of layer {layer}",
    "neuron": "neuron {unit} of layer {layer}",
    "attention": "head {unit} of layer {layer}",
    "mlp_out": "the MLP of layer {layer}",
    "attn_out": "attention of layer {layer}",
}
OPS = {
    "resid_post": ("zero", "scale", "mean"),
    "neuron": ("zero", "scale", "mean"),
    "attention": ("unattend",),
    "mlp_out": ("drop",),
    "attn_out": ("drop",),
}
SIZES = {"resid_post": "largest |x|", "neuron": "norm of its output weights"}
"""What the size of a kind is, for those that have one."""
NEAREST = 10
"""A control is drawn from this many that are nearest in size."""


@dataclass(frozen=True)
class Change:
    """A change of one thing in the model.

    Args:
        kind: a key of `KINDS`.
        layer: where.
        unit: dim, neuron or head; None for a whole output.
        position: the token it is done at (for a head, the key that is taken away); None is every token.
        op: one of `OPS[kind]`.
        factor: of `scale`.
    """

    kind: str
    layer: int
    unit: int | None
    position: int | None
    op: str
    factor: float = 1.0

    @property
    def name(self) -> str:
        """In words."""
        thing = NAMED[self.kind].format(unit=self.unit, layer=self.layer)
        if self.kind == "attention":
            return f"key {self.position} hidden from {thing}"
        where = "everywhere" if self.position is None else f"at token {self.position}"
        return f"{thing} {OPERATIONS[self.op].done(self.factor)} {where}"

    def interventions(self, model: Any) -> tuple[Intervention, ...]:
        """As the model takes it; means are measured on built-in texts."""
        site, units = Site(self.kind, self.layer), None if self.unit is None else (self.unit,)
        positions = None if self.position is None else (self.position,)
        if self.op == "unattend":
            return (knock_out_attention(self.layer, units, positions or (0,)),)
        if self.op == "drop":
            return (ablate_output(site, positions),)
        if self.op == "scale":
            return (scale(site, units, self.factor, positions),)
        return (
            (zero_ablate(site, units, positions),) if self.op == "zero" else (_at_mean(model, site, units, positions),)
        )

    @property
    def index(self) -> int:
        """Which of its kind it is: the unit, or for a whole output the layer."""
        return self.layer if self.unit is None else self.unit

    def control(self, count: int, sizes: Sequence[float] | None, seed: int) -> "Change":
        """The same done to another of `count`: one of the nearest in size, or any where sizes are not known.

        Raises:
            InputError: it is the only one.
        """
        others = [i for i in range(count) if i != self.index]
        if not others:
            raise InputError("There is no other of its kind to be its control.")
        if sizes is not None:
            others = sorted(others, key=lambda i: abs(sizes[i] - sizes[self.index]))[:NEAREST]
        picked = int(np.random.default_rng(seed).choice(others))
        return replace(self, layer=picked) if self.unit is None else replace(self, unit=picked)


def _at_mean(model: Any, site: Site, units: Any, positions: Any) -> Intervention:
    from inspector.batches import batches, tokenise
    from inspector.interventions.means import means
    from inspector.interventions.values import Target, mean_ablate
    from inspector.texts import built_in

    rows = tokenise(model.tokenizer, built_in(8), bos=None, window=96)[:8]
    (mean,) = means(model, batches(rows, 512, model.pad_id), [Target(site, units, positions)])
    return mean_ablate(mean)


def width(kind: str, card: Mapping[str, Any]) -> int | None:
    """How many of this kind a layer has; None for a whole output."""
    return {"resid_post": card["d_model"], "neuron": card["d_mlp"], "attention": card["heads"]}.get(kind)


def sizes_of(model: Any, change: Change, largest: Sequence[float] | None) -> Sequence[float] | None:
    """What a control's size is measured by, as `SIZES` says; None where it isn't."""
    if change.kind == "neuron":
        return model.w_out(change.layer).float().norm(dim=1).tolist()
    return largest if change.kind == "resid_post" else None


def said_of(change: Change, control: Change, sizes: Sequence[float] | None) -> str:
    """Where a control was drawn from, with both sizes."""
    if sizes is None:
        return "The control is any other of its kind: their sizes are not known."
    what, own, other = SIZES[change.kind], rounded(sizes[change.index]), rounded(sizes[control.index])
    return f"The control is one of the {NEAREST} nearest in size: {what} {other}, beside {own}."

"""Interventions on a model: hooks for the length of a context, always undone."""

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inspector.arguments import takes
from inspector.errors import InputError, ModelError
from inspector.interventions.values import UNIT_OF, Intervention, Target, as_json
from inspector.models import Model
from inspector.models.changes import (
    Change,
    before_passes,
    bridge_attends,
    change_at,
    changes_in_force,
    described_in_force,
    in_force,
    unchangeable_scores,
)
from inspector.printable import kind_of


@takes
@contextmanager
def intervene(model: Model, interventions: Intervention | Iterable[Any]) -> Iterator[None]:
    """Change activations, in the order of the list, in every pass that this thread runs in the context.

    `observe`, `examine`, `Model.logits` and `Decoder.generate` see what was changed, and so do hooks
    that are added in the context; begin it before what reads. Whatever ends it, nothing is left behind,
    and hooks of the user's stay. Contexts nest: an inner one changes what the outer one left. The
    model's lock is held throughout: passes of other threads, whoever runs them, wait for the end.

    Positions are told from each pass's mask and cache, so they are the text's own under padding on
    either side and in generation. Attention knockout makes the bridge compute attention, which is slow.

    Raises:
        InputError: a layer, unit, position or number that the model does not have.
        ModelError: the model has no such site, or its attention can't be changed through the bridge.
    """
    interventions = _listed(interventions)
    for one in interventions:
        check_target(model, one)
        _check_value(model, one)
    active = tuple(one for one in interventions if not one.operation.idle(one.value))
    layers = sorted({one.site.layer for one in active if one.site.kind == "attention"})
    running = _Pass(model, layers)
    with model.lock, _ended(running), ExitStack() as stack:
        _check_scores_can_be_changed(model, layers)
        if active:
            stack.enter_context(before_passes(model, running.begin))
        for one in active:
            stack.enter_context(change_at(model, one.site, running.only_here(_hook(one, running))))
        stack.enter_context(in_force(model, active))
        yield


def interventions_in_force(model: Model) -> tuple[Intervention, ...]:
    """What open contexts change in this model, in the order it is applied."""
    return tuple(one for one in changes_in_force(model) if isinstance(one, Intervention))


def changes_recorded(model: Model) -> dict[str, Any]:
    """What is changed in this model now, as settings of what is measured: interventions, and what compresses it."""
    interventions, described = interventions_in_force(model), described_in_force(model)
    found: dict[str, Any] = {"interventions": json.loads(as_json(interventions))} if interventions else {}
    return found | ({"compression": [json.loads(one.settings) for one in described]} if described else {})


def _listed(given: Any) -> tuple[Intervention, ...]:
    found = (given,) if isinstance(given, Intervention) else tuple(given) if isinstance(given, Iterable) else given
    if not isinstance(found, tuple) or not all(isinstance(one, Intervention) for one in found):
        raise InputError(f"Got {kind_of(given)}. Give interventions, such as zero_ablate makes, one or a list of them.")
    return found


@contextmanager
def _ended(running: "_Pass") -> Iterator[None]:
    """Afterwards no hook of the pass does anything: an interrupt can come between adding one and noting its undoing."""
    try:
        yield
    finally:
        running.owner = None


class _Pass:
    """What hooks must know of the forward pass that runs: its thread, and where its tokens stand in their texts.

    `keys` are the positions of all tokens that can be looked at, padding −1; the last `length` of
    them are those that the pass computes. None where they can't be told.
    """

    def __init__(self, model: Model, unattended: Sequence[int]) -> None:
        self.owner: int | None = get_ident()  # until the context is over
        self.model, self.unattended = model, unattended
        self.keys: Int[Tensor, "row key"] | None = None
        self.length = 0

    def begin(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called before the model, or its core alone, runs."""
        if get_ident() != self.owner:
            return
        for layer in self.unattended:
            if not bridge_attends(self.model, layer):
                raise ModelError(
                    "Attention knockout needs the bridge's attention, and this pass runs without it. "
                    "Begin the context before what runs the model, and compute its prefix anew."
                )
        given = {**dict(zip(inspect.signature(module.forward).parameters, args, strict=False)), **kwargs}
        fed = given.get("inputs_embeds") if given.get("input_ids") is None else given["input_ids"]
        self.length = 0 if fed is None else fed.shape[1]
        self.keys = None if fed is None else _positions(given, self.length, fed.device)

    def only_here(self, hook: Change) -> Change:
        """The hook, so that it only fires in the thread that opened the context: others never asked for a change."""

        def here(x: Tensor, **point: Any) -> Tensor | None:
            return hook(x) if get_ident() == self.owner else None

        return here

    def at(
        self, positions: tuple[int, ...], count: int, device: torch.device, *, keys: bool = False
    ) -> Bool[Tensor, "row token position"]:
        """Which tokens (`count` of them) stand at which of these positions."""
        tokens = self.keys if self.keys is None or keys else self.keys[:, -self.length :]
        if tokens is None or tokens.shape[1] != count:
            raise InputError(
                "Where this pass's tokens stand in their texts can't be told from its mask and cache. "
                "Give a mask [text, position] over cached and new tokens, or name no positions."
            )
        wanted = torch.tensor(positions, device=device)
        return tokens.to(device).unsqueeze(-1) == wanted


def _positions(given: dict[str, Any], length: int, device: torch.device) -> Int[Tensor, "row key"] | None:
    """Positions of cached and new tokens in their texts, −1 at padding, from what a model was called with."""
    cache, mask, own = (given.get(name) for name in ("past_key_values", "attention_mask", "position_ids"))
    if given.get("cache_params") is not None or not (cache is None or hasattr(cache, "get_seq_length")):
        return None  # a state that doesn't say of how many tokens
    before = 0 if cache is None else int(cache.get_seq_length())
    if isinstance(mask, Tensor) and mask.ndim == 2 and mask.shape[1] == before + length:
        return (mask.long().cumsum(dim=-1) - 1).masked_fill(mask == 0, -1)
    if isinstance(own, Tensor) and own.ndim == 2 and own.shape[1] == length:
        return torch.cat([torch.arange(before, device=own.device).expand(len(own), -1), own.long()], dim=1)
    return torch.arange(before + length, device=device).unsqueeze(0) if mask is None else None


def _hook(one: Intervention, running: _Pass) -> Change:
    """A hook that gives a changed copy of an activation, or None where the pass has none of the positions."""
    operation, units = one.operation, None if one.units is None else torch.tensor(one.units)
    change, axis = operation.change(one.value), operation.units_axis

    def hook(x: Float[Tensor, "row ..."]) -> Float[Tensor, "row ..."] | None:
        at = None
        if one.positions is not None:
            count = x.shape[-1 if operation.by_key else 1]
            at = running.at(one.positions, count, x.device, keys=operation.by_key)
            if not at.any():
                return None
        if units is None:
            return change(x, at)
        here = units.to(x.device)
        return x.index_copy(axis, here, change(x.index_select(axis, here), at))

    return hook


def check_target(model: Model, target: Target | Intervention) -> None:
    """Check that this model has the site, the units and the positions.

    Raises:
        InputError: a layer, unit or position that is out of range.
        ModelError: the model has no such site there.
    """
    site, shape = target.site, model.shape
    if site.layer >= shape.layers:
        raise InputError(f"Layer {site.layer} is outside 0–{shape.layers - 1}. Name one of this model's layers.")
    if site not in shape.sites:
        layers = ", ".join(map(str, shape.layers_of(site.kind))) or "none"
        raise ModelError(
            f"{model.card['architecture']} has no {site.kind} in layer {site.layer} that can be changed "
            f"(layers that do: {layers}). Choose another site."
        )
    width = _width(model, target)
    for name, named, end in ((UNIT_OF[site.kind], target.units, width), ("position", target.positions, shape.context)):
        if named is not None and max(named) >= end:
            raise InputError(f"{site.kind} {site.layer}: {name} {max(named)} is outside 0–{end - 1}. Use one of these.")


def _width(model: Model, target: Target | Intervention) -> int:
    if target.site.kind == "attention":
        return model.shape.heads
    return model.shape.d_mlp if target.site.kind == "neuron" else model.shape.d_model


def _check_value(model: Model, one: Intervention) -> None:
    numbers = torch.tensor(one.operation.numbers(one.value), dtype=torch.float64)
    if not numbers.to(model.dtype).isfinite().all():
        raise InputError(f"{one}: {float(numbers.abs().max()):g} is beyond {model.dtype}. Use smaller numbers.")
    width, given = _width(model, one), one.operation.width(one.value)
    if one.units is None and given not in (None, width):
        raise InputError(f"{one}: {given} values for {width} {UNIT_OF[one.site.kind]}s. Give one for each.")


def _check_scores_can_be_changed(model: Model, layers: Sequence[int]) -> None:
    """Check that a change of scores shows in the pattern, as it must for attention knockout.

    Raises:
        ModelError: it doesn't in one of these layers: attention is computed where no hook reaches.
    """
    if unchangeable := unchangeable_scores(model, layers):
        raise ModelError(
            f"{model.card['architecture']} computes attention where no hook can change it (layer {unchangeable[0]}), "
            "so attention knockout can't be done. Ablate attn_out instead (ablate_output)."
        )

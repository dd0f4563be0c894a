"""Reference means: what units hold on average over texts, for interventions that set them to it."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from inspector.batches import Batch, PaddingSide
from inspector.errors import InputError
from inspector.interventions.apply import check_target
from inspector.interventions.values import TENSORS, Mean, Target
from inspector.models import Backend, Model, Prefix
from inspector.models.observe import observe
from inspector.progress import Task
from inspector.sites import Site


def means(
    model: Model,
    batches: Iterable[Batch],
    targets: Sequence[Target],
    *,
    padding_side: PaddingSide = "right",
    prefix: Prefix | None = None,
    task: Task | None = None,
) -> tuple[Mean, ...]:
    """Each target's means over the tokens of these texts, in one streaming pass, summed in float64
    (a batch in float32 where the device has no other).

    A target without positions gets one mean per unit over all real tokens, the first ones with
    their spikes included; one with positions gets a row per position, over the texts that have it.
    With a `prefix` positions count from the prefix's first token, and only the rows' own are seen.

    Raises:
        InputError: a target out of the model's range, or a position that no text has.
        ModelError: the model has no such site.
    """
    for target in targets:
        if target.site.kind not in TENSORS:
            raise InputError(f"There is no mean of {target.site.kind}. Use {', '.join(TENSORS)}.")
        check_target(model, target)
    sums = [_Sums(target, 0 if prefix is None else len(prefix.ids)) for target in targets]
    observe(model, batches, sums, padding_side=padding_side, prefix=prefix, task=task)
    return tuple(one.mean() for one in sums)


class _Sums:
    """Adds up one target's units."""

    def __init__(self, target: Target, skipped: int) -> None:
        self.target = target
        self.kinds: tuple[str, ...] = (target.site.kind,)
        self.positions = None if target.positions is None else torch.tensor(target.positions) - skipped
        self.total = torch.zeros(())
        self.count = torch.zeros(1 if target.positions is None else len(target.positions), dtype=torch.int64)

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        if site != self.target.site:
            return
        if self.target.units is not None:
            x = x[..., torch.tensor(self.target.units, device=x.device)]
        real = batch.real
        if self.positions is None:
            self._add(x[real].unsqueeze(1), real[real].unsqueeze(1))
        else:
            positions = self.positions.to(x.device)
            here = positions.clamp(0, x.shape[1] - 1)
            self._add(x[:, here], real[:, here] & (here == positions))

    def _add(self, x: Tensor, real: Tensor) -> None:
        """Values `[row, position, unit]` and whether they count."""
        x = Backend.of(x.device).widened(x)
        self.total = self.total + x.masked_fill(~real.unsqueeze(-1), 0.0).sum(dim=0).cpu().double()
        self.count += real.sum(dim=0).cpu()

    def mean(self) -> Mean:
        """The means so far.

        Raises:
            InputError: a position that no text has, or a mean that is not finite.
        """
        target, count = self.target, self.count.tolist()
        where = f"{target.site.kind} {target.site.layer}"
        if 0 in count:
            at = "" if target.positions is None else f" at position {target.positions[count.index(0)]}"
            raise InputError(f"Insufficient data for a mean of {where}: no text has a token{at}. Give longer texts.")
        value = self.total / self.count.unsqueeze(1)
        if not value.isfinite().all():
            raise InputError(f"Activations of {where} are NaN or infinite on these texts. Use other texts.")
        rows = tuple(tuple(row) for row in value.tolist())
        if target.positions is None:
            return Mean(target, rows[0], count[0])
        return Mean(target, rows, tuple(count))

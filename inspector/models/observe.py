"""The one streaming loop: hooked forward passes whose activations are reduced as they come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from inspector.batches import Batch, PaddingSide, TokenSequence, batch_apart, batch_count
from inspector.errors import InputError
from inspector.models import Model, Prefix, hooks_inside_attention, reading, route_now
from inspector.models.attention import StreamedAttention, WholeAttention, roll_rows
from inspector.models.backend import Backend
from inspector.models.counting import told
from inspector.progress import Task
from inspector.sites import Site

TABLE = 100
"""Bytes of a token in the table of the input tokens, and while it is made."""


@runtime_checkable
class Observer(Protocol):
    """Sees a stream of activations: what `observe` calls. Every reducer is one.

    `kinds` are the kinds of site that it wants to see on this model. `update` is called for each batch
    and site in the order of the forward pass, with `[batch, pos, …]` padded on the right, or with
    one `AttentionBlock` after another for the kind `attention`. It must not write to `x`.
    """

    kinds: tuple[str, ...]

    def update(self, batch: Batch, site: Site, x: Any) -> None:
        """Take in one site's activations, or one block of attention."""


@dataclass(frozen=True)
class Forecast:
    """What a pass will take, known before it starts; of `peak_bytes` of memory, `kept_bytes` grow with the texts.

    Args:
        tokens, batches: of the whole pass.
        tokens_per_batch: with padding.
        peak_bytes, free_bytes, kept_bytes: of memory.
        exact: whether all texts have been read; else tokens and batches are estimated from the first ones, or, where
            nobody knows how long the corpus is, those of the first ones.
        of_texts: tokens of texts, the others being of control inputs.
        seconds: of the whole pass, once it was measured for a while.
    """

    tokens: int
    batches: int
    tokens_per_batch: int
    peak_bytes: int
    free_bytes: int
    kept_bytes: int = 0
    exact: bool = True
    of_texts: int = 0
    seconds: float | None = None

    def of_corpus(self, read: int, share: float | None, *, last: bool) -> "Forecast":
        """The forecast of a corpus of whose texts the first, so many tokens, are this share."""
        if last or not share:
            return replace(self, exact=last, of_texts=read)
        longer = round(read / share)
        batches = round(self.batches * longer / max(1, read))
        return replace(self, tokens=self.tokens + longer - read, batches=batches, exact=False, of_texts=longer)

    def __str__(self) -> str:
        memory = f"about {self.peak_bytes / 1e9:.2f} GB beside the model, {self.free_bytes / 1e9:.1f} GB free"
        if self.kept_bytes >= 0.1 * self.peak_bytes:
            memory = f"{memory}; {self.kept_bytes / 1e9:.2f} GB of it for what is kept of the texts"
        batched = f"{self.batches:,} batches of at most {self.tokens_per_batch:,}"
        lasting = "" if self.seconds is None else f"; {self.seconds / 60:.1f} minutes in all, by those so far"
        return f"{'' if self.exact else 'about '}{self.tokens:,} tokens in all, in {batched}; {memory}{lasting}"


def observe(
    model: Model,
    batches: Iterable[Batch],
    observers: Sequence[Observer],
    *,
    padding_side: PaddingSide = "right",
    prefix: Prefix | None = None,
    task: Task | None = None,
) -> None:
    """Run the batches through the model and feed the reducers while activations stream by.

    Activations are never collected: each is reduced inside its hook. Hooks are removed whatever
    happens, hooks of the user's stay, and the model's lock is held throughout. Reducers see
    padding on the right, whichever side the model was given it on. With a `prefix` (of a `Decoder`)
    every row continues from it; reducers see the rows' own tokens only.

    Raises:
        ModelError: a reducer needs a kind of site that this model does not have.
        InputError: attention is to be read, or padding on the left, with a prefix.
    """
    pass_ = _Pass(observers)
    kinds = sorted({kind for observer in observers for kind in observer.kinds})
    if prefix is not None and ("attention" in kinds or padding_side == "left"):
        raise InputError("With a shared prefix attention can't be read, and padding is on the right.")
    if prefix is not None and (inside := hooks_inside_attention(model)):
        raise InputError(f"A hook at {inside[0]} would not fire with a shared prefix. Remove it, or pass whole rows.")
    apart = partial(batch_apart, switch=model.rotary_switch)
    with model.lock, reading(model, kinds, pass_.deliver, prefix):
        for batch in chain.from_iterable(map(apart, batches)):
            batch = Batch(*(x.to(model.device) for x in (batch.ids, batch.real, batch.text)))
            pass_.begin(batch)
            ids, mask, real = batch.ids, None, batch.real
            if padding_side == "left":
                pass_.shift = batch.ids.shape[1] - batch.lengths
                ids, mask = (roll_rows(x, -pass_.shift, dim=1) for x in (batch.ids, batch.real))
                real = mask
            with told(real):
                model.forward(ids, mask, logits="logits" in kinds, prefix=prefix)
            if task is not None:
                task.advance(int(batch.real.sum()))


class _Pass:
    """Hands what the hooks bring to the reducers that want it."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = observers
        self.shift: Tensor | None = None
        self.batches: dict[torch.device, Batch] = {}
        """The batch on each device that layers have been seen on; empty before the first."""

    def begin(self, batch: Batch) -> None:
        self.batches, self.shift = {batch.ids.device: batch}, None

    def deliver(self, site: Site, x: Tensor | StreamedAttention | WholeAttention) -> None:
        if not self.batches:
            return  # another user of this model runs it between our batches
        batch = self._on(x.device)
        if self.shift is not None:
            shift = self.shift.to(x.device)
            x = roll_rows(x, shift, dim=1) if isinstance(x, Tensor) else x.padded_right(shift)
        wanting = [observer for observer in self.observers if site.kind in observer.kinds]
        for part in [x] if isinstance(x, Tensor) else x.blocks(batch.real):
            for observer in wanting:
                observer.update(batch, site, part)

    def _on(self, device: torch.device) -> Batch:
        """The batch where a layer is, which reducers index its activations by."""
        if device not in self.batches:
            batch = next(iter(self.batches.values()))
            self.batches[device] = Batch(*(x.to(device) for x in (batch.ids, batch.real, batch.text)))
        return self.batches[device]


def forecast(
    model: Model, rows: Sequence[TokenSequence], tokens_per_batch: int | None = None, *, kept: int = 0
) -> Forecast:
    """Batch size in tokens, chosen from free memory, and what the pass will take.

    Args:
        model: the model.
        rows: all texts of the pass.
        tokens_per_batch: chosen where None.
        kept: bytes of the evidence. While it is made of what reducers have collected, both are there.

    Raises:
        InputError: even the longest text alone does not fit, or what is kept of all texts.
    """
    longest = max(len(row.ids) for row in rows)
    backend = Backend.of(model.device)
    free, host = backend.free_bytes(), backend.host_bytes()
    total = sum(len(row.ids) for row in rows)
    kept = 2 * kept + TABLE * total
    if kept > 0.9 * host:
        raise InputError(
            f"What is kept of {len(rows):,} texts needs about {kept / 1e9:.1f} GB and {host / 1e9:.1f} GB are free. "
            "Scan fewer texts at a time, or with fewer detectors."
        )
    beside = free - kept if backend.device.type == "cpu" else free
    a_token = _bytes_per_token(model, longest)
    budget = tokens_per_batch or max(longest, min(backend.batch_tokens, int(0.5 * beside / a_token)))
    peak = a_token * max(longest, min(budget, total))
    if peak > 0.9 * beside:
        raise InputError(
            f"A batch of {max(longest, budget):,} tokens needs about {peak / 1e9:.1f} GB and {beside / 1e9:.1f} GB are "
            "free. Use a smaller window or batch size."
        )
    return Forecast(total, batch_count(rows, budget), budget, peak + kept, free, kept)


def _bytes_per_token(model: Model, longest: int) -> int:
    """A generous bound on a pass's activations that live at once."""
    shape = model.shape
    widths = 16 * shape.d_model + 6 * max(shape.d_mlp, 4 * shape.d_model) + 8 * shape.heads * shape.d_head
    if route_now(model) != "streamed":
        widths += 4 * shape.heads * longest
    return 4 * widths

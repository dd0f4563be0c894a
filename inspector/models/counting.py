"""Which tokens of the batch that runs are texts' own, for changes of activations that padding must not enter."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

_real: ContextVar[Tensor | None] = ContextVar("real", default=None)


def counting() -> Bool[Tensor, "row token"] | None:
    """True at tokens that are no padding, as the pass in this thread sees them; None where nobody said."""
    return _real.get()


def by_text(x: Tensor) -> Tensor:
    """What a matrix is given as `[row, token, dim]`: some models put all rows after one another."""
    if x.ndim == 3:
        return x
    real = counting()
    return x.unsqueeze(0) if real is None or real.numel() != len(x) else x.reshape(*real.shape, x.shape[-1])


def positions(rows: int, tokens: int, device: torch.device) -> Int[Tensor, "row token"]:
    """Where each token of the pass stands in its own text, padding −1."""
    real = counting()
    if real is None or real.shape != (rows, tokens):
        return torch.arange(tokens, device=device).expand(rows, -1)
    real = real.to(device)  # a model on several devices has its layers where they are
    return (real.long().cumsum(dim=1) - 1).masked_fill(~real, -1)


@contextmanager
def told(real: Bool[Tensor, "row token"]) -> Iterator[None]:
    """Say it for the passes of the context."""
    before = _real.set(real)
    try:
        yield
    finally:
        _real.reset(before)

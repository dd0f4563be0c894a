"""Which tokens of the batch that runs are texts' own, for changes of activations that padding must not enter."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jaxtyping import Bool
from torch import Tensor

_real: ContextVar[Tensor | None] = ContextVar("real", default=None)


def counting() -> Bool[Tensor, "row token"] | None:
    """True at tokens that are no padding, as the pass in this thread sees them; None where nobody said."""
    return _real.get()


@contextmanager
def told(real: Bool[Tensor, "row token"]) -> Iterator[None]:
    """Say it for the passes of the context."""
    before = _real.set(real)
    try:
        yield
    finally:
        _real.reset(before)

"""Fake quantisation: numbers rounded to a grid of few steps and back, in their own dtype."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from inspector.errors import InputError

Per = Literal["tensor", "row", "group"]

EXACT = 16
"""Bits from which nothing is rounded here: what is stored in 16 is the model's own."""


@dataclass(frozen=True)
class Rounding:
    """A grid that numbers are rounded to.

    The symmetric grid of b bits has the steps −2^(b−1) … 2^(b−1) − 1 of max |x| / (2^(b−1) − 1); the asymmetric one 2^b
    steps from the least to the largest number, of which one is 0.

    Args:
        bits: from 2 to 16; 16 rounds nothing.
        per: what has a grid of its own: `tensor`, each text's activations, or all weights of a matrix; `row`, each
            token of activations, or each output of a matrix; `group`, so many inputs of a row.
        group: how many.
        symmetric: whether the grid is around 0.
    """

    bits: int
    per: Per = "row"
    group: int = 0
    symmetric: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= EXACT:
            raise InputError(f"{self.bits} bits. Use 2 to {EXACT}.")
        if (self.per == "group") != (self.group > 0):
            raise InputError(f"A group of {self.group} with a grid per {self.per}. Give 'group' a size, others none.")

    def activations(self, x: Float[Tensor, "text token dim"]) -> Float[Tensor, "text token dim"]:
        """Activations rounded; with a grid per tensor each text has one, so that no text changes another."""
        if self.per == "tensor":
            return self._rounded(x.flatten(1)).reshape(x.shape)
        return self.rows(x)

    def weights(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """A matrix's weights rounded."""
        if self.per == "tensor":
            return self._rounded(weight.reshape(1, -1)).reshape(weight.shape)
        return self.rows(weight)

    def rows(self, x: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
        """The last axis rounded, or each group of it; the last group may be smaller."""
        if self.per != "group" or self.bits >= EXACT:
            return self._rounded(x)
        short = -x.shape[-1] % self.group
        padded = functional.pad(x, (0, short))  # 0 is on every grid, and changes none's ends
        groups = padded.reshape(*padded.shape[:-1], -1, self.group)
        return self._rounded(groups).reshape(padded.shape)[..., : x.shape[-1]]

    def _rounded(self, x: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
        """Each row on a grid of its own, in float32."""
        if self.bits >= EXACT:
            return x
        half, numbers = 2 ** (self.bits - 1), x.float()
        if self.symmetric:
            step = numbers.abs().amax(dim=-1, keepdim=True) / (half - 1)
            step = step.where(step > 0, 1.0)
            return ((numbers / step).round().clamp(-half, half - 1) * step).to(x.dtype)
        low = numbers.amin(dim=-1, keepdim=True).clamp(max=0)
        high = numbers.amax(dim=-1, keepdim=True).clamp(min=0)
        step = (high - low) / (2 * half - 1)
        step = step.where(step > 0, 1.0)
        zero = (-low / step).round()
        return (((numbers / step).round() + zero).clamp(0, 2 * half - 1) - zero).mul(step).to(x.dtype)

"""What a remedy spends: bits a number, on average over what is rounded. Grids' own scales are not counted."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from inspector.models.matrices import Matrix, weight_of
from inspector.quantisation.apply import Spared
from inspector.quantisation.rounding import EXACT, Rounding
from inspector.quantisation.schemes import Scheme


@dataclass(frozen=True)
class Bits:
    """Bits a number; NaN of what the scheme leaves as it is.

    Args:
        activations: of what matrices are given.
        weights: of the matrices.
        cache: of keys and values.
    """

    activations: float
    weights: float
    cache: float


def bits_spent(plan: Scheme, spared: Spared, prefix: int, matrices: Mapping[Matrix, nn.Module], tokens: int) -> Bits:
    """What a scheme costs with some of it spared, on texts of so many tokens.

    Args:
        plan: the scheme.
        spared: what keeps its precision, which counts 16 bits.
        prefix: tokens before the text, which keep theirs.
        matrices: the model's, with their modules.
        tokens: of a text.
    """
    whole = (len([place for place in spared.positions if place < tokens]) + prefix) / (tokens + prefix)
    inputs = weights = given = held = 0.0
    for matrix, module in matrices.items():
        out, width = weight_of(module).shape
        share = 1.0 if matrix.name in spared.matrices else len(spared.inputs_of(matrix)) / width
        inputs += width * (1 - (1 - share) * (1 - whole))
        given += width
        weights += out * width * share
        held += out * width
    return Bits(_mean(plan.activations, inputs / given), _mean(plan.weights, weights / held), _mean(plan.cache, whole))


def _mean(rounding: Rounding | None, spared: float) -> float:
    """Bits of a number where this share is spared."""
    return float("nan") if rounding is None else EXACT * spared + rounding.bits * (1 - spared)

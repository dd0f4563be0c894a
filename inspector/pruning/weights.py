"""Weights taken out by a score, row by row: magnitude, Wanda, or at random."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from inspector.batches import TokenSequence, batches
from inspector.errors import InputError
from inspector.models import Backend, Model
from inspector.models.counting import counting
from inspector.models.matrices import Matrix, Multiplied, matrices_of, multiplied
from inspector.models.observe import observe

WAYS = ("magnitude", "wanda", "random")


@dataclass(frozen=True)
class _Sparse:
    """Sets the weights of each row with the lowest scores to 0.

    Args:
        share: of each row.
        norms: of what the matrix is given, one for each input; 1 for magnitude alone.
        seed: for random ones; None for none.
    """

    share: float
    norms: Float[Tensor, " in"] | None = None
    seed: int | None = None

    def __call__(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        gone = round(self.share * weight.shape[1])
        if not gone:
            return weight
        score = weight.float().abs()
        if self.seed is not None:
            rng = torch.Generator().manual_seed(self.seed)
            score = torch.rand(weight.shape, generator=rng).to(weight.device)
        elif self.norms is not None:
            score = score * self.norms
        lowest = score.topk(gone, dim=1, largest=False).indices
        return weight.scatter(1, lowest, 0.0)


class _Norms:
    """Sums the squares of what a matrix is given, padding left out."""

    def __init__(self) -> None:
        self.squared: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        given = Backend.of(x.device).widened(x.reshape(-1, x.shape[-1]))
        real = counting()
        if real is not None and real.numel() == len(given):
            given = given[real.reshape(-1).to(given.device)]
        total = given.square().sum(dim=0)
        self.squared = total if self.squared is None else self.squared + total
        return x


def input_norms(model: Model, rows: Sequence[TokenSequence], tokens: int) -> Mapping[Matrix, Float[Tensor, " in"]]:
    """The norm over tokens of each input of each matrix, as Wanda weighs weights by (arXiv 2306.11695).

    Args:
        model: from `load_model`.
        rows: texts to measure on.
        tokens: per batch.
    """
    every = matrices_of(model)
    seen = {matrix: _Norms() for matrix in every}
    with multiplied(model, {module: Multiplied(seen[matrix]) for matrix, module in every.items()}, ("norms",)):
        for one in seen.values():
            one.squared = None  # of the few tokens that showed that it is reached
        observe(model, batches(rows, tokens, model.pad_id), [])
    return {matrix: one.squared.sqrt().float() for matrix, one in seen.items() if one.squared is not None}


@contextmanager
def sparse(
    model: Model,
    share: float,
    way: str,
    norms: Mapping[Matrix, Float[Tensor, " in"]] | None = None,
    seed: int = 0,
) -> Iterator[None]:
    """Run the model with so large a share of each row's weights at 0, in all matrices of its blocks.

    Args:
        model: from `load_model`.
        share: of the weights of each output.
        way: `magnitude`, `wanda`, or `random`.
        norms: from `input_norms`, for Wanda.
        seed: of the random ones; each matrix has its own.

    Raises:
        InputError: an unknown way, a share outside 0 to 1, or Wanda without norms.
    """
    if way not in WAYS:
        raise InputError(f"No way '{way}' to take out weights. Use one of {', '.join(WAYS)}.")
    if not 0 <= share < 1:
        raise InputError(f"A share of {share} of the weights. Use 0 or more, and less than 1.")
    if way == "wanda" and norms is None:
        raise InputError("Wanda weighs weights by what they are given. Measure that first (input_norms).")
    changes: dict[nn.Module, Multiplied] = {}
    for i, (matrix, module) in enumerate(matrices_of(model).items()):
        mine = None if way != "wanda" or norms is None else norms.get(matrix)
        own = int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) if way == "random" else None
        changes[module] = Multiplied(weights=_Sparse(share, mine, own))
    with multiplied(model, changes, ("sparse", share, way, seed)):
        yield

"""What a model's matrices are given at some positions, on average: nearly the same whatever the text, at a spike."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inspector.batches import TokenSequence, batches
from inspector.models import Model
from inspector.models.counting import by_text
from inspector.models.matrices import Multiplied, matrices_of, multiplied
from inspector.models.observe import observe
from inspector.quantisation.apply import Constants


class _Mean:
    """The mean over texts of what a matrix is given, at every position; passes of fewer tokens aren't counted."""

    def __init__(self, length: int) -> None:
        self.length, self.rows = length, 0
        self.total: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        given = by_text(x)
        if given.shape[1] == self.length:
            here = given.float().sum(dim=0)
            self.total = here if self.total is None else self.total + here
            self.rows += len(given)
        return x


def mean_inputs(model: Model, rows: Sequence[TokenSequence], tokens: int) -> Mapping[str, Float[Tensor, "pos dim"]]:
    """By a matrix's name, the mean over texts of one length of what it is given, at each position.

    Args:
        model: from `load_model`.
        rows: texts of one length.
        tokens: per batch.
    """
    every = matrices_of(model)
    seen = {matrix.name: _Mean(len(rows[0].ids)) for matrix in every}
    changes = {module: Multiplied(seen[matrix.name]) for matrix, module in every.items()}
    with multiplied(model, changes, ("mean inputs",)):
        observe(model, batches(rows, tokens, model.pad_id), [])
    return {name: one.total / one.rows for name, one in seen.items() if one.total is not None}


def constants_at(means: Mapping[str, Float[Tensor, "pos dim"]], positions: Sequence[int]) -> Constants:
    """Those at some positions."""
    return Constants(tuple(positions), {name: mean[torch.tensor(positions)] for name, mean in means.items()})

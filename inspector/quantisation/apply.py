"""A model under a scheme: some of its matrices, or all, and what is spared."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from inspector.arguments import takes, takes_fields
from inspector.errors import InputError
from inspector.models import Model
from inspector.models.changes import Described
from inspector.models.counting import by_text, positions
from inspector.models.matrices import Matrix, Multiplied, TensorChange, matrices_of, multiplied
from inspector.printable import counted, listed
from inspector.quantisation.rounding import Rounding
from inspector.quantisation.schemes import Scheme, scheme

MATRIX = ("matrix", "matrices")


@dataclass(frozen=True, repr=False, eq=False)
class Constants:
    """What matrices are given at some positions, the same in every text.

    Args:
        positions: which.
        by_matrix: by a matrix's name, a vector for each of them, in full precision.
    """

    positions: tuple[int, ...]
    by_matrix: Mapping[str, Float[Tensor, "position dim"]]

    def __repr__(self) -> str:
        return f"<Constants at {counted(len(self.positions), 'position')} of {counted(len(self.by_matrix), *MATRIX)}>"


@takes_fields
@dataclass(frozen=True, repr=False)
class Spared:
    """What keeps its precision.

    Args:
        dims: of the stream, in what matrices read of it: left out of the grid, and of the rounding (LLM.int8).
        neurons: (layer, neuron) in what the MLPs' last matrices read.
        tokens: positions whose activations, keys and values are left as they are (PrefixQuant, KV sinks).
        matrices: by name, left as they are in everything.
        constants: given instead of a text's own activations, at positions that are spared too.
    """

    dims: tuple[int, ...] = ()
    neurons: tuple[tuple[int, int], ...] = ()
    tokens: tuple[int, ...] = ()
    matrices: frozenset[str] = frozenset()
    constants: Constants | None = None

    def __repr__(self) -> str:
        named = {"dims": ("dim",), "neurons": ("neuron",), "tokens": ("token",), "matrices": MATRIX}
        found = [counted(len(getattr(self, name)), *words) for name, words in named.items() if getattr(self, name)]
        if self.constants is not None:
            found.append(f"constants at {counted(len(self.constants.positions), 'position')}")
        return f"<Spared: {', '.join(found) or 'nothing'}>"

    @property
    def positions(self) -> tuple[int, ...]:
        """All positions that are left as they are, or that constants are put at."""
        return tuple(sorted({*self.tokens, *(() if self.constants is None else self.constants.positions)}))

    def inputs_of(self, matrix: Matrix) -> tuple[int, ...]:
        """Which of a matrix's inputs are spared."""
        if matrix.reads == "stream":
            return self.dims
        if matrix.reads == "neurons":
            return tuple(neuron for layer, neuron in self.neurons if layer == matrix.layer)
        return ()


@dataclass(frozen=True)
class _Inputs:
    """Rounds what a matrix is given; padding is left as it is, and in no text's grid."""

    rounding: Rounding
    spared: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    constant: tuple[tuple[int, ...], Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        given = by_text(x)
        kept = torch.zeros(given.shape[-1], dtype=torch.bool, device=x.device)
        kept[list(self.spared)] = True
        place = positions(given.shape[0], given.shape[1], x.device)
        whole = _among(place, self.tokens) | (place < 0)
        left = kept | whole.unsqueeze(-1)  # [row, token, dim]
        rounded = self.rounding.activations(given.masked_fill(left, 0.0))
        found = torch.where(left, given, rounded)
        if self.constant is not None:
            for position, vector in zip(*self.constant, strict=True):
                found[place == position] = vector.to(found.dtype)
        return found.reshape(x.shape)


def _among(place: Int[Tensor, "row token"], wanted: tuple[int, ...]) -> Bool[Tensor, "row token"]:
    return torch.isin(place, torch.tensor(wanted, dtype=place.dtype, device=place.device))


@dataclass(frozen=True)
class _Cache:
    """Rounds keys and values."""

    rounding: Rounding
    tokens: tuple[int, ...] = ()

    def __call__(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return self._rounded(key), self._rounded(value)

    def _rounded(self, x: Tensor) -> Tensor:
        kept = _among(positions(x.shape[0], x.shape[2], x.device), self.tokens)
        return torch.where(kept[:, None, :, None], x, self.rounding.rows(x))


@takes
@contextmanager
def quantised(
    model: Model,
    how: Scheme | str,
    *,
    only: Collection[str] | None = None,
    spared: Spared | None = None,
) -> Iterator[None]:
    """Run the model as if its blocks' matrices were quantised, while the context lasts; no weight is touched.

    Rounded activations are multiplied by rounded weights: the numbers that a quantised model computes, but for the
    order in which sums are rounded. Embedding and unembedding stay as they are. Answers are generated without a cache
    meanwhile, every token computed again, so that a grid per text is one.

    Args:
        model: from `load_model`.
        how: a scheme, or its name: `w8a8-tensor`, `w4a16-g128`, `kv4`, …
        only: names of the matrices that are quantised; all where None. Keys and values are rounded in their layers.
        spared: what keeps its precision.

    Raises:
        InputError: no such scheme, matrix, dim or neuron.
        ModelError: a model without such matrices, or whose attention can't be given other keys and values.
    """
    plan, spared = scheme(how) if isinstance(how, str) else how, spared or Spared()
    every = matrices_of(model)
    _refuse(model, every, only, spared)
    names = ({matrix.name for matrix in every} if only is None else set(only)) - spared.matrices
    chosen = {matrix: module for matrix, module in every.items() if matrix.name in names}
    changes = {module: _change(matrix, plan, spared) for matrix, module in chosen.items()}
    layers = {matrix.layer for matrix in chosen} & set(model.shape.layers_of("attention"))
    cache = None if plan.cache is None else dict.fromkeys(sorted(layers), _Cache(plan.cache, spared.positions))
    told = (plan, tuple(sorted(m.name for m in chosen)), spared, _described(plan, only, spared))
    with multiplied(model, changes if plan.weights or plan.activations else {}, told, cache):
        yield


def _described(plan: Scheme, only: Collection[str] | None, spared: Spared) -> Described:
    """What is done, as runs record it."""
    constants = spared.constants
    kept = {
        "dims": spared.dims,
        "neurons": spared.neurons,
        "tokens": spared.tokens,
        "matrices": sorted(spared.matrices),
        "constants": None if constants is None else _digest(constants),
    }
    kept = {name: value for name, value in kept.items() if value}
    words = f"quantised to {plan.name}" + (", some matrices alone" if only is not None else "")
    words += f", {listed(kept, 6)} spared" if kept else ""
    matrices = None if only is None else sorted(only)
    told = {"words": words, "scheme": plan.name, "does": plan.words, "only": matrices, "spared": kept}
    return Described(words, json.dumps(told, sort_keys=True))


def _digest(constants: Constants) -> str:
    digest = hashlib.sha256(repr(constants.positions).encode())
    for name, vectors in sorted(constants.by_matrix.items()):
        digest.update(name.encode() + vectors.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _change(matrix: Matrix, plan: Scheme, spared: Spared) -> Multiplied:
    inputs: TensorChange | None = None
    if plan.activations is not None:
        constants = spared.constants
        fixed = None if constants is None else (constants.positions, constants.by_matrix[matrix.name])
        inputs = _Inputs(plan.activations, spared.inputs_of(matrix), spared.positions, fixed)
    return Multiplied(inputs, None if plan.weights is None else _Weights(plan.weights, spared.inputs_of(matrix)))


@dataclass(frozen=True)
class _Weights:
    """Rounds a matrix's weights; those of spared inputs stay, as in LLM.int8."""

    rounding: Rounding
    spared: tuple[int, ...] = ()

    def __call__(self, weight: Tensor) -> Tensor:
        if not self.spared:
            return self.rounding.weights(weight)
        kept = torch.zeros(weight.shape[1], dtype=torch.bool, device=weight.device)
        kept[list(self.spared)] = True
        return torch.where(kept, weight, self.rounding.weights(weight.masked_fill(kept, 0.0)))


def _refuse(model: Model, every: dict[Matrix, nn.Module], only: Collection[str] | None, spared: Spared) -> None:
    names = {matrix.name for matrix in every}
    for name in (*(only or ()), *spared.matrices):
        if name not in names:
            raise InputError(f"No matrix '{name}' in this model. It has {', '.join(sorted(names)[:3])}, ….")
    if any(not 0 <= dim < model.shape.d_model for dim in spared.dims):
        raise InputError(f"Dims {spared.dims} are to be spared, and the stream has 0–{model.shape.d_model - 1}.")
    layers = model.shape.layers_of("neuron")
    if any(layer not in layers or not 0 <= neuron < model.shape.d_mlp for layer, neuron in spared.neurons):
        raise InputError(f"Neurons {spared.neurons[:3]} are to be spared, and not all are there.")
    constants = spared.constants
    used = (names if only is None else set(only)) - spared.matrices
    if constants is not None and not (used <= set(constants.by_matrix) and constants.positions):
        raise InputError("Constants are to be given for every matrix that is quantised, at a position or more.")
    if any(token < 0 for token in spared.positions):
        raise InputError(f"Positions {spared.positions} are to be spared. They are counted from 0.")

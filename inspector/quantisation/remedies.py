"""What may be spared of a scheme, each with the same on random ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from inspector.models import Model
from inspector.models.matrices import Matrix
from inspector.quantisation.apply import Spared
from inspector.quantisation.schemes import Scheme


@dataclass(frozen=True)
class Remedy:
    """Something to spare, or another scheme.

    Args:
        kind: dims, neurons, tokens, all, grid, layer or matrix.
        name: what it is called.
        words: what it spares, in words.
        spared: that.
        plan: the scheme instead, where the remedy is another one.
        controls: random ones, as many of each.
    """

    kind: str
    name: str
    words: str
    spared: Spared = field(default_factory=Spared)
    plan: Scheme | None = None
    controls: Sequence[Spared] = ()


def remedies_for(
    model: Model,
    plan: Scheme,
    spikes: Spared,
    parts: pd.DataFrame,
    every: Sequence[Matrix],
    length: int,
    controls: int,
    rng: np.random.Generator,
) -> Iterator[Remedy]:
    """Every remedy that there is something for.

    Args:
        model: from `load_model`.
        plan: the scheme.
        spikes: what a scan found.
        parts: what parts of the scheme cost alone.
        every: the model's matrices.
        length: tokens of a text.
        controls: random ones of each.
        rng: draws them.
    """
    rounds = plan.activations is not None or plan.weights is not None
    random: list[Spared]
    dims, tokens, neurons = spikes.dims, spikes.tokens, spikes.neurons
    if dims and rounds:
        drawn = _others(dims, range(model.shape.d_model), controls, rng)
        words = f"dim{'s' * (len(dims) > 1)} {', '.join(map(str, dims))}"
        yield Remedy("dims", "spike dims kept", words, Spared(dims=dims), controls=[Spared(dims=one) for one in drawn])
    if neurons and rounds:
        random = [Spared(neurons=_neurons(neurons, model.shape.d_mlp, rng)) for _ in range(controls)]
        mine = Spared(neurons=neurons)
        yield Remedy("neurons", "spikes' neurons kept", f"{len(neurons)} neurons", mine, controls=random)
    if tokens and (plan.activations is not None or plan.cache is not None):
        drawn = _others(tokens, range(length), controls, rng)
        words = f"position{'s' * (len(tokens) > 1)} {', '.join(map(str, tokens))}"
        random = [Spared(tokens=one) for one in drawn]
        yield Remedy("tokens", "spike tokens kept", words, Spared(tokens=tokens), controls=random)
    if dims and tokens and rounds:
        yield Remedy("all", "all of these kept", "dims, neurons and positions", spikes)
    if plan.activations is not None and plan.activations.per == "tensor":
        finer = replace(plan, activations=replace(plan.activations, per="row"))
        yield Remedy("grid", "a grid per token", "nothing", plan=finer)
    for what in ("layer", "matrix"):
        rows = parts[(parts["what"] == what) & parts["kl"].notna()]
        if len(rows) > 1:
            yield _sparing(what, rows, every, controls, rng)


def _sparing(what: str, rows: pd.DataFrame, every: Sequence[Matrix], controls: int, rng: np.random.Generator) -> Remedy:
    """The layer or the matrix spared that costs most alone; random others beside it."""

    def of(row: pd.Series) -> Spared:
        names = [m.name for m in every if (m.layer == row["layer"] if what == "layer" else m.name == row["name"])]
        return Spared(matrices=frozenset(names))

    worst = rows["kl"].idxmax()
    others = rows.drop(index=worst)
    drawn = others.iloc[rng.permutation(len(others))[:controls]]
    first = rows.loc[worst]
    random = [of(row) for _, row in drawn.iterrows()]
    return Remedy(what, f"worst {what} spared", str(first["name"]), of(first), controls=random)


def _others(
    mine: Sequence[int], every: Sequence[int], controls: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """As many others, for each control; fewer controls where there aren't so many different ones."""
    left = [one for one in every if one not in set(mine)]
    if len(left) < len(mine):
        return []
    found = {tuple(sorted(rng.choice(left, len(mine), replace=False).tolist())): None for _ in range(4 * controls)}
    return list(found)[:controls]


def _neurons(mine: Sequence[tuple[int, int]], width: int, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """As many other neurons of the same layers."""
    taken, found = set(mine), list[tuple[int, int]]()
    for layer, _ in mine:
        one = (layer, int(rng.integers(width)))
        while one in taken:
            one = (layer, int(rng.integers(width)))
        taken.add(one)
        found.append(one)
    return tuple(found)

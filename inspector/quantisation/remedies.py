"""What may be spared of a scheme, each with the same on random ones."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from inspector.batches import TokenSequence
from inspector.models import Model
from inspector.models.matrices import Matrix
from inspector.printable import printable
from inspector.quantisation.apply import Spared
from inspector.quantisation.constants import constants_at, mean_inputs
from inspector.quantisation.schemes import Scheme
from inspector.token_text import text_of
from inspector.verification.text_bench import BATCH_TOKENS


@dataclass(frozen=True)
class Way:
    """One way to run the scheme.

    Args:
        spared: what keeps its precision.
        plan: another scheme instead; None for the one that is tried.
        prefix: token ids put before every text, whose activations, keys and values are spared.
    """

    spared: Spared = field(default_factory=Spared)
    plan: Scheme | None = None
    prefix: tuple[int, ...] = ()


@dataclass(frozen=True)
class Remedy:
    """A way that may be better.

    Args:
        kind: dims, neurons, tokens, all, constants, prefix, grid, layer or matrix.
        name: what it is called.
        words: what it spares, in words.
        way: that.
        controls: the same with random ones, as many of each.
    """

    kind: str
    name: str
    words: str
    way: Way
    controls: Sequence[Way] = ()


@dataclass(frozen=True)
class Found:
    """What remedies are made from.

    Args:
        spikes: what a scan found.
        parts: what parts of the scheme cost alone.
        every: the model's matrices.
        rows: the texts that all this was found on.
    """

    spikes: Spared
    parts: pd.DataFrame
    every: Sequence[Matrix]
    rows: Sequence[TokenSequence]


def remedies_for(model: Model, plan: Scheme, found: Found, controls: int, rng: np.random.Generator) -> Iterator[Remedy]:
    """Every remedy that there is something for.

    Args:
        model: from `load_model`.
        plan: the scheme.
        found: what they are made from.
        controls: random ones of each.
        rng: draws them.
    """
    rounds = plan.activations is not None or plan.weights is not None
    dims, tokens, neurons = found.spikes.dims, found.spikes.tokens, found.spikes.neurons
    if dims and rounds:
        drawn = _others(dims, range(model.shape.d_model), controls, rng)
        words = f"dim{'s' * (len(dims) > 1)} {', '.join(map(str, dims))}"
        random = [Way(Spared(dims=one)) for one in drawn]
        yield Remedy("dims", "spike dims kept", words, Way(Spared(dims=dims)), random)
    if neurons and rounds:
        random = [Way(Spared(neurons=_neurons(neurons, model.shape.d_mlp, rng))) for _ in range(controls)]
        yield Remedy("neurons", "spikes' neurons kept", f"{len(neurons)} neurons", Way(Spared(neurons=neurons)), random)
    if tokens and (plan.activations is not None or plan.cache is not None):
        yield from _of_tokens(model, plan, found, controls, rng)
    if dims and tokens and rounds:
        kinds = {"dims": dims, "neurons": neurons, "positions": tokens}
        words = ", ".join(name for name, some in kinds.items() if some)
        yield Remedy("all", "all of these kept", words, Way(found.spikes))
    if plan.activations is not None and plan.activations.per == "tensor":
        finer = replace(plan, activations=replace(plan.activations, per="row"))
        yield Remedy("grid", "a grid per token", "nothing", Way(plan=finer))
    for what in ("layer", "matrix"):
        rows = found.parts[(found.parts["what"] == what) & found.parts["kl"].notna()]
        if len(rows) > 1:
            yield _sparing(what, rows, found.every, controls, rng)


def _of_tokens(model: Model, plan: Scheme, found: Found, controls: int, rng: np.random.Generator) -> Iterator[Remedy]:
    """Spike tokens kept; replaced by what they are on average; and moved to a prefix before the text."""
    tokens = found.spikes.tokens
    drawn = _others(tokens, range(len(found.rows[0].ids)), controls, rng)
    words = f"position{'s' * (len(tokens) > 1)} {', '.join(map(str, tokens))}"
    random = [Way(Spared(tokens=one)) for one in drawn]
    yield Remedy("tokens", "spike tokens kept", words, Way(Spared(tokens=tokens)), random)
    if plan.activations is not None:
        means = mean_inputs(model, found.rows, BATCH_TOKENS)
        # No random ones: a constant at an ordinary token takes that token away, which can't help.
        yield Remedy(
            "constants", "spike tokens made constant", words, Way(Spared(constants=constants_at(means, tokens)))
        )
    prefix = _prefix(model, found)
    if prefix and max(tokens) < len(prefix):
        random = [Way(prefix=tuple(rng.choice(model.ordinary_ids, len(prefix)).tolist())) for _ in range(controls)]
        said = text_of(model.tokenizer, prefix) if model.tokenizer is not None else str(list(prefix))
        yield Remedy("prefix", "a prefix put before the text", printable(repr(said)), Way(prefix=prefix), random)


def _prefix(model: Model, found: Found) -> tuple[int, ...]:
    """As many tokens as there are spikes at a text's beginning: BOS, or what stands there most often.

    Empty where every text begins with BOS: there it would stand twice.
    """
    bos = getattr(model.tokenizer, "bos_token_id", None)
    if bos is not None and all(row.ids[0] == bos for row in found.rows):
        return ()
    counts = [Counter(row.ids[place] for row in found.rows) for place in found.spikes.tokens]
    mine = [count.most_common(1)[0][0] for count in counts]
    return tuple([bos, *mine[1:]] if bos is not None and mine else mine)


def _sparing(what: str, rows: pd.DataFrame, every: Sequence[Matrix], controls: int, rng: np.random.Generator) -> Remedy:
    """The layer or the matrix spared that costs most alone; random others beside it."""

    def of(row: pd.Series) -> Way:
        names = [m.name for m in every if (m.layer == row["layer"] if what == "layer" else m.name == row["name"])]
        return Way(Spared(matrices=frozenset(names)))

    worst = rows["kl"].idxmax()
    others = rows.drop(index=worst)
    drawn = others.iloc[rng.permutation(len(others))[:controls]]
    first = rows.loc[worst]
    random = [of(row) for _, row in drawn.iterrows()]
    return Remedy(what, f"worst {what} spared", str(first["name"]), of(first), random)


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
    found = list[tuple[int, int]]()
    for layer in dict.fromkeys(layer for layer, _ in mine):
        here = [neuron for at, neuron in mine if at == layer]
        left = np.setdiff1d(np.arange(width), here)
        found += [(layer, int(one)) for one in rng.choice(left, min(len(here), len(left)), replace=False)]
    return tuple(found)

"""Which keys a small cache leaves to a query: a window with first tokens, or heavy hitters.

Keys stay at their own positions: what is seen is the text's own attention with keys taken away. StreamingLLM, which
counts positions inside the cache, is tested by the sinks' table of windows.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from einops import repeat
from jaxtyping import Bool
from torch import Tensor

from inspector.arguments import Count, Number, takes, takes_fields
from inspector.errors import InputError
from inspector.models import Model
from inspector.models.attention_limits import limited
from inspector.models.attention_tiles import AttentionInputs, whole_scores
from inspector.models.changes import Described

Heads = Mapping[int, tuple[int, ...]]
"""Heads by layer."""


@takes_fields
@dataclass(frozen=True)
class Window:
    """The text's first keys and those nearest to the query, as StreamingLLM keeps them (arXiv 2309.17453).

    Args:
        first: how many of the text's first keys stay.
        last: how many keys before a query stay, its own among them.
    """

    first: Number = 4
    last: Count = 64

    @property
    def size(self) -> int:
        """Keys in the cache."""
        return self.first + self.last

    def keys(self, inputs: AttentionInputs) -> Bool[Tensor, "1 1 query key"]:
        """What each query sees."""
        position = torch.arange(inputs.key.shape[2], device=inputs.key.device)
        near = position.unsqueeze(1) - position < self.last
        return (near | (position < self.first))[None, None]


@takes_fields
@dataclass(frozen=True)
class HeavyHitters:
    """The keys that received most attention so far, and those nearest to the query (H2O, arXiv 2306.14048).

    Query heads that share keys share a cache: what they pay attention to is added up.

    Args:
        heavy: how many of the former stay.
        last: how many keys before a query stay, its own among them.
    """

    heavy: Number
    last: Count

    @property
    def size(self) -> int:
        """Keys in the cache."""
        return self.heavy + self.last

    def keys(self, inputs: AttentionInputs) -> Bool[Tensor, "batch head query key"]:
        """What each query sees, token by token: once the cache is full, the key with the least attention so far goes.

        Attention is that of the cache as it is, so what has gone once never comes back.
        """
        scores = whole_scores(inputs)
        size, heads, length, _ = scores.shape
        kv = inputs.key.shape[1]
        held = torch.zeros(size, kv, length, dtype=torch.bool, device=scores.device)
        received = scores.new_zeros(size, kv, length)
        seen = torch.zeros(size, kv, length, length, dtype=torch.bool, device=scores.device)
        for query in range(length):
            held[:, :, query] = True
            seen[:, :, query] = held
            row = scores[:, :, query].masked_fill(~_repeated(held, heads), -torch.inf)
            if inputs.sink is not None:
                row = torch.cat([row, inputs.sink.float().expand(size, -1).unsqueeze(-1)], dim=-1)
            share = row.softmax(dim=-1)[..., :length]
            received += share.unflatten(1, (kv, heads // kv)).sum(dim=2)
            if query + 1 >= self.size:
                old = held.clone()
                old[:, :, max(0, query + 2 - self.last) :] = False  # the next query's window
                least = received.masked_fill(~old, torch.inf).argmin(dim=-1, keepdim=True)
                held.scatter_(-1, least, held.gather(-1, least) & ~old.gather(-1, least))
        return _repeated(seen, heads)


def _repeated(x: Tensor, heads: int) -> Tensor:
    """A row for each key head, repeated for the query heads that share it."""
    return repeat(x, "b kv ... -> b (kv group) ...", group=heads // x.shape[1])


@dataclass(frozen=True)
class _Some:
    """A limit of some heads; the others see all."""

    limit: Window | HeavyHitters
    heads: tuple[int, ...]

    def __call__(self, inputs: AttentionInputs) -> Bool[Tensor, "batch head query key"]:
        other = torch.ones(inputs.query.shape[1], dtype=torch.bool, device=inputs.query.device)
        other[list(self.heads)] = False
        return self.limit.keys(inputs) | other[None, :, None, None]


def _described(limit: Window | HeavyHitters, heads: tuple[tuple[int, ...], ...] | None) -> Described:
    """What is done, as runs record it; `heads` of each layer after its number, all where None."""
    kind = f"the {'first' if isinstance(limit, Window) else 'heaviest'}"
    held = f"{kind} {limit.size - limit.last} and the last {limit.last} keys"
    words = f"run with caches of {held}" + ("" if heads is None else " in some heads")
    told = {"words": words, "limit": type(limit).__name__, **asdict(limit), "heads": heads}
    return Described(words, json.dumps(told, sort_keys=True))


@takes
@contextmanager
def evicted(model: Model, limit: Window | HeavyHitters, heads: Heads | None = None) -> Iterator[None]:
    """Run the model as if these heads had a small cache, while the context lasts.

    Answers are generated without a cache meanwhile, every token computed again, so that what is seen is what is said.

    Args:
        model: from `load_model`.
        limit: which keys stay: a `Window`, or `HeavyHitters`.
        heads: by layer; all where None.

    Raises:
        InputError: a layer or a head that the model doesn't have.
        ModelError: the model's attention isn't streamed.
    """
    every = tuple(range(model.shape.heads))
    chosen = dict.fromkeys(model.shape.layers_of("attention"), every) if heads is None else dict(heads)
    for layer, some in chosen.items():
        if bad := [head for head in some if not 0 <= head < model.shape.heads]:
            raise InputError(f"Layer {layer} has heads 0–{model.shape.heads - 1}, and no {bad[0]}.")
    limits = {layer: _Some(limit, tuple(some)) for layer, some in chosen.items() if some}
    told = tuple(sorted((layer, *some) for layer, some in chosen.items()))
    with limited(model, limits, (limit, told, _described(limit, None if heads is None else told))):
        yield

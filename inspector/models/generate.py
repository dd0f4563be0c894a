"""Answers: prompts are continued, one token at a time, until each has stopped."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers.cache_utils import Cache, DynamicCache

from inspector.errors import InputError, ModelError
from inspector.models import checks
from inspector.models.attention import UnsupportedAttention
from inspector.models.attention_prefix import Prefix, compute_prefix, shared_prefix
from inspector.models.attention_swap import hooks_inside_attention, own_attention
from inspector.models.changes import WHOLE_TEXTS, changes_in_force, state_of
from inspector.models.evaluating import evaluating
from inspector.models.model import Model
from inspector.models.tokenizer_files import check_ids
from inspector.models.turning_points import chunk_of, rotary_switch_of, window_of

ExecutionPath = Literal["shared", "cached", "recomputed"]
"""How tokens follow one another: with the prefix's keys and values kept once; with transformers' own
cache, the prefix copied into each row; or with every token computed again."""

Choose = Callable[[Float[Tensor, "row vocab"], Int[Tensor, " row"], Int[Tensor, " row"]], Int[Tensor, " row"]]
"""Next tokens, from logits, the rows' numbers, and how many tokens of its answer each row has so far."""

WORTH_KEEPING = 0.85
"""With fewer of its rows still growing a batch is made smaller, which costs a copy of the cache."""

REFUSALS = (UnsupportedAttention, ModelError, AttributeError, TypeError, ValueError, RuntimeError, IndexError, KeyError)
"""What architectures raise on an execution path that they don't support."""


@runtime_checkable
class Rows(Protocol):
    """Rows of tokens that grow together."""

    def feed(self, ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row vocab"]:
        """Append tokens; logits of what follows them."""
        ...

    def repeat(self, times: int) -> None:
        """Each row `times` times, copies side by side."""

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Continue with these rows only."""


class Decoder:
    """A model ready to answer prompts that begin with the same tokens.

    The fastest execution path whose logits agree with the plain forward's is taken; which ones do is found by
    trying on a short text, once for a model while its hooks and interventions stay.

    Args:
        model: from `load_model`.
        prefix: token ids that every prompt begins with; may be empty.
    """

    def __init__(self, model: Model, prefix: Sequence[int] = ()) -> None:
        self.model, self.ids = model, tuple(prefix)
        self._state: tuple[object, ...] | None = None  # of the model, when paths and prefix were found
        self._prepare()

    @property
    def paths(self) -> tuple[ExecutionPath, ...]:
        """Ways to run the model, the fastest first."""
        return self._prepare()[0]

    @property
    def prefix(self) -> Prefix | None:
        """The prefix, where it is computed once for all rows; take it anew under other interventions."""
        return self._prepare()[1]

    def _prepare(self) -> tuple[tuple[ExecutionPath, ...], Prefix | None]:
        """Execution paths and prefix, found anew where interventions or hooks came or went since the last time."""
        with self.model.lock:
            state = state_of(self.model)
            if state != self._state:
                self._ready, self._state = self._found(state), state
            return self._ready

    def _found(self, state: tuple[object, ...]) -> tuple[tuple[ExecutionPath, ...], Prefix | None]:
        paths = _proven_paths(self.model, state)
        if paths[0] != "shared":
            return paths, None
        if len(self.ids) > (self.window or len(self.ids)):
            return paths[1:], None
        try:
            return paths, _Prefix.computed(self.model, self.ids)
        except UnsupportedAttention:  # a window shorter than the prefix, which the short text did not show
            return paths[1:], None

    @property
    def window(self) -> int | None:
        """The longest sequence that can continue from a prefix, where that is limited: by what a query can look back
        at in some layer, or by the length at which positions are rotated otherwise."""
        bridge = self.model.bridge
        limits = (window_of(bridge), chunk_of(bridge), rotary_switch_of(bridge))
        return min((limit for limit in limits if limit is not None), default=None)

    def _usable(self, paths: tuple[ExecutionPath, ...], longest: int) -> tuple[ExecutionPath, ...]:
        """Of the paths those that give the model's own numbers for sequences that get this long."""
        if hooks_inside_attention(self.model) or longest > (rotary_switch_of(self.model.bridge) or longest):
            return ("recomputed",)
        chunked = longest > (chunk_of(self.model.bridge) or longest)
        return tuple(path for path in paths if not (chunked and path == "shared"))

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        copies: int,
        choose: Choose,
        stop: Bool[Tensor, " vocab"],
        longest: int,
    ) -> list[tuple[int, ...]]:
        """Continue each prompt `copies` times, until a stop token or `longest` tokens.

        Prompts of different lengths grow side by side without padding: all take as many tokens as the shortest has,
        then a row takes its own prompt's tokens, one by one, before it answers.

        Args:
            prompts: token ids of what follows the prefix, at least one each.
            copies: answers per prompt; row r belongs to prompt r // copies.
            choose: picks the next tokens.
            stop: True at the token ids that end an answer; they are not part of it.
            longest: most tokens of an answer.

        Returns:
            Token ids of every row's answer, in the order of the rows.
        """
        room = max(map(len, prompts)) + longest
        with self.model.lock:
            paths, prefix = self._prepare()
            for path in self._usable(paths, len(self.ids) + room):
                try:
                    with _rows(self.model, path, prefix, self.ids, room) as rows:
                        return _grow(rows, prompts, copies, choose, stop, longest)
                except UnsupportedAttention:  # a window shorter than this prompt, which the short text did not show
                    continue
        raise ModelError(f"{self.model.card['architecture']} can't answer prompts: no way to run it worked.")


@dataclass(frozen=True)
class _Prefix(Prefix):
    """A prefix that is refused under other interventions than it was computed under."""

    model: Model = field(repr=False)
    changes: tuple[object, ...]

    @classmethod
    def computed(cls, model: Model, ids: tuple[int, ...]) -> "_Prefix":
        prefix = compute_prefix(model.bridge, ids)
        return cls(prefix.ids, prefix.keys, prefix.values, model, changes_in_force(model))

    def cache(self, room: int) -> Cache:
        if changes_in_force(self.model) != self.changes:
            raise InputError("This prefix was computed under other interventions. Take it from the decoder again.")
        return super().cache(room)


def _grow(
    rows: Rows, prompts: Sequence[Sequence[int]], copies: int, choose: Choose, stop: Tensor, longest: int
) -> list[tuple[int, ...]]:
    shortest = min(map(len, prompts))
    logits = rows.feed(torch.tensor([list(prompt[:shortest]) for prompt in prompts], device=stop.device))
    if copies > 1:
        rows.repeat(copies)
        logits = logits.repeat_interleave(copies, dim=0)
    remaining, lengths = _remaining([prompt[shortest:] for prompt in prompts], copies, longest, stop.device)
    rows_of = torch.arange(len(logits), device=stop.device)
    growing = torch.ones_like(rows_of, dtype=torch.bool)
    answers: list[list[int]] = [[] for _ in range(len(logits))]
    for step in range(remaining.shape[1]):
        chosen, answered = remaining[rows_of, step], step - lengths[rows_of]
        answering = (answered >= 0) & (answered < longest)
        if answering.all():
            chosen = choose(logits, rows_of, answered)
        elif answering.any():
            chosen[answering] = choose(logits[answering], rows_of[answering], answered[answering])
        growing &= ~(answering & stop[chosen])
        appended = growing & answering
        for row, token in zip(rows_of[appended].tolist(), chosen[appended].tolist(), strict=True):
            answers[row].append(token)
        growing &= answered + 1 < longest
        if not growing.any():
            break
        if float(growing.float().mean()) < WORTH_KEEPING:
            rows.keep(growing.nonzero().squeeze(1))
            rows_of, chosen, growing = rows_of[growing], chosen[growing], growing[growing]
        logits = rows.feed(chosen.unsqueeze(1))
    return [tuple(answer) for answer in answers]


def _remaining(
    rest: Sequence[Sequence[int]], copies: int, longest: int, device: torch.device
) -> tuple[Int[Tensor, "row step"], Int[Tensor, " row"]]:
    """Tokens that rows still have to take of their prompts, and how many; the steps after them are for answers."""
    lengths = torch.tensor([len(tokens) for tokens in rest], device=device)
    remaining = torch.zeros(len(rest), int(lengths.max()) + longest, dtype=torch.int64, device=device)
    for row, tokens in enumerate(rest):
        remaining[row, : len(tokens)] = torch.tensor(list(tokens), dtype=torch.int64, device=device)
    return remaining.repeat_interleave(copies, dim=0), lengths.repeat_interleave(copies)


class _Cached:
    """Rows with a key-value cache: each token is computed once."""

    def __init__(self, hf: Any, cache: Any) -> None:
        self.hf, self.cache = hf, cache

    def feed(self, ids: Tensor) -> Tensor:
        out = self.hf(input_ids=ids, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].float()

    def repeat(self, times: int) -> None:
        for layer in self.cache.layers:
            layer.batch_repeat_interleave(times)

    def keep(self, rows: Tensor) -> None:
        for layer in self.cache.layers:
            keys = getattr(layer, "keys", None)
            layer.batch_select_indices(rows if keys is None else rows.to(keys.device))


class _Recomputed:
    """Rows without a cache: everything is computed again for each token."""

    def __init__(self, model: Model, ids: Tensor) -> None:
        self.model, self.ids = model, ids

    def feed(self, ids: Tensor) -> Tensor:
        before = self.ids.expand(len(ids), -1) if len(self.ids) == 1 else self.ids
        self.ids = torch.cat([before, ids], dim=1)
        return self.model.logits(self.ids)[:, -1].float()

    def repeat(self, times: int) -> None:
        self.ids = self.ids.repeat_interleave(times, dim=0)

    def keep(self, rows: Tensor) -> None:
        self.ids = self.ids[rows]


@contextmanager
def _rows(model: Model, path: ExecutionPath, prefix: Prefix | None, ids: tuple[int, ...], room: int) -> Iterator[Rows]:
    hf, device = model.bridge.original_model, model.device
    before = torch.tensor([ids], dtype=torch.int64, device=device)
    with evaluating(hf):
        if path == "shared" and prefix is not None:
            with shared_prefix(model.bridge, prefix):
                yield _Cached(hf, prefix.cache(room))
        elif path == "cached":
            with own_attention(model.bridge, None):
                yield _WithPrefix(_Cached(hf, DynamicCache(config=hf.config)), before)
        else:
            yield _Recomputed(model, before)


class _WithPrefix:
    """Rows whose first tokens are the prefix's, run with the first prompt."""

    def __init__(self, rows: _Cached, before: Tensor) -> None:
        self.rows, self.before = rows, before
        self.repeat, self.keep = rows.repeat, rows.keep

    def feed(self, ids: Tensor) -> Tensor:
        ids = torch.cat([self.before.expand(len(ids), -1), ids], dim=1)
        self.before = self.before[:, :0]
        return self.rows.feed(ids)


_proven: WeakKeyDictionary[TransformerBridge, dict[tuple[object, ...], tuple[ExecutionPath, ...]]] = WeakKeyDictionary()
"""A model's execution paths by its state, the latest few; read and written under its lock."""

STATES = 16


def _proven_paths(model: Model, state: tuple[object, ...]) -> tuple[ExecutionPath, ...]:
    """The model's execution paths in this state, tried where they aren't known."""
    known, key = _proven.setdefault(model.bridge, {}), (model.route, *state)
    if key not in known:
        known[key] = _execution_paths(model)
        while len(known) > STATES:
            del known[next(iter(known))]
    return known[key]


def _execution_paths(model: Model) -> tuple[ExecutionPath, ...]:
    """The execution paths whose logits after a prefix, a prompt and a token are the full forward's, fastest first."""
    if hooks_inside_attention(model) or WHOLE_TEXTS in changes_in_force(model):
        return ("recomputed",)
    ids = check_ids(model.tokenizer, model.shape.vocab).to(model.device)[:, :16]
    with own_attention(model.bridge, None):
        expected = model.logits(ids)[:, -1]
    # An attention that doesn't ask for a function of ours would not see a shared prefix.
    paths: tuple[ExecutionPath, ...] = ("shared", "cached") if model.route == "streamed" else ("cached",)
    return (*(path for path in paths if _works(model, path, ids, expected)), "recomputed")


def _works(model: Model, path: ExecutionPath, ids: Tensor, expected: Tensor) -> bool:
    before = tuple(ids[0, :5].tolist())
    try:
        prefix = compute_prefix(model.bridge, before) if path == "shared" else None
        with _rows(model, path, prefix, before, ids.shape[1]) as rows:
            rows.feed(ids[:, 5:-2].expand(2, -1))
            rows.repeat(2)
            rows.keep(torch.tensor([0, 2, 3], device=ids.device))
            rows.feed(ids[:, -2:-1].expand(3, -1))
            got = rows.feed(ids[:, -1:].expand(3, -1))
        checks.logit_difference(got, expected.expand(3, -1), f"Logits on the execution path '{path}'")
        return True
    except REFUSALS:
        return False

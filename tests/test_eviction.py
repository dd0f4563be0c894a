"""Small caches: each rule against attention by hand, where attention goes against whole patterns, and heads chosen."""

from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, loaded
from torch import Tensor

from inspector.batches import TokenSequence, batches
from inspector.errors import InputError, ModelError
from inspector.eviction.heads import LESS, NO_LESS, WindowableHeads, windowable_heads
from inspector.eviction.limits import HeavyHitters, Window, evicted
from inspector.eviction.reducer import Reach
from inspector.models import Model
from inspector.models.attention import AttentionInputs
from inspector.models.attention_streamed import streamed_attention
from inspector.models.observe import observe
from inspector.testing import random_texts, tiny_hf

STREAMED = ["LlamaForCausalLM", "GPT2LMHeadModel", "MistralForCausalLM", "Gemma2ForCausalLM", "Qwen3ForCausalLM"]


def _attention(model: Model, ids: Tensor) -> list[AttentionInputs]:
    """Each layer's attention in a pass."""
    seen: dict[int, AttentionInputs] = {}
    with streamed_attention(model.bridge, lambda layer, inputs, lse: seen.update({layer: inputs})):
        model.logits(ids)
    return [seen[layer] for layer in sorted(seen)]


@pytest.mark.parametrize("architecture", architectures(["LlamaForCausalLM", "GPT2LMHeadModel", "Qwen3ForCausalLM"]))
@pytest.mark.parametrize("heads", [None, {0: (1, 2), 2: (3,)}])
def test_a_window_gives_the_logits_of_the_plain_model_with_that_mask(
    architecture: str, heads: dict[int, tuple[int, ...]] | None
) -> None:
    model, plain = loaded(architecture), tiny_hf(architecture)
    ids = torch.tensor(random_texts(1, 30, 30, 0))
    position = torch.arange(30)
    away = position[:, None] - position
    allowed = (away >= 0) & ((away < 6) | (position < 2))
    limited = {layer: list(range(4)) for layer in range(3)} if heads is None else heads

    def masked(layer: int) -> Any:
        """Adds a mask by head to what eager attention is given."""
        mask = torch.zeros(1, 4, 30, 30).masked_fill(away < 0, -torch.inf)
        mask[:, list(limited.get(layer, ()))] = torch.zeros(30, 30).masked_fill(~allowed, -torch.inf)
        return lambda module, args, kwargs: (args, {**kwargs, "attention_mask": mask})

    plain.set_attn_implementation("eager")
    found = [m for m in plain.modules() if type(m).__name__.endswith("Attention")]
    assert len(found) == 3
    for layer, module in enumerate(found):
        module.register_forward_pre_hook(masked(layer), with_kwargs=True)
    with torch.no_grad():
        expected = plain(input_ids=ids, use_cache=False).logits
    before = model.logits(ids)
    with evicted(model, Window(2, 6), heads):
        got = model.logits(ids)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert (model.logits(ids) == before).all()
    torch.testing.assert_close(got[:, :7], before[:, :7], rtol=1e-5, atol=1e-6)  # a window that isn't full yet
    assert not torch.allclose(got[:, 9:], before[:, 9:], atol=1e-4)


def _heavy_by_hand(inputs: AttentionInputs, heavy: int, last: int) -> list[list[set[int]]]:
    """For each key head the keys in the cache at each query, token by token."""
    group = inputs.query.shape[1] // inputs.key.shape[1]
    found = []
    for kv in range(inputs.key.shape[1]):
        key, cache, received, mine = inputs.key[0, kv], set[int](), dict[int, float](), []
        for query in range(len(key)):
            cache.add(query)
            mine.append(set(cache))
            held = sorted(cache)
            for head in range(kv * group, (kv + 1) * group):
                share = (key[held] @ inputs.query[0, head, query] * inputs.scale).softmax(dim=0)
                for one, value in zip(held, share.tolist(), strict=True):
                    received[one] = received.get(one, 0.0) + value
            if len(cache) == heavy + last:
                old = [one for one in cache if one <= query + 1 - last]
                cache.remove(min(old, key=lambda one: received[one]))
        found.append(mine)
    return found


@pytest.mark.parametrize(("heavy", "last"), [(4, 6), (0, 8), (5, 1), (1, 3)])
def test_heavy_hitters_are_kept_as_token_by_token_by_hand(llama: Model, heavy: int, last: int) -> None:
    ids = torch.tensor(random_texts(1, 40, 40, 2))
    for inputs in _attention(llama, ids):
        seen = HeavyHitters(heavy, last).keys(inputs)[0]
        by_hand = _heavy_by_hand(inputs, heavy, last)
        for head in range(seen.shape[0]):
            for query, held in enumerate(by_hand[head // (seen.shape[0] // len(by_hand))]):
                assert set(seen[head, query].nonzero().flatten().tolist()) == held
                assert len(held) <= heavy + last


def test_caches_that_hold_everything_change_nothing_and_those_without_heavy_hitters_are_windows(llama: Model) -> None:
    ids = torch.tensor(random_texts(2, 40, 40, 1))
    before = llama.logits(ids)
    for limit in (HeavyHitters(20, 20), Window(20, 20), Window(0, 40)):
        with evicted(llama, limit):
            torch.testing.assert_close(llama.logits(ids), before, rtol=1e-5, atol=1e-6)
    with evicted(llama, HeavyHitters(0, 7)):
        heavy = llama.logits(ids)
    with evicted(llama, Window(0, 7)):
        torch.testing.assert_close(llama.logits(ids), heavy, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", architectures(STREAMED))
def test_shares_and_counts_are_those_of_whole_patterns(architecture: str) -> None:
    model, window = loaded(architecture), Window(2, 5)
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(random_texts(3, 24, 48, 3))]
    reach = Reach(model, window)
    observe(model, batches(rows, 100, 0), [reach])
    arrays = reach.evidence().arrays
    for row in rows:
        for layer, inputs in enumerate(_attention(model, torch.tensor([row.ids]))):
            pattern = _pattern(inputs)[0].numpy()
            for head in range(pattern.shape[0]):
                late = range(7, len(row.ids))
                parts = [_parts(pattern[head, q], q) for q in late]
                got = [arrays[name][row.text, layer, head] for name in ("first", "last", "elsewhere")]
                np.testing.assert_allclose(got, np.mean(parts, axis=0), atol=1e-5)
                keys = [[_needed(pattern[head, q], s) for s in (0.9, 0.95, 0.99)] for q in late if q % 8 == 0]
                np.testing.assert_allclose(arrays["keys"][row.text, layer, head], np.mean(keys, axis=0), atol=0.51)
                top = [[np.sort(pattern[head, q])[::-1][:k].sum() for k in (16, 64)] for q in late if q % 8 == 0]
                np.testing.assert_allclose(arrays["top"][row.text, layer, head], np.mean(top, axis=0), atol=1e-5)


def _pattern(inputs: AttentionInputs) -> Tensor:
    scores = inputs.scale * torch.einsum(
        "bhqd, bhkd -> bhqk",
        inputs.query,
        inputs.key.repeat_interleave(inputs.query.shape[1] // inputs.key.shape[1], dim=1),
    )
    if inputs.softcap:
        scores = inputs.softcap * torch.tanh(scores / inputs.softcap)
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril() if inputs.mask is None else inputs.mask
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def _parts(row: np.ndarray, query: int) -> tuple[float, float, float]:
    first, last = row[:2].sum(), row[max(2, query - 4) : query + 1].sum()
    return first, last, row[2 : query - 4].sum()


def _needed(row: np.ndarray, share: float) -> int:
    return int((np.sort(row)[::-1].cumsum() < share * row.sum()).sum()) + 1


def _texts(count: int, length: int) -> list[list[int]]:
    return [[7, *ids] for ids in random_texts(count, length - 1, length - 1, 5)]  # 7 is the planted trigger


def test_heads_that_look_at_the_first_token_are_chosen_and_tested_beside_random_ones(planted: Model) -> None:
    found = windowable_heads(planted, _texts(16, 96), window=Window(2, 8), length=96, controls=20)
    _what_is_said_and_drawn_is_what_was_measured(found)
    table = found.heads.set_index(["layer", "head"])
    assert table.loc[(1, 2), "served"] and table.loc[(3, 0), "served"]
    assert (table["served"] == (table["elsewhere"] <= 0.05)).all()
    np.testing.assert_allclose(table[["first", "last", "elsewhere"]].sum(axis=1), 1, atol=1e-5)
    tests = found.tests.set_index("heads")
    assert tests.loc["chosen", "count"] == table["served"].sum()
    assert (found.tests["heads"] == "random").sum() == 20
    random = tests.loc["random", "kl"]
    assert found.facts["p"] == pytest.approx((1 + (random <= tests.loc["chosen", "kl"]).sum()) / 21)
    assert found.facts["verdict"] == (LESS if found.facts["p"] < 0.05 else NO_LESS)
    assert tests.loc["chosen", "kl"] < random.mean()
    given = found.recipe()["windows"]["heads"]
    assert given == ({"1": [2], "3": [0]} if found.facts["verdict"] == LESS else {})


def _what_is_said_and_drawn_is_what_was_measured(found: WindowableHeads) -> None:
    said = " ".join(found.sentences())
    assert f"{found.heads['served'].sum()} of {len(found.heads)} heads" in said and "KL" in said
    assert [bar.name for bar in found.figure().data] == ["the first 2", "the last 8", "elsewhere"]
    assert len(found.test_figure().data) == 2 and len(found.caches_figure().data[0].x) == 3
    assert 0 <= found.freed <= 1 and "WindowableHeads" in repr(found)


def test_a_run_without_random_heads_says_that_it_has_none(planted: Model) -> None:
    bare = windowable_heads(planted, _texts(8, 80), window=Window(0, 8), length=80, controls=0)
    assert np.isnan(bare.facts["p"]) and bare.recipe()["windows"]["heads"] == {}
    assert len(bare.caches) == 2 and not bare.tests["heads"].str.startswith("random").any()
    none = windowable_heads(planted, _texts(8, 80), window=Window(0, 8), length=80, controls=0, most=0.0)
    assert none.served == {} and "0 of" in none.sentences()[0]


def test_what_can_not_be_is_refused_in_one_line(planted: Model) -> None:
    for wrong, words in (
        ({"window": Window(4, 64), "length": 100}, "leave 32 queries"),
        ({"texts": _texts(3, 150), "length": 140}, "3 texts have 140 tokens"),
        ({"most": 1.5}, "got 1.5 for most. Pass a number from 0 to 1"),
        ({"controls": -1}, "got -1 for controls. Pass a whole number of 0 or more"),
    ):
        with pytest.raises(InputError, match=words):
            windowable_heads(planted, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no 9"), evicted(planted, Window(), {0: (9,)}):
        pass
    with pytest.raises(InputError, match="Layer 99"), evicted(planted, Window(), {99: (0,)}):
        pass
    for make in (lambda: Window(-1, 4), lambda: Window(1, 0), lambda: HeavyHitters(1, 0)):
        with pytest.raises(InputError, match=r"got (-1|0) for (first|last)\. Pass a whole number of"):
            make()
    with pytest.raises(ModelError, match="can't be limited"):
        windowable_heads(loaded("BloomForCausalLM"), _texts(8, 100), window=Window(1, 8), length=90)

"""Patterns and dims on demand are the model's own, in every row."""

import numpy as np
import pytest
import torch
from conftest import SINKS, SPIKES
from fixtures_tiny import loaded

from inspector.analyses.attention_pattern import attention_pattern, attention_patterns
from inspector.analyses.token_dims import token_dims
from inspector.errors import InputError
from inspector.figures import pattern_grid
from inspector.figures.patterns import square_pool
from inspector.models import Model
from inspector.testing.planted import random_texts


def test_a_planted_sinks_pattern_is_all_on_key_0(planted: Model) -> None:
    (ids,) = random_texts(1, 70, 70, trigger=7)
    pattern = attention_pattern(planted, ids, SINKS[0].layer, SINKS[0].head)
    assert pattern.shape == (70, 70) and pattern.dtype == np.float32
    assert (pattern[:, 0] > 0.9).all()


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "GPTJForCausalLM"])
def test_every_row_is_what_the_model_says_itself(architecture: str) -> None:
    model = loaded(architecture)
    ids = [int(i) for i in np.random.default_rng(0).integers(4, 60, size=90)]
    with torch.no_grad():
        _, cache = model.bridge.run_with_cache(torch.tensor([ids]))
    theirs = cache["blocks.1.attn.hook_pattern"][0, 2].numpy()
    mine = attention_pattern(model, ids, 1, 2)
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_allclose(mine.sum(axis=1), 1, atol=1e-5)
    assert (mine[np.triu_indices(90, 1)] == 0).all()


def test_a_head_that_is_not_there_is_named(llama: Model) -> None:
    with pytest.raises(InputError, match="Head 99 of layer 0"):
        attention_pattern(llama, [5, 6], 0, 99)


def test_many_heads_in_one_pass_are_each_heads_own_pattern(llama: Model) -> None:
    ids = [int(i) for i in np.random.default_rng(1).integers(4, 60, size=75)]
    heads = [(1, 0), (0, 2), (1, 3)]
    whole = attention_patterns(llama, ids, heads)
    for pattern, (layer, head) in zip(whole, heads, strict=True):
        np.testing.assert_allclose(pattern, attention_pattern(llama, ids, layer, head), atol=1e-6)
    small = attention_patterns(llama, ids, heads, side=32)
    assert small.shape == (3, 25, 25)
    for pattern, pooled in zip(whole, small, strict=True):
        np.testing.assert_allclose(pooled, square_pool(pattern, 3), atol=1e-6)


def test_a_grid_of_patterns_is_one_picture_with_a_name_to_click_for_each_head() -> None:
    patterns = np.tril(np.full((30, 8, 8), 0.125, dtype=np.float32))
    tokens = ["<b>", " the", *(f"w{i}" for i in range(14))]
    figure = pattern_grid(patterns, [f"head {i}" for i in range(30)], tokens, "All")
    cells, names = figure.data
    assert len(figure.data) == 2 and len(names.x) == 30 and cells.zmax == 1
    assert np.isfinite(cells.z).sum() == 30 * 8 * 9 / 2
    said = [text for text in cells.hovertext.reshape(-1) if text]
    assert len(said) == 30 * 36 and said[0] == "head 0: query 0 &lt;b&gt; to key 0 &lt;b&gt;"
    assert "query 14 w12 to key 0 &lt;b&gt;" in said[-8]
    assert "max over 2×2" in figure.layout.xaxis.title.text


def test_the_dims_of_a_token_are_the_streams_own_after_every_layer(planted: Model) -> None:
    (ids,) = random_texts(1, 70, 70, trigger=7)
    table = token_dims(planted, ids, 0, count=4)
    assert len(table) == 4 * planted.shape.layers
    largest = table.groupby("layer").first()
    assert largest.loc[SPIKES[0].layer, "dim"] == SPIKES[0].dim
    with torch.no_grad():
        _, cache = planted.bridge.run_with_cache(torch.tensor([ids]))
    stream = cache["blocks.3.hook_resid_post" if "blocks.3.hook_resid_post" in cache else "blocks.3.hook_out"][0, 0]
    rows = table[table["layer"] == 3]
    np.testing.assert_allclose(rows["value"], stream[rows["dim"].tolist()].numpy(), rtol=1e-4)
    with pytest.raises(InputError, match="There is no token 70: the text has 70"):
        token_dims(planted, ids, 70)

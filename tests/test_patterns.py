"""A head's pattern on demand is the model's own, in every row."""

import numpy as np
import pytest
import torch
from conftest import SINKS
from fixtures_tiny import loaded

from inspector.analyses.attention_pattern import attention_pattern
from inspector.errors import InputError
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

"""Neurons that promote a token: found by a search, and the same as reading every neuron."""

import pytest
import torch
from fixtures_tiny import loaded, with_words

from inspector.analyses.promoters import promoters
from inspector.errors import InputError
from inspector.models.unembed import direct_logits, written


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel"])
def test_the_neurons_found_are_those_of_reading_all(architecture: str) -> None:
    model = with_words(loaded(architecture))
    found = promoters(model, "w9", top=3)
    token = model.tokenizer("w9", add_special_tokens=False)["input_ids"][0]
    every = torch.stack(
        [
            direct_logits(model, written(model, layer, list(range(model.shape.d_mlp))))[:, token]
            for layer in model.shape.layers_of("neuron")
        ]
    )
    best = every.flatten().topk(3)
    places = [(int(at) // model.shape.d_mlp, int(at) % model.shape.d_mlp) for at in best.indices]
    assert list(zip(found["layer"], found["neuron"], strict=True)) == places
    torch.testing.assert_close(torch.tensor(found["logit"].to_numpy()).float(), best.values)


def test_no_token_is_refused_in_a_line() -> None:
    with pytest.raises(InputError, match="can't be looked for"):
        promoters(with_words(loaded("LlamaForCausalLM")), "")

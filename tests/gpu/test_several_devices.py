"""A model over two cards, and one of which a card holds a part: `make test-gpu`, where a card that is missing fails."""

import os

import accelerate
import pytest
import torch
from fixtures_devices import same
from test_placement import blocks, read, spread

from inspector import examine
from inspector.models import load_model
from inspector.testing import random_texts, tiny_hf

if not torch.cuda.is_available():
    if os.environ.get("INSPECTOR_GPU"):
        pytest.fail("torch sees no CUDA here, and `make test-gpu` is for machines with it.", pytrace=False)
    pytest.skip("no CUDA here: `make test-gpu` runs these where there is", allow_module_level=True)

KINDS = ("LlamaForCausalLM", "GPT2LMHeadModel", "Gemma2ForCausalLM")
TEXTS = random_texts(6, 20, 90)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one card only: this is for machines with two")
@pytest.mark.parametrize("architecture", KINDS)
def test_a_model_over_two_cards_is_measured_as_on_one(architecture: str) -> None:
    one = load_model(tiny_hf(architecture), device="cuda:0")
    two = load_model(spread(tiny_hf(architecture), ("cuda:0", "cuda:1")))
    assert two.card["placement"] == "cuda:0, cuda:1"
    same(examine(two, TEXTS), examine(one, TEXTS))
    expected, found = read(one), read(two)
    assert set(found) == set(expected) and list(found["paths"]) == list(expected["paths"])


@pytest.mark.parametrize("architecture", KINDS)
def test_a_model_of_which_a_card_holds_a_part_is_measured_as_one_that_it_holds(architecture: str) -> None:
    hf = tiny_hf(architecture)
    names = {id(part): name for name, part in hf.named_modules()}
    parts = [part for part in hf.base_model.children() if not isinstance(part, torch.nn.ModuleList)]
    placed = {names[id(part)]: 0 for part in (*parts, *blocks(hf), hf.get_output_embeddings())}
    hf = accelerate.dispatch_model(hf, {**placed, names[id(blocks(hf)[1])]: "cpu"})
    assert any(weight.is_meta for weight in hf.parameters())
    away, here = load_model(hf), load_model(tiny_hf(architecture), device="cuda:0")
    assert away.card["placement"].startswith("cuda:0; ") and away.card["fingerprint"] == here.card["fingerprint"]
    same(examine(away, TEXTS), examine(here, TEXTS))
    expected, found = read(here), read(away)
    assert set(found) == set(expected) and list(found["paths"]) == list(expected["paths"])


def test_a_whole_model_in_memory_is_measured_on_a_card() -> None:
    away = load_model(accelerate.cpu_offload(tiny_hf("LlamaForCausalLM"), 0))
    assert away.device == torch.device("cuda:0") and away.card["placement"] == "cuda:0; 30 of 30 weights offloaded"
    same(examine(away, TEXTS), examine(load_model(tiny_hf("LlamaForCausalLM"), device="cuda:0"), TEXTS))

"""Models that are handed over as objects: given twice, half here, without a head, packed; and devices that aren't."""

import copy
from collections.abc import Callable
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
import transformers
from fixtures_tiny import loaded
from torch.testing._internal.two_tensor import TwoTensor

from inspector import examine
from inspector.errors import ModelError
from inspector.models import Backend, Model, load_model
from inspector.models.attention_swap import own_attention
from inspector.models.given import refuse_type
from inspector.testing import random_texts, tiny_hf, tiny_model

TEXTS = random_texts(3)
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}


# -- given twice -------------------------------------------------------------------------------------------------------


def same_evidence(*models: Model) -> None:
    first, *others = (examine(model, TEXTS).evidence for model in models)
    for other in others:
        assert set(other) == set(first)
        for name, evidence in first.items():
            for array, values in evidence.arrays.items():
                np.testing.assert_array_equal(other[name].arrays[array], values)


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "GPTJForCausalLM"])
def test_a_model_that_is_given_twice_gives_two_working_models(architecture: str) -> None:
    hf = tiny_hf(architecture)
    first, second = load_model(hf, device="cpu"), load_model(hf, device="cpu")
    for fact in ("fingerprint", "attention", "missing_sites", "architecture", "parameters", "name"):
        assert second.card[fact] == first.card[fact]
    assert second.shape == first.shape
    assert second.lock is first.lock
    same_evidence(first, second, load_model(first.bridge))


def test_the_model_of_a_bridge_leads_to_that_bridge() -> None:
    bridge = tiny_model().bridge
    assert load_model(bridge.original_model, device="cpu").bridge is bridge
    assert load_model(bridge).bridge is bridge


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "Gemma2ForCausalLM"])
def test_a_model_keeps_its_fingerprint_while_its_own_attention_runs(architecture: str) -> None:
    model = loaded(architecture)
    with own_attention(model.bridge, None):
        assert model.current_card()["fingerprint"] == model.card["fingerprint"]


def test_weights_that_were_changed_between_are_read_anew() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    first = load_model(hf, device="cpu")
    with torch.no_grad():
        hf.get_output_embeddings().weight.mul_(2)
    assert load_model(hf, device="cpu").card["fingerprint"] != first.card["fingerprint"]


def test_a_copy_of_a_given_model_has_a_bridge_of_its_own() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    first = load_model(hf, device="cpu")
    copied = copy.deepcopy(hf)
    second = load_model(copied, device="cpu")
    assert second.bridge is not first.bridge and second.bridge.original_model is copied
    same_evidence(first, second)


def test_a_model_inside_somebody_elses_bridge_is_refused() -> None:
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

    hf = tiny_hf("LlamaForCausalLM")
    bridge = build_bridge_from_module(hf, "LlamaForCausalLM", hf_config=hf.config, model_name="tiny")
    with pytest.raises(ModelError, match="inside a TransformerLens bridge already"):
        load_model(hf, device="cpu")
    assert load_model(bridge).shape.layers == 3


def test_a_model_that_accelerate_spread_by_a_map_is_measured_as_it_would_be_in_one_piece() -> None:
    """On one device, which is all there is here: its hooks run every part."""
    hf = tiny_hf("LlamaForCausalLM")
    parts = ["embed_tokens", "layers.0", "layers.1", "layers.2", "norm", "rotary_emb"]
    spread = {**{f"model.{part}": "cpu" for part in parts}, "lm_head": "cpu"}
    dispatched = load_model(accelerate.dispatch_model(hf, spread, force_hooks=True), device="cpu")
    same_evidence(load_model(tiny_hf("LlamaForCausalLM"), device="cpu"), dispatched)


# -- what can't be inspected -------------------------------------------------------------------------------------------


def on_meta() -> Any:
    with torch.device("meta"):
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL, vocab_size=99))


def partly_on_meta() -> Any:
    hf = tiny_hf("LlamaForCausalLM")
    hf.model.layers[1].to("meta")
    return hf


def packed() -> Any:
    hf = tiny_hf("LlamaForCausalLM")
    weight = hf.model.layers[0].mlp.down_proj.weight.data
    hf.model.layers[0].mlp.down_proj.weight = torch.nn.Parameter(TwoTensor(weight, weight.clone()))
    return hf


def failing() -> Any:
    """Its config names no position embedding, which the bridge needs."""
    mamba = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "shared_intermediate_size": 64}
    config = transformers.GraniteMoeHybridConfig(
        **SMALL, **mamba, vocab_size=99, num_local_experts=0, layer_types=["mamba", "attention"], num_key_value_heads=2
    )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "meta": (on_meta, "21 of 21 weights were never loaded"),
    "partly meta": (partly_on_meta, r"9 of 30 weights .* model\.layers\.1"),
    "headless": (lambda: tiny_hf("LlamaForCausalLM").model, "no logits .* AutoModelForCausalLM"),
    "packed": (packed, r"layers\.0\.mlp\.down_proj\.weight is packed \(TwoTensor"),
    "an encoder": (
        lambda: transformers.BertForMaskedLM(transformers.BertConfig(**SMALL, vocab_size=99)),
        "later token changes earlier logits|fails",
    ),
    "an encoder without a head": (
        lambda: transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=99)),
        "no logits",
    ),
    "an encoder and a decoder": (
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(d_model=32, num_layers=2, num_heads=4, d_ff=32, vocab_size=99, d_kv=8)
        ),
        "encoder-decoder",
    ),
    "pictures": (lambda: transformers.ViTModel(transformers.ViTConfig(**SMALL)), "no vocabulary"),
    "a bridge that fails": (failing, "its bridge fails when it is run"),
    "several dtypes": (lambda: half_a_layer(), "fails on a short text"),
}


def half_a_layer() -> Any:
    hf = tiny_hf("LlamaForCausalLM")
    hf.model.layers[0].half()
    return hf


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_inspected_is_refused_in_one_line(what: str) -> None:
    make, said = REFUSED[what]
    with pytest.raises(ModelError, match=said) as caught:
        load_model(make(), device="cpu")
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 300


class Adapted:
    def merge_and_unload(self) -> None: ...


@pytest.mark.parametrize("given", [torch.nn.Linear(2, 2), ["gpt2"], None, Adapted()])
def test_what_is_no_model_is_refused_with_its_type(given: object) -> None:
    with pytest.raises(ModelError, match=f"load_model got {type(given).__name__}"):
        refuse_type(given)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "mps:7", 3, 1.5, [], "hpu", "meta", "cpu\n", "x" * 500])
def test_a_device_that_is_not_here_is_refused_in_one_line(device: Any) -> None:
    with pytest.raises(ModelError, match=r"^Device .* can't be used here\. Use cpu") as caught:
        Backend.named(device)
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 300


TOKENIZERS: dict[str, tuple[Any, str]] = {
    "no function": (object(), "not callable"),
    "a name": ("gpt2", "not callable"),
    "no ids": (lambda text: {}, "input_ids"),
    "negative ids": (lambda text: {"input_ids": [-1, 2]}, "token id -1"),
    "ids beyond": (lambda text: {"input_ids": [5, 5000]}, "token id 5000, and the model has ids 0–100"),
    "nothing": (lambda text: {"input_ids": []}, "no token for ordinary English text"),
    "nested": (lambda text: {"input_ids": [[1, 2]]}, "fails on a short text"),
}


@pytest.mark.parametrize("what", TOKENIZERS)
def test_a_tokenizer_that_cannot_be_used_is_refused_in_one_line(what: str) -> None:
    tokenizer, said = TOKENIZERS[what]
    with pytest.raises(ModelError, match=said) as caught:
        load_model(tiny_hf("LlamaForCausalLM"), tokenizer=tokenizer, device="cpu")
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 300

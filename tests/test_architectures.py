"""Every architecture of the catalogue, with tiny random weights, against brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, loaded

from inspector import examine
from inspector.detectors.massive import reducer as massive_reducer
from inspector.detectors.massive.detector import Massive
from inspector.detectors.sinks.detector import Sinks
from inspector.errors import ModelError
from inspector.models import Model, catalogue, load_model
from inspector.sites import Site
from inspector.testing import TINY, assert_same, measure, random_texts, tiny_hf

WITH_ATTENTION = [name for name in TINY if name != "MambaForCausalLM"]
TEXTS = random_texts(5, 20, 70)


@pytest.fixture(params=TINY)
def model(request: pytest.FixtureRequest) -> Model:
    return loaded(request.param)


def test_the_catalogue_and_the_tests_name_the_same_architectures() -> None:
    assert set(catalogue.ARCHITECTURES) == set(TINY)


def test_the_bridge_agrees_with_hugging_face_and_the_card_says_how_well(model: Model) -> None:
    assert model.card["logit_difference"] < 1e-4


def test_what_the_catalogue_says_of_attention_is_what_happens(model: Model) -> None:
    says = catalogue.ARCHITECTURES[model.card["architecture"]]
    if "no attention" in says:
        assert model.route == "none"
    else:
        assert model.route == ("eager" if says == catalogue.EAGER else "streamed")
    assert ("neuron" in model.card["missing_sites"]) == (model.route == "none")


@pytest.mark.parametrize("architecture", architectures())
def test_batch_size_and_padding_side_do_not_change_the_evidence(architecture: str) -> None:
    model = loaded(architecture)
    for detector in [Massive(), Sinks()] if model.route != "none" else [Massive()]:
        whole = measure(detector, model, TEXTS)
        assert_same(whole, measure(detector, model, TEXTS, batch_tokens=1), "batch size")
        if model.route != "none":
            assert_same(whole, measure(detector, model, TEXTS, padding_side="left"), "padding side")


def test_largest_entries_are_those_of_the_plain_hugging_face_model(model: Model) -> None:
    hf = tiny_hf(model.card["architecture"])
    evidence = measure(Massive(), model, TEXTS)
    for text, ids in enumerate(TEXTS):
        states = block_outputs(hf, ids)
        for layer, x in enumerate(states):
            flat = int(x.abs().argmax())
            assert evidence["value"][text, layer, 0] == pytest.approx(float(x.flatten()[flat]), rel=1e-3, abs=1e-5)
    everything = torch.cat([torch.cat(block_outputs(hf, ids)[-1:]) for ids in TEXTS])
    report = examine(model, TEXTS, ["massive"])
    last = report.frame("massive.layers").iloc[-1]
    assert last["median"] == pytest.approx(float(everything.abs().median()), rel=5e-3)
    assert last["n_entries"] == everything.numel()


def block_outputs(hf: Any, ids: list[int]) -> list[torch.Tensor]:
    """Residual stream after every block `[pos, d_model]`, by plain torch hooks on the blocks."""
    blocks = max(
        (m for m in hf.modules() if isinstance(m, torch.nn.ModuleList)), key=lambda m: len(list(m.parameters()))
    )
    seen: list[torch.Tensor] = []
    handles = [
        block.register_forward_hook(lambda m, a, out: seen.append((out[0] if isinstance(out, tuple) else out)[0]))
        for block in blocks
    ]
    with torch.no_grad():
        hf(input_ids=torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("architecture", architectures(WITH_ATTENTION))
def test_received_attention_and_entropy_are_those_of_the_eager_pattern(architecture: str) -> None:
    model = loaded(architecture)
    evidence = measure(Sinks(), model, TEXTS)
    for text, ids in enumerate(TEXTS):
        with torch.no_grad():
            _, cache = model.bridge.run_with_cache(torch.tensor([ids]))
        for layer in model.shape.layers_of("attention"):
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"][0].double()
            window = min(64, len(ids))
            alpha = pattern[:, :window, 0].sum(dim=1) / window
            np.testing.assert_allclose(evidence["received"][text, layer, :, 0], alpha, rtol=2e-3, atol=1e-5)
            entropy = -torch.special.xlogy(pattern, pattern).sum(dim=-1).mean(dim=1)
            np.testing.assert_allclose(evidence["entropy"][text, layer], entropy, rtol=2e-3, atol=1e-4)
            rest = pattern[:, 1:, 1:] / pattern[:, 1:, 1:].sum(dim=-1, keepdim=True)
            entropy_rest = -torch.special.xlogy(rest, rest).sum(dim=-1).mean(dim=1)
            np.testing.assert_allclose(evidence["entropy_rest"][text, layer], entropy_rest, rtol=2e-3, atol=1e-4)
            own_rest = rest.diagonal(dim1=1, dim2=2).mean(dim=1)
            np.testing.assert_allclose(evidence["self_rest"][text, layer], own_rest, rtol=2e-3, atol=1e-5)
            own = pattern.diagonal(dim1=1, dim2=2).mean(dim=1)
            np.testing.assert_allclose(evidence["self_share"][text, layer], own, rtol=2e-3, atol=1e-5)


def test_learned_sinks_are_reported_as_mass_that_no_token_gets() -> None:
    model = loaded("GptOssForCausalLM")
    heads = examine(model, TEXTS, ["sinks"]).frame("sinks.heads")
    with torch.no_grad():
        _, cache = model.bridge.run_with_cache(torch.tensor([TEXTS[0]]))
    missing = 1 - cache["blocks.1.attn.hook_pattern"][0].sum(dim=-1).mean(dim=-1)
    evidence = measure(Sinks(), model, TEXTS)
    np.testing.assert_allclose(evidence["sink_mass"][0, 1], missing, rtol=1e-3)
    assert heads["sink_mass"].between(0.001, 0.999).all()


@pytest.mark.parametrize(
    "architecture", ["GPT2LMHeadModel", "LlamaForCausalLM", "Gemma2ForCausalLM", "Olmo2ForCausalLM", "OPTForCausalLM"]
)
def test_writers_add_up_to_the_entry_whatever_norm_or_bias_follows_the_mlp(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(massive_reducer, "WRITERS", 128)  # all of them
    model = loaded(architecture)
    ids = TEXTS[0]
    evidence = measure(Massive(), model, [ids])
    layer = 1
    before = block_outputs(tiny_hf(architecture), ids)[layer - 1]
    value, dim, position = (evidence[name][0, layer, 0] for name in ("value", "dim", "position"))
    parts = evidence["attn"][0, layer, 0] + evidence["mlp"][0, layer, 0]
    assert float(before[position, dim]) + parts == pytest.approx(value, rel=1e-3, abs=1e-5)
    written, neurons = evidence["written"][0, layer, 0], evidence["neuron"][0, layer, 0]
    used = neurons >= 0
    assert (np.abs(written[used])[:-1] >= np.abs(written[used])[1:]).all()
    assert sorted(neurons[used].tolist()) == list(range(model.shape.d_mlp))
    out = model.bridge.blocks[layer].mlp.out.original_component
    direct = float(out.bias[dim].detach()) if getattr(out, "bias", None) is not None else 0.0
    by_hand = mlp_output(tiny_hf(architecture), ids, layer)[position, dim]  # before any norm that follows
    gain = evidence["mlp"][0, layer, 0] / float(by_hand)
    assert written[used].sum() + direct * gain == pytest.approx(evidence["mlp"][0, layer, 0], rel=1e-3, abs=1e-5)
    assert (gain == pytest.approx(1.0, rel=1e-3)) == (architecture not in ("Gemma2ForCausalLM", "Olmo2ForCausalLM"))


def mlp_output(hf: Any, ids: list[int], layer: int) -> torch.Tensor:
    """Output of the MLP's last matrix `[pos, d_model]`, by a plain torch hook."""
    blocks = max(
        (m for m in hf.modules() if isinstance(m, torch.nn.ModuleList)), key=lambda m: len(list(m.parameters()))
    )
    names = ("mlp.c_proj", "mlp.down_proj", "fc2")
    last = next(m for name, m in blocks[layer].named_modules() if name in names)
    seen: list[torch.Tensor] = []
    handle = last.register_forward_hook(lambda m, a, out: seen.append(out))
    with torch.no_grad():
        hf(input_ids=torch.tensor([ids]), use_cache=False)
    handle.remove()
    return seen[0].reshape(len(ids), -1)


def test_gpt2_neurons_are_read_along_the_right_axis_of_its_conv1d() -> None:
    model = loaded("GPT2LMHeadModel")
    raw = tiny_hf("GPT2LMHeadModel").transformer.h[1].mlp.c_proj.weight
    assert model.w_out(1).shape == (128, 32)
    torch.testing.assert_close(model.w_out(1), raw)
    linear = tiny_hf("LlamaForCausalLM").model.layers[1].mlp.down_proj.weight
    torch.testing.assert_close(loaded("LlamaForCausalLM").w_out(1), linear.T)


def test_a_detector_that_needs_attention_refuses_a_model_without_by_name() -> None:
    with pytest.raises(ModelError, match="'sinks' needs attention, which MambaForCausalLM does not have"):
        examine(loaded("MambaForCausalLM"), TEXTS, ["sinks"])


def test_an_encoder_decoder_is_refused_by_name() -> None:
    import transformers

    config = transformers.T5Config(vocab_size=50, d_model=16, d_kv=4, d_ff=32, num_layers=1, num_heads=2)
    config.decoder_start_token_id = 0
    with pytest.raises(ModelError, match="T5ForConditionalGeneration is an encoder-decoder"):
        load_model(transformers.T5ForConditionalGeneration(config), device="cpu")


def test_sites_that_break_their_definition_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    from inspector.models import checks

    monkeypatch.setattr(checks, "w_out", lambda bridge, layer: torch.zeros(64, 32))
    model = load_model(tiny_hf("LlamaForCausalLM"), device="cpu")
    assert not model.shape.has("neuron")
    assert model.card["missing_sites"] == {"neuron": 3}
    assert Site("mlp_out", 0) in model.shape.sites

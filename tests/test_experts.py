"""Neurons of routed experts, each against a loop over experts on the plain Hugging Face modules."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures
from test_cett import fed_of
from torch import Tensor

from inspector import describe_neurons, examine, intervene, load_model
from inspector.batches import batches
from inspector.errors import ModelError
from inspector.hallucination.answers.cett import Contributions
from inspector.interventions.values import scale, zero_ablate
from inspector.models.changes import hooks_of_others, state_of
from inspector.models.observe import observe
from inspector.sites import Site
from inspector.testing import random_texts, tiny_hf

EXPERTS = ["MixtralForCausalLM", "Qwen3MoeForCausalLM", "OlmoeForCausalLM", "GptOssForCausalLM"]


@cache
def plain(architecture: str) -> Any:
    """The plain model; what experts write has biases where the architecture has any."""
    return with_biases(tiny_hf(architecture))


@cache
def loaded(architecture: str) -> Any:
    """The same, loaded."""
    return load_model(with_biases(tiny_hf(architecture)), device="cpu")


def by_hand(architecture: str, ids: tuple[int, ...]) -> np.ndarray:
    """CETT `[layer, pos, neuron]` in float64: of what each neuron adds, its length as a share of the sum's."""
    hf, layers = plain(architecture), []

    def on_experts(module: Any, args: tuple[Tensor, ...], out: Any) -> None:
        hidden, index, weight = (one.double() if one.is_floating_point() else one for one in args)
        count = len(module.down_proj)
        transposed = architecture == "GptOssForCausalLM"
        down = module.down_proj.double() if transposed else module.down_proj.double().transpose(1, 2)
        added = torch.zeros(len(hidden), count, *down.shape[1:], dtype=torch.float64)
        for token in range(len(hidden)):
            for choice in range(index.shape[1]):
                expert = int(index[token, choice])
                if transposed:
                    inner = (
                        hidden[token] @ module.gate_up_proj[expert].double() + module.gate_up_proj_bias[expert].double()
                    )
                    gate, up = inner[::2].clamp(max=module.limit), inner[1::2].clamp(-module.limit, module.limit)
                    z = (up + 1) * gate * torch.sigmoid(gate * module.alpha)
                else:
                    gate, up = (module.gate_up_proj[expert].double() @ hidden[token]).chunk(2)
                    z = torch.nn.functional.silu(gate) * up
                added[token, expert] = weight[token, choice] * z.unsqueeze(-1) * down[expert]
        added = added.flatten(1, 2)
        layers.append(added.norm(dim=-1) / added.sum(dim=1).norm(dim=-1, keepdim=True))

    found = [m for m in hf.modules() if getattr(getattr(m, "down_proj", None), "ndim", 0) == 3]
    handles = [module.register_forward_hook(on_experts) for module in found]
    with torch.no_grad():
        hf(input_ids=torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(layers).numpy()


@pytest.mark.parametrize("architecture", architectures(EXPERTS))
def test_cett_of_routed_experts_is_the_definition(architecture: str) -> None:
    model, fed = loaded(architecture), fed_of(4)
    shape = model.shape
    assert shape.layers_of("neuron") == tuple(range(shape.layers))
    answer, question = (np.zeros((4, shape.layers, shape.d_mlp), np.float16) for _ in range(2))
    observe(model, batches(fed.rows, 40), [Contributions(model, fed.spans, answer, question)])
    for row, one in enumerate(fed.rows):
        expected = by_hand(architecture, one.ids)
        (a, b), (c, d) = fed.spans[one.text].question, fed.spans[one.text].answer
        np.testing.assert_allclose(answer[row], expected[:, c:d].mean(axis=1), rtol=2e-3, atol=2**-20)
        np.testing.assert_allclose(question[row], expected[:, a:b].mean(axis=1), rtol=2e-3, atol=2**-20)
    assert (answer == 0).any()  # where no token of an answer was routed


@pytest.mark.parametrize("architecture", architectures(EXPERTS))
def test_a_changed_neuron_changes_what_its_expert_adds_and_nothing_else(architecture: str) -> None:
    model = loaded(architecture)
    (text,) = random_texts(1, 12, 12, 3)
    ids = torch.tensor([text])
    z = _neurons(model, ids)
    token, neuron = divmod(int(z[0].abs().argmax()), z.shape[-1])
    before, out = model.logits(ids), _experts_out(model, ids)
    with intervene(model, [zero_ablate(Site("neuron", 1), (neuron,), (token,))]):
        without = _experts_out(model, ids)
        changed = model.logits(ids)
    row = model.w_out(1)[neuron]
    torch.testing.assert_close(without[token], out[token] - z[0, token, neuron] * row, rtol=1e-4, atol=1e-5)
    others = [i for i in range(len(text)) if i != token]
    torch.testing.assert_close(without[others], out[others], rtol=0, atol=0)
    assert (changed[:, :token] == before[:, :token]).all() and (changed[:, token:] != before[:, token:]).any()
    with intervene(model, [scale(Site("neuron", 1), (neuron,), 1.0)]):
        assert (model.logits(ids) == before).all()
    assert (model.logits(ids) == before).all()


def _neurons(model: Any, ids: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = model.hooks[Site("neuron", 1)].add_hook(lambda x, hook: seen.append(x.clone()))
    model.logits(ids)
    handle.hook.remove()
    model.hooks[Site("neuron", 1)].fwd_hooks.remove(handle)
    return seen[0]


def _experts_out(model: Any, ids: Tensor) -> Tensor:
    from inspector.models.experts import points_of

    seen: list[Tensor] = []
    handle = points_of(model.bridge)[1].experts.register_forward_hook(lambda m, a, out: seen.append(out.clone()))
    model.logits(ids)
    handle.remove()
    return seen[0]


def with_biases(hf: Any) -> Any:
    """The model with biases of its experts, which are drawn as zeros."""
    with torch.no_grad():
        for name, weight in hf.named_parameters():
            if name.endswith("proj_bias"):
                weight.normal_(std=0.5)
    return hf


@pytest.mark.parametrize("architecture", ["GptOssForCausalLM", "Qwen2MoeForCausalLM"])
def test_what_experts_neurons_write_is_not_scaled_by_biases_or_a_shared_expert(architecture: str) -> None:
    if architecture == "Qwen2MoeForCausalLM":
        import transformers

        sizes = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
        config = transformers.Qwen2MoeConfig(
            vocab_size=101, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, shared_expert_intermediate_size=48, max_position_embeddings=256, **sizes
        )  # fmt: skip
        torch.manual_seed(0)
        hf = transformers.AutoModelForCausalLM.from_config(config).eval()
    else:
        hf = with_biases(tiny_hf(architecture))
    model = load_model(hf, device="cpu")
    assert model.shape.has("neuron")
    (text,) = random_texts(1, 20, 20, 0)
    z = _neurons(model, torch.tensor([text]))[0]
    report = examine(model, [text], detectors=["massive"], bos=False)
    evidence = report.evidence["massive"]
    order, written = evidence["neuron"][0, 1, 0], evidence["written"][0, 1, 0]
    dims = {abs(float(w)): int(n) for n, w in zip(order, written, strict=True)}
    top = max(dims)
    row = model.w_out(1).detach()[dims[top]]
    products = (z[:, dims[top]].unsqueeze(1) * row).abs()
    assert (products - top).abs().min() < 1e-4 * top  # one of its products with the matrix, unscaled


def test_a_mixture_is_given_back_without_a_hook_even_where_it_could_not_be_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hooks() -> list[int]:
        return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in hf.modules()]

    def fail(*given: Any) -> Any:
        raise RuntimeError("no route")

    hf = tiny_hf("MixtralForCausalLM")
    before = hooks()
    with monkeypatch.context() as broken:
        broken.setattr("inspector.models.checks.choose_route", fail)
        with pytest.raises(ModelError):
            load_model(hf, device="cpu")
    assert hooks() == before
    model = load_model(hf, device="cpu")
    assert model.release() is hf
    assert hooks() == before


def test_a_users_hook_on_experts_neurons_works_and_is_seen() -> None:
    model = loaded("MixtralForCausalLM")
    ids = torch.tensor(random_texts(1, 12, 12, 3))
    before = model.logits(ids)
    state, point = state_of(model), model.hooks[Site("neuron", 1)]

    def in_place(x: Tensor, hook: Any) -> None:
        x[:] = 0

    handle = point.add_hook(in_place)
    try:
        assert (model.logits(ids) != before).any() and state_of(model) != state
        assert hooks_of_others(model) == ["blocks.1.mlp.experts"]
    finally:
        point.remove_hooks()
    assert handle is None or (model.logits(ids) == before).all()


def test_a_neuron_that_is_seldom_routed_fires_where_it_is_large() -> None:
    model = loaded("Qwen3MoeForCausalLM")
    states = describe_neurons(model, [(0, 3), (1, 30)], random_texts(4, 30, 40, 0)).states
    assert (states["bar"] > 1e-6).all()

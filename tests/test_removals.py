"""Parts, neurons and weights taken out: each against a plain model whose weights were set to 0 by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, loaded
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from inspector.batches import TokenSequence
from inspector.errors import InputError
from inspector.models import Model
from inspector.models.matrices import matrices_of, weight_of
from inspector.pruning.neurons import least_first, neuron_scores
from inspector.pruning.parts import Part, parts_of
from inspector.pruning.removals import DRAWS, Removals, removals
from inspector.pruning.weights import input_norms, sparse
from inspector.testing import random_texts, tiny_hf

KINDS = ["LlamaForCausalLM", "GPT2LMHeadModel", "OPTForCausalLM", "Gemma2ForCausalLM"]
IDS = torch.tensor(random_texts(2, 14, 14, 0))


def _plain(architecture: str) -> tuple[Any, dict[str, nn.Module]]:
    plain = tiny_hf(architecture)
    return plain, dict(plain.named_modules())


def _logits(plain: Any) -> Tensor:
    with torch.no_grad():
        return plain(input_ids=IDS, use_cache=False).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize("architecture", architectures(KINDS))
def test_without_a_head_the_logits_are_those_of_a_model_whose_output_matrix_lacks_its_columns(
    architecture: str,
) -> None:
    model = loaded(architecture)
    plain, modules = _plain(architecture)
    (matrix,) = (one for one in matrices_of(model) if one.layer == 1 and one.reads == "heads")
    width, module = model.shape.d_head, modules[matrix.name]
    weight = module.weight.T if isinstance(module, Conv1D) else module.weight
    with torch.no_grad():
        weight[:, 2 * width : 3 * width] = 0.0
    before = model.logits(IDS)
    with Part("head", 1, 2).removed(model):
        torch.testing.assert_close(model.logits(IDS), _logits(plain), rtol=1e-4, atol=1e-5)
    assert (model.logits(IDS) == before).all() and not torch.allclose(before, _logits(plain), atol=1e-3)


@pytest.mark.parametrize("what", ["layer", "attention", "mlp"])
def test_without_a_part_the_logits_are_those_of_a_model_whose_last_matrices_are_zero(llama: Model, what: str) -> None:
    plain, modules = _plain("LlamaForCausalLM")
    names = {
        "attention": ["self_attn.o_proj"],
        "mlp": ["mlp.down_proj"],
        "layer": ["self_attn.o_proj", "mlp.down_proj"],
    }
    with torch.no_grad():
        for name in names[what]:
            modules[f"model.layers.1.{name}"].weight.zero_()  # type: ignore[operator, union-attr]
    with Part(what, 1).removed(llama):
        torch.testing.assert_close(llama.logits(IDS), _logits(plain), rtol=1e-4, atol=1e-5)


def _by_hand(weight: np.ndarray, score: np.ndarray, share: float) -> np.ndarray:
    """Each row without its lowest scores."""
    made = weight.copy()
    for row, scores in zip(made, score, strict=True):
        row[np.argsort(scores, kind="stable")[: round(share * len(row))]] = 0.0
    return made


@pytest.mark.parametrize("architecture", architectures(["LlamaForCausalLM", "GPT2LMHeadModel"]))
@pytest.mark.parametrize("way", ["magnitude", "wanda"])
def test_sparse_weights_give_the_logits_of_a_model_pruned_by_hand(architecture: str, way: str) -> None:
    model = loaded(architecture)
    plain, modules = _plain(architecture)
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(random_texts(4, 5, 20, 3))]
    given: dict[str, list[Tensor]] = {}
    names = [matrix.name for matrix in matrices_of(model)]
    for name in names:
        modules[name].register_forward_hook(
            lambda m, args, out, name=name: given.setdefault(name, []).append(args[0].flatten(0, -2))
        )
    for row in rows:
        with torch.no_grad():
            plain(input_ids=torch.tensor([row.ids]), use_cache=False)
    norms = input_norms(model, rows, 40)
    for matrix in norms:
        expected = torch.cat(given[matrix.name]).norm(dim=0)
        torch.testing.assert_close(norms[matrix], expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        for matrix, module in matrices_of(model).items():
            weight = weight_of(module).numpy()
            score = np.abs(weight) * (norms[matrix].numpy() if way == "wanda" else 1.0)
            made, mine = torch.tensor(_by_hand(weight, score, 0.4)), modules[matrix.name]
            mine.weight.copy_(made.T if isinstance(mine, Conv1D) else made)  # type: ignore[operator, union-attr]
    before = model.logits(IDS)
    with sparse(model, 0.4, way, norms):
        torch.testing.assert_close(model.logits(IDS), _logits(plain), rtol=1e-4, atol=1e-5)
    assert (model.logits(IDS) == before).all()


def test_the_least_active_neurons_are_those_that_write_least(llama: Model) -> None:
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(random_texts(3, 6, 11, 2))]
    plain, modules = _plain("LlamaForCausalLM")
    seen: list[Tensor] = []
    down = modules["model.layers.1.mlp.down_proj"]
    down.register_forward_hook(lambda m, args, out: seen.append(args[0][0]))
    for row in rows:
        with torch.no_grad():
            plain(input_ids=torch.tensor([row.ids]), use_cache=False)
    expected = torch.cat(seen).abs().sum(dim=0) * down.weight.norm(dim=0)  # type: ignore[operator, union-attr]
    scores = neuron_scores(llama, rows, 20)
    np.testing.assert_allclose(scores["least active"][1], expected.detach().numpy(), rtol=1e-4)
    assert least_first(scores["least active"])[1].tolist() == expected.argsort().tolist()


@pytest.mark.slow
def test_a_spike_goes_with_its_mlp_and_sets_stand_beside_random_ones(planted: Model) -> None:
    found = removals(planted, [[7, *ids] for ids in random_texts(16, 63, 63, 5)], each="head")
    _every_part_has_its_row(planted, found)
    _sets_stand_beside_random_ones(found)


def _every_part_has_its_row(planted: Model, found: Removals) -> None:
    parts = found.parts
    layers, heads = planted.shape.layers, planted.shape.heads
    assert parts.groupby("what").size().to_dict() == {
        "attention": layers, "head": layers * heads, "layer": layers, "mlp": layers,
    }  # fmt: skip
    assert len(parts_of(planted, heads=False)) == 3 * layers
    largest = parts[parts["what"] == "mlp"].set_index("layer")["largest"]
    assert largest.drop(index=2).min() > 0.9 * found.facts["largest"] > 2 * largest[2]
    assert "The largest |x| falls to less than half without the MLP of layer 2" in " ".join(found.sentences())
    sinks = parts[(parts["what"] == "attention")].set_index("layer")["sink_rate"]
    assert sinks.notna().all() and (parts["kl"] >= -1e-6).all()


def _sets_stand_beside_random_ones(found: Removals) -> None:
    assert found.neurons.groupby(["by", "share"]).size().to_dict()[("random", 0.5)] == DRAWS
    assert set(found.neurons["by"]) == {"least active", "smallest weights", "random"}
    assert set(found.weights["by"]) == {"magnitude", "wanda", "random"}
    means = found.weights.groupby(["share", "by"])["kl"].mean()
    assert (means.xs("magnitude", level="by") < means.xs("random", level="by")).all()
    assert len(found.figure().data) == 4 and len(found.neurons_figure().data) == 3 == len(found.weights_figure().data)
    assert "Removals" in repr(found)


def test_what_can_not_be_is_refused_in_one_line(llama: Model) -> None:
    with pytest.raises(InputError, match="each is 'heads'"):
        removals(llama, each="heads")
    for share, way, words in (
        (1.0, "random", "share of 1"),
        (0.5, "best", "No way 'best'"),
        (0.5, "wanda", "input_norms"),
    ):
        with pytest.raises(InputError, match=words), sparse(llama, share, way):
            pass

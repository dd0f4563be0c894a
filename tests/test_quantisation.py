"""Fake quantisation: each grid by hand, and models under schemes beside ones whose weights were rounded by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, loaded
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from inspector.batches import TokenSequence, batches
from inspector.errors import InputError, ModelError
from inspector.interventions.apply import intervene
from inspector.interventions.values import zero_ablate
from inspector.models import Model
from inspector.models.attention_streamed import streamed_attention
from inspector.models.beginnings import Beginnings
from inspector.models.changes import hooks_of_others
from inspector.models.matrices import matrices_of, weight_of
from inspector.models.observe import observe
from inspector.quantisation.apply import Spared, quantised
from inspector.quantisation.bench import Bench
from inspector.quantisation.bits import bits_spent
from inspector.quantisation.constants import constants_at, mean_inputs
from inspector.quantisation.rounding import Rounding
from inspector.quantisation.schemes import scheme
from inspector.quantisation.sensitivity import sensitivity
from inspector.sites import Site
from inspector.testing import random_texts, tiny_hf
from inspector.verification.text_bench import TextBench, rows_to_measure

KINDS = ["LlamaForCausalLM", "GPT2LMHeadModel", "GPTNeoXForCausalLM", "Gemma3ForCausalLM", "OPTForCausalLM"]


def by_hand(row: list[float], bits: int, symmetric: bool) -> list[float]:
    """One row on its grid, number by number."""
    half, numbers = 2 ** (bits - 1), np.array(row, np.float32)
    if symmetric:
        step = np.float32(np.abs(numbers).max() / np.float32(half - 1)) or np.float32(1)
        return [float(np.float32(np.clip(np.round(x / step), -half, half - 1)) * step) for x in numbers]
    low, high = min(np.float32(0), numbers.min()), max(np.float32(0), numbers.max())
    step = np.float32((high - low) / np.float32(2 * half - 1)) or np.float32(1)
    zero = np.round(-low / step)
    return [float(np.float32(np.clip(np.round(x / step) + zero, 0, 2 * half - 1) - zero) * step) for x in numbers]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_tensors_and_groups_are_rounded_to_the_last_bit_as_by_hand(bits: int, symmetric: bool) -> None:
    x = torch.randn(3, 5, 10, generator=torch.Generator().manual_seed(bits)) * 4
    x[0, 0] = 0.0
    rows = Rounding(bits, symmetric=symmetric).activations(x)
    assert rows.tolist() == [[by_hand(row, bits, symmetric) for row in text] for text in x.tolist()]
    whole = Rounding(bits, "tensor", symmetric=symmetric).activations(x)
    assert whole.flatten(1).tolist() == [by_hand(text, bits, symmetric) for text in x.flatten(1).tolist()]
    groups = Rounding(bits, "group", 4, symmetric).weights(x[0])
    expected = [[y for i in (0, 4, 8) for y in by_hand(row[i : i + 4], bits, symmetric)] for row in x[0].tolist()]
    assert groups.tolist() == expected
    assert (Rounding(16, symmetric=symmetric).activations(x) == x).all()


def test_a_symmetric_grid_of_few_bits_has_few_numbers() -> None:
    x = torch.linspace(-1, 1, 1001).unsqueeze(0)
    assert len(Rounding(4).rows(x).unique()) == 15 and len(Rounding(4, symmetric=False).rows(x + 1).unique()) == 16
    assert (Rounding(8).rows(x) - x).abs().max() <= 0.5 / 127 + 1e-7


@pytest.mark.parametrize("architecture", architectures(KINDS))
@pytest.mark.parametrize("name", ["w8", "w4a16-g8"])
def test_rounded_weights_give_the_logits_of_a_model_whose_weights_were_rounded(architecture: str, name: str) -> None:
    model, plain = loaded(architecture), tiny_hf(architecture)
    plan = scheme(name)
    assert plan.weights is not None
    names = {matrix.name for matrix in matrices_of(model)}
    rounded = set()
    with torch.no_grad():
        for place, module in plain.named_modules():
            if place in names:
                weight = plan.weights.weights(weight_of(module))
                module.weight.copy_(weight if type(module) is nn.Linear else weight.T)
                rounded.add(place)
    assert rounded == names  # called as in the checkpoint
    every = [
        n for n, m in plain.named_modules() if type(m) in (nn.Linear, Conv1D) and m is not plain.get_output_embeddings()
    ]
    assert {n for n in every if ".embed" not in n and "project" not in n} == names
    ids = torch.tensor(random_texts(1, 12, 12, 0))
    with torch.no_grad():
        expected = plain(input_ids=ids, use_cache=False).logits
    before = model.logits(ids)
    with quantised(model, name):
        torch.testing.assert_close(model.logits(ids), expected, rtol=2e-4, atol=2e-4)
    assert (model.logits(ids) == before).all() and not torch.allclose(before, expected, atol=1e-3)


def _inputs(model: Model, ids: Tensor, name: str) -> Tensor:
    seen: list[Tensor] = []
    (module,) = (module for matrix, module in matrices_of(model).items() if matrix.name == name)
    handle = module.register_forward_hook(lambda m, args, out: seen.append(args[0].clone()))
    with streamed_attention(model.bridge, lambda *seen: None):
        model.logits(ids)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("architecture", architectures(["LlamaForCausalLM", "GPT2LMHeadModel", "OPTForCausalLM"]))
@pytest.mark.parametrize("name", ["a8-tensor", "a4"])
def test_what_a_matrix_is_given_is_rounded_but_for_what_is_spared(architecture: str, name: str) -> None:
    model, plan = loaded(architecture), scheme(name)
    assert plan.activations is not None
    ids = torch.tensor(random_texts(2, 12, 12, 1))
    first = next(matrix for matrix in matrices_of(model) if matrix.layer == 0 and matrix.reads == "stream")
    x = _inputs(model, ids, first.name)
    with quantised(model, plan, only=[first.name]):
        assert (_inputs(model, ids, first.name) == plan.activations.activations(x)).all()
    with quantised(model, plan, only=[first.name], spared=Spared(dims=(3, 7), tokens=(0, 99))):
        got = _inputs(model, ids, first.name)
    left = torch.zeros(x.shape[1:], dtype=torch.bool)
    left[:, [3, 7]], left[0] = True, True
    assert (got[:, left] == x[:, left]).all()
    assert (got[:, ~left] == plan.activations.activations(x.masked_fill(left, 0.0))[:, ~left]).all()
    last = next(matrix for matrix in matrices_of(model) if matrix.layer == 0 and matrix.reads == "neurons")
    y = _inputs(model, ids, last.name)
    with quantised(model, plan, only=[last.name], spared=Spared(dims=(3,), neurons=((0, 5), (1, 6)))):
        got = _inputs(model, ids, last.name)
    assert (got[..., 5] == y[..., 5]).all() and (got[..., 6] != y[..., 6]).any() and (got[..., 3] != y[..., 3]).any()


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_in_no_texts_grid(llama: Model, side: str) -> None:
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(random_texts(4, 5, 20, 6))]

    def logits(tokens: int) -> dict[int, Tensor]:
        class Seen:
            kinds = ("logits",)

            def update(self, batch: Any, site: Any, x: Any) -> None:
                for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
                    found[text] = x[row, :length].clone()

        found: dict[int, Tensor] = {}
        with quantised(llama, "a4-tensor"):
            observe(llama, batches(rows, tokens), [Seen()], padding_side=side)  # type: ignore[arg-type]
        return found

    together, alone = logits(100), logits(1)
    for text, expected in alone.items():
        torch.testing.assert_close(together[text], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", architectures(KINDS))
def test_a_pass_that_begins_at_a_later_block_gives_what_a_whole_one_does(architecture: str) -> None:
    model = loaded(architecture)
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(random_texts(4, 6, 20, 1))]
    known = Beginnings(model)
    first = next(module for matrix, module in matrices_of(model).items() if matrix.layer == 0)

    def losses() -> np.ndarray:
        return TextBench(model, rows, []).outcome((), ("loss",))["loss"]

    with known.kept():
        whole = losses()
    with known.begun_at(2):
        assert (losses() == whole).all()
    assert (losses() == whole).all()
    assert known.known == (not hooks_of_others(model))  # bridges of some architectures hook their own parts
    if not known.known:
        return
    with torch.no_grad():
        kept = first.weight.clone()  # type: ignore[operator]
        first.weight.zero_()  # type: ignore[operator]
    try:
        with known.begun_at(2):
            assert (losses() == whole).all()  # its block isn't run
        assert (losses() != whole).any()  # and is again
    finally:
        with torch.no_grad():
            first.weight.copy_(kept)  # type: ignore[operator]


def test_no_pass_begins_later_where_somebody_else_changes_the_model(llama: Model) -> None:
    rows = [TokenSequence(0, 0, 0, tuple(random_texts(1, 20, 20, 1)[0]))]
    known = Beginnings(llama)
    with intervene(llama, zero_ablate(Site("mlp_out", 0), [3])):
        with known.kept():
            changed = TextBench(llama, rows, []).outcome((), ("loss",))["loss"]
        with known.begun_at(2):
            assert (TextBench(llama, rows, []).outcome((), ("loss",))["loss"] == changed).all()
    assert not known.known


def test_constants_and_prefixes_are_what_they_say(planted: Model) -> None:
    rows = [TokenSequence(i, i, 0, (7, *ids)) for i, ids in enumerate(random_texts(4, 15, 15, 1))]
    name = next(matrix.name for matrix in matrices_of(planted) if matrix.layer == 3 and matrix.reads == "stream")
    ids = torch.tensor([row.ids for row in rows])
    means = mean_inputs(planted, rows, 40)
    torch.testing.assert_close(means[name], _inputs(planted, ids, name).mean(dim=0), rtol=1e-4, atol=1e-4)
    with quantised(planted, "a4-tensor", only=[name], spared=Spared(constants=constants_at(means, (0, 2)))):
        got = _inputs(planted, ids, name)
    assert (got[:, [0, 2]] == means[name][[0, 2]]).all()  # the same in every text
    with quantised(planted, "a4-tensor", only=[name], spared=Spared(tokens=(0, 2))):
        kept = _inputs(planted, ids, name)
    assert (got[:, 3:] == kept[:, 3:]).all()  # a constant is in no text's grid
    bench = Bench(planted, TextBench(planted, rows, []), scheme("a4-tensor"))
    after = bench.after((5, 9))
    assert [row.ids[:3] for row in after.rows] == [(5, 9, 7)] * 4 and after.start == 2
    by_hand = planted.logits(torch.tensor([row.ids for row in after.rows]))[:, 2:-1].log_softmax(dim=-1)
    before = planted.logits(ids)[:, :-1].log_softmax(dim=-1)
    kl = (before.exp() * (before - by_hand)).sum(dim=-1).mean(dim=-1)
    np.testing.assert_allclose(after.outcome((), ("kl",))["kl"], kl.numpy(), rtol=1e-3, atol=1e-6)


def test_a_text_is_rounded_the_same_beside_any_other(llama: Model) -> None:
    texts = torch.tensor(random_texts(3, 12, 12, 2))
    with quantised(llama, "w8a8-tensor"):
        together = llama.logits(texts)
        alone = torch.cat([llama.logits(row.unsqueeze(0)) for row in texts])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_keys_and_values_are_rounded_and_spared_tokens_are_not(llama: Model) -> None:
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(random_texts(2, 9, 9, 3))]

    def attention(**how: Any) -> list[Tensor]:
        class Seen:
            kinds = ("attention",)
            norms: list[Tensor] = []

            def update(self, batch: Any, site: Any, x: Any) -> None:
                if site.layer == 0:
                    self.norms.append(x.value_norm.clone())

        seen = Seen()
        seen.norms = []
        if how:
            with quantised(llama, "kv4", **how):
                observe(llama, batches(rows, 100), [seen])
        else:
            observe(llama, batches(rows, 100), [seen])
        return seen.norms

    ids = torch.tensor([row.ids for row in rows])
    before = llama.logits(ids)
    with quantised(llama, "kv2"):
        inside = llama.logits(ids)
        attention()
        assert (llama.logits(ids) == inside).all()  # a pass that reads attention ends without a trace
    assert (inside - before).abs().max() > 0.01 and torch.allclose(llama.logits(ids), before)
    (plain,), (rounded,), (kept,) = attention(), attention(spared=Spared()), attention(spared=Spared(tokens=(0, 2)))
    assert (plain != rounded).any() and (plain - rounded).abs().max() < 0.2 * plain.max()
    assert (kept[:, :, [0, 2]] == plain[:, :, [0, 2]]).all() and (kept[:, :, 3:] == rounded[:, :, 3:]).all()
    with (
        pytest.raises(ModelError, match="keys and values can't be quantised"),
        quantised(loaded("BloomForCausalLM"), "kv4"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("int8", "No scheme 'int8'"),
        ("", "No scheme"),
        ("w1", "1 bits"),
        ("w16a16", "rounds nothing"),
        ("w4-g0", "groups of 0"),
        ("w8-tensor", "of what it doesn't round"),
        ("w4a16-g128-g64", "says how twice"),
    ],
)
def test_a_scheme_that_does_not_exist_is_refused_in_a_line(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scheme(name)


def test_schemes_say_what_they_do() -> None:
    assert scheme("W8A8-tensor").words == "weights in 8 bits, a grid per output; activations in 8 bits, a grid per text"
    assert scheme("w4a16-g128").words == "weights in 4 bits, a grid per 128 inputs"
    assert scheme("kv4").words == "keys and values in 4 bits, a grid per head and token"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"only": ["no.such"]}, "No matrix 'no.such'"),
        ({"spared": Spared(matrices=frozenset({"lm_head"}))}, "No matrix 'lm_head'"),
        ({"spared": Spared(dims=(32,))}, "the stream has 0–31"),
        ({"spared": Spared(neurons=((0, 64),))}, "not all are there"),
        ({"spared": Spared(tokens=(-1,))}, "counted from 0"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(llama: Model, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words), quantised(llama, "w8", **given):
        pass


def test_what_a_scheme_costs_is_measured_whole_by_part_and_with_remedies(planted: Model) -> None:
    texts = [[7, *ids] for ids in random_texts(32, 70, 80, 0)]  # 7 is the planted spikes' trigger
    found = sensitivity(planted, "a4-tensor", texts, each="matrix", controls=3)
    every = matrices_of(planted)
    layers = {matrix.layer for matrix in every}
    assert found.parts["what"].tolist() == ["all", *["layer"] * len(layers), *["matrix"] * len(every)]
    assert (found.parts["kl_low"] <= found.parts["kl"]).all() and (found.parts["kl"] >= -1e-6).all()
    assert found.parts["kl"][0] > found.worst["kl"].max() > 0
    rows = rows_to_measure(planted, texts, None)
    bench, other = (TextBench(planted, some, []) for some in (rows.measured, rows.reference))
    before, name = bench.outcome((), ("loss", "kl"))["loss"], found.worst["name"][0]
    with quantised(planted, "a4-tensor", only=[name]):
        by_hand = bench.outcome((), ("loss", "kl"))
    assert found.worst["kl"][0] == pytest.approx(by_hand["kl"].mean(), rel=1e-5)
    assert found.worst["loss"][0] == pytest.approx((by_hand["loss"] - before).mean(), rel=1e-3, abs=1e-6)
    spikes = found.facts["spikes"]
    assert spikes["dims"] and spikes["tokens"]
    remedies = found.remedies.set_index("kind")
    assert {"dims", "tokens", "all", "grid", "layer", "matrix"} <= set(remedies.index)
    assert other.outcome((), ("kl",))["kl"].max() < 1e-6  # the reference is of the unmodified model
    with quantised(planted, "a4-tensor"):
        whole = other.outcome((), ("kl",))["kl"]
    with quantised(planted, "a4-tensor", spared=Spared(dims=tuple(spikes["dims"]))):
        spared = other.outcome((), ("kl",))["kl"]
    assert remedies.loc["dims", "kl"] == pytest.approx(spared.mean(), rel=1e-5)
    assert remedies.loc["dims", "gain"] == pytest.approx((whole - spared).mean(), rel=1e-4)
    assert remedies.loc["dims", "p"] >= 1 / 4 and remedies.loc["tokens", "gain"] > 0
    recipe = found.recipe()["schemes"]["a4-tensor"]
    assert recipe["dims"]["spare"] == []  # three controls can't show that it is more than random ones
    assert set(found.remedies.loc[found.remedies["controls"] == 3, "verdict"]) <= {
        *("helps; too few random ones to tell", "no help shown", "makes it worse"),
    }
    assert len(found.sentences()) == 2 + len(found.remedies) and "costs most" in str(found.figure().layout.title.text)
    assert found.remedy_figure().data


@pytest.mark.slow
def test_a_remedy_that_beats_every_random_one_is_in_the_recipe(planted: Model) -> None:
    texts = [[7, *ids] for ids in random_texts(32, 70, 80, 0)]
    found = sensitivity(planted, "a4-tensor", texts, each="none", controls=25)
    helped = set(found.remedies.loc[found.remedies["verdict"] == "helps, more than random ones", "kind"])
    recipe = found.recipe()["schemes"]["a4-tensor"]
    spared = {kind for kind in ("dims", "neurons", "tokens") if recipe[kind]["spare"]}
    assert spared == helped & {"dims", "neurons", "tokens"} and "tokens" in spared
    assert all(recipe[kind]["p"] < 0.05 for kind in spared)
    assert found.recipe()["version"] == 1


def test_a_scheme_that_breaks_the_model_is_a_finding() -> None:
    model = loaded("LlamaForCausalLM")
    texts = [list(ids) for ids in random_texts(32, 70, 80, 0)]
    module = next(iter(matrices_of(model).values()))
    with torch.no_grad():
        kept = module.weight.clone()
        module.weight[0, 0] = 3e38
    try:
        found = sensitivity(model, "w2", texts, each="none", controls=1)
    finally:
        with torch.no_grad():
            module.weight.copy_(kept)
    assert found.sentences()
    with pytest.raises(InputError, match="No layer and no matrix"):
        found.figure()


def test_bits_are_counted_as_by_hand(llama: Model) -> None:
    matrices = matrices_of(llama)
    spared = Spared(dims=(1, 2), neurons=((0, 3),), tokens=(0,), matrices=frozenset({next(iter(matrices)).name}))
    inputs = weights = given = held = 0.0
    for matrix, module in matrices.items():
        out, width = weight_of(module).shape
        kept = {"stream": 2, "neurons": 1 if matrix.layer == 0 else 0}.get(matrix.reads, 0)
        kept = width if matrix.name in spared.matrices else kept
        for position in range(10):
            inputs += sum(16 if position == 0 or unit < kept else 8 for unit in range(width))
            given += width
        weights += out * (16 * kept + 4 * (width - kept))
        held += out * width
    found = bits_spent(scheme("w4a8-kv4"), spared, 0, matrices, 10)
    assert found.activations == pytest.approx(inputs / given) and found.weights == pytest.approx(weights / held)
    assert found.cache == pytest.approx((16 + 9 * 4) / 10)
    assert bits_spent(scheme("kv4"), Spared(), 2, matrices, 8).cache == pytest.approx((2 * 16 + 8 * 4) / 10)
    assert np.isnan(bits_spent(scheme("w4"), Spared(), 0, matrices, 8).activations)

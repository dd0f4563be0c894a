"""What is measured of answers, against its definition on the plain Hugging Face modules."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, counting, loaded, with_words
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from inspector.batches import Batch, TokenSequence, batches, pad_rows
from inspector.errors import InputError
from inspector.hallucination.answers.cett import (
    Contributions,
    ResidualMeans,
    Span,
    TokenContributions,
    Uncertainty,
    cett,
)
from inspector.hallucination.answers.measure import Fed, Measured, Meter
from inspector.hallucination.questions.prompts import Form
from inspector.models import Decoder, Model
from inspector.models.observe import observe
from inspector.sites import Site
from inspector.testing import TINY, random_texts, tiny_hf

EXPERTS = ("GptOssForCausalLM", "MixtralForCausalLM", "Qwen3MoeForCausalLM", "OlmoeForCausalLM")
"""Their neurons are in test_experts."""
WITH_NEURONS = [name for name in TINY if name not in (*EXPERTS, "MambaForCausalLM")]
LAST_MATRIX = {
    "GPT2LMHeadModel": "mlp.c_proj",
    "GPTNeoForCausalLM": "mlp.c_proj",
    "GPTJForCausalLM": "mlp.fc_out",
    "OPTForCausalLM": "fc2",
    "PhiForCausalLM": "mlp.fc2",
    "GPTNeoXForCausalLM": "mlp.dense_4h_to_h",
    "BloomForCausalLM": "mlp.dense_4h_to_h",
    "FalconForCausalLM": "mlp.dense_4h_to_h",
}
"""Names of the MLP's last matrix in a block; `mlp.down_proj` elsewhere."""

HALF = {"rtol": 1e-3, "atol": 2**-24}
"""What float16 keeps: 11 bits from 6e-5 upwards, and steps of 6e-8 below."""


@dataclass(frozen=True)
class Truth:
    """One text by the definition: CETT `[layer, pos, neuron]`, the stream after each block, the logits."""

    cett: np.ndarray
    stream: np.ndarray
    logits: np.ndarray


@cache
def truth(architecture: str, ids: tuple[int, ...]) -> Truth:
    """From plain torch hooks on the plain model, in float64; W_out as the module itself stores it."""
    hf = plain(architecture)
    blocks = max((m for m in hf.modules() if isinstance(m, torch.nn.ModuleList)), key=lambda m: len(list(m.modules())))
    shares: list[Tensor] = []
    stream: list[Tensor] = []

    def on_last_matrix(module: Any, args: tuple[Tensor]) -> None:
        z = args[0].reshape(-1, args[0].shape[-1]).double()
        rows = (module.weight if isinstance(module, Conv1D) else module.weight.T).double()  # one per neuron
        written = z.unsqueeze(-1) * rows  # token, neuron, d_model: what each neuron adds
        shares.append(written.norm(dim=-1) / written.sum(dim=1).norm(dim=-1, keepdim=True))

    def on_block(module: Any, args: Any, out: Any) -> None:
        stream.append((out[0] if isinstance(out, tuple) else out)[0])

    name = LAST_MATRIX.get(architecture, "mlp.down_proj")
    handles = [block.get_submodule(name).register_forward_pre_hook(on_last_matrix) for block in blocks]
    handles += [block.register_forward_hook(on_block) for block in blocks]
    with torch.no_grad():
        logits = hf(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    for handle in handles:
        handle.remove()
    return Truth(torch.stack(shares).numpy(), torch.stack(stream).numpy(), logits.double().numpy())


plain = cache(tiny_hf)


def fed_of(count: int, low: int = 7, high: int = 15, seed: int = 0) -> Fed:
    """Random texts, numbered 40, 39, …, with a question and an answer somewhere in each."""
    rng = np.random.default_rng(seed)
    rows, spans = [], {}
    for number, ids in zip(range(40, 40 - count, -1), random_texts(count, low, high, seed), strict=True):
        a, b, c, d = sorted(rng.choice(np.arange(1, len(ids) + 1), size=4, replace=False).tolist())
        rows.append(TokenSequence(number, number, 0, tuple(ids)))
        spans[number] = Span((a, b), (c, d))
    return Fed(rows, spans)


def measured(
    model: Model, fed: Fed, tokens: int = 40, rows: list[TokenSequence] | None = None, pad: int = 0
) -> Measured:
    """What `Meter.measure` gives, for rows of token ids: all layers of the stream, no prefix."""
    shape = model.shape
    answer, question = (np.full((len(fed.rows), shape.layers, shape.d_mlp), np.nan, np.float16) for _ in range(2))
    stream = np.full((len(fed.rows), shape.layers, shape.d_model), np.nan, np.float32)
    residual, uncertainty = ResidualMeans(model, fed.spans, stream), Uncertainty(fed.spans)
    listeners = [Contributions(model, fed.spans, answer, question), residual, uncertainty]
    observe(model, batches(rows or fed.rows, tokens, pad), listeners)
    said = (uncertainty.entropy, uncertainty.logprob, uncertainty.certainty)
    return Measured(answer, question, residual.means, *said, np.zeros(0))


def assert_measured(architecture: str, got: Measured, texts: list[tuple[int, ...]], spans: list[Span]) -> None:
    """Each row's numbers are those of the definition."""
    for row, (ids, span) in enumerate(zip(texts, spans, strict=True)):
        true = truth(architecture, ids)
        (a, b), (c, d) = span.question, span.answer
        np.testing.assert_allclose(got.answer[row], true.cett[:, c:d].mean(axis=1), **HALF)
        np.testing.assert_allclose(got.question[row], true.cett[:, a:b].mean(axis=1), **HALF)
        if len(got.residual[row]) == len(true.stream):
            np.testing.assert_allclose(got.residual[row], true.stream[:, c:d].mean(axis=1), rtol=1e-3, atol=1e-4)
        logp = true.logits - np.logaddexp.reduce(true.logits, axis=-1, keepdims=True)
        entropy = -(np.exp(logp[c - 1]) * logp[c - 1]).sum()
        assert got.entropy[row] == pytest.approx(entropy, rel=1e-3)
        from_uniform = -np.log(logp.shape[-1]) - logp[c - 1 : d - 1].mean()
        assert got.certainty[row] == pytest.approx(from_uniform, rel=1e-3, abs=1e-4)
        assert got.logprob[row] == pytest.approx(np.mean([logp[p - 1, ids[p]] for p in range(c, d)]), rel=1e-3)


# -- against the definition ------------------------------------------------------------------------------------------


def test_the_architectures_with_neurons_are_these() -> None:
    assert [name for name in TINY if name not in EXPERTS and loaded(name).shape.has("neuron")] == WITH_NEURONS


@pytest.mark.parametrize("architecture", architectures(WITH_NEURONS))
def test_measured_are_the_definitions_of_the_plain_modules_averaged_over_exactly_the_spans(architecture: str) -> None:
    model, fed = loaded(architecture), fed_of(5)
    texts = [row.ids for row in fed.rows]
    assert_measured(architecture, measured(model, fed), texts, list(fed.spans.values()))
    neurons = np.array([(layer, j) for layer in range(model.shape.layers) for j in (0, 5, model.shape.d_mlp - 1)])
    tokens = TokenContributions(model, fed.spans, neurons[::-1])
    observe(model, batches(fed.rows, 40), [tokens])
    for text, ids in zip(fed.spans, texts, strict=True):
        start, stop = fed.spans[text].answer
        expected = truth(architecture, ids).cett[neurons[::-1, 0], start:stop, neurons[::-1, 1]].T
        np.testing.assert_allclose(tokens.by_text[text], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("architecture", architectures(WITH_NEURONS))
def test_a_meters_rows_go_on_from_the_shared_prefix_and_measure_the_same(architecture: str) -> None:
    model = with_words(loaded(architecture))
    form = Form(shots=(("first", "one"),))
    decoder = Decoder(model, form.prefix(model.tokenizer))
    meter = Meter(model, form, decoder)
    questions = ["who ?", "why", "who came ?"]
    answers = [(50, 60), (33,), (20, 21)]
    fed = meter.feed(questions, answers)
    prompts = [form.prompt(model.tokenizer, question) for question in questions]
    whole = [(*prompt, *answer) for prompt, answer in zip(prompts, answers, strict=True)]
    prefix = len(form.prefix(model.tokenizer))
    assert (fed.prefix is not None) == (decoder.paths[0] == "shared")
    assert [row.ids for row in fed.whole()] == whole
    own = [Span((prefix, len(p) - 2), (len(p), len(w))) for p, w in zip(prompts, whole, strict=True)]
    words = [tuple(model.tokenizer(q, add_special_tokens=False)["input_ids"]) for q in questions]
    assert [w[slice(*span.question)] for w, span in zip(whole, own, strict=True)] == words
    got = meter.measure(fed)
    assert_measured(architecture, got, whole, own)
    assert got.tokens.tolist() == [2, 1, 2]
    for row, (ids, span) in enumerate(zip(whole, own, strict=True)):
        stream = truth(architecture, ids).stream
        np.testing.assert_allclose(
            got.residual[row], stream[:, slice(*span.answer)].mean(axis=1), rtol=1e-3, atol=1e-3 * np.abs(stream).max()
        )


def test_what_a_token_contributes_averages_to_what_the_answer_contributes(llama: Model) -> None:
    fed = fed_of(6)
    every = np.argwhere(np.ones((llama.shape.layers, llama.shape.d_mlp), bool))
    tokens = TokenContributions(llama, fed.spans, every)
    observe(llama, batches(fed.rows, 40), [tokens])
    means = np.stack([tokens.by_text[text].mean(axis=0) for text in fed.spans])
    np.testing.assert_allclose(measured(llama, fed).answer.reshape(6, -1), means, **HALF)


def test_float16_keeps_every_mean_to_a_thousandth_and_tiny_ones_to_its_smallest_step(llama: Model) -> None:
    fed = fed_of(8, 20, 60)
    answer = measured(llama, fed).answer.astype(np.float64)
    for row, (text, span) in enumerate(fed.spans.items()):
        ids = next(r.ids for r in fed.rows if r.text == text)
        exact = truth("LlamaForCausalLM", ids).cett[:, slice(*span.answer)].mean(axis=1)
        usual = exact > 2**-14
        assert usual.mean() > 0.9
        assert (np.abs(answer[row] / exact - 1)[usual] < 1e-3).all()
        assert (np.abs(answer[row] - exact)[~usual] < 2**-24).all()


# -- what must not matter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "BloomForCausalLM"])
def test_neither_batch_size_nor_order_nor_the_pad_token_changes_what_is_measured(architecture: str) -> None:
    model, fed = loaded(architecture), fed_of(8, 6, 30)
    one = measured(model, fed, tokens=1)
    for other in (
        measured(model, fed, tokens=8 * 30),
        measured(model, fed, tokens=90),
        measured(model, fed, tokens=90, rows=fed.rows[::-1]),
        measured(model, fed, tokens=8 * 30, pad=57),
    ):
        for name in ("answer", "question", "residual", "entropy", "logprob"):
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=2e-3, atol=1e-5, err_msg=name)


def test_the_order_of_the_spans_is_the_order_of_the_rows_measured(llama: Model) -> None:
    fed = fed_of(5)
    turned = Fed(fed.rows, dict(reversed(fed.spans.items())))
    for name in ("answer", "question", "residual", "entropy", "logprob"):
        assert (getattr(measured(llama, turned), name) == getattr(measured(llama, fed), name)[::-1]).all()


def one_batch(fed: Fed) -> Batch:
    return pad_rows(fed.rows)


def outside_spans(fed: Fed, batch: Batch) -> Tensor:
    """True at padding and at tokens of neither question nor answer."""
    outside = torch.ones_like(batch.real)
    for row, text in enumerate(batch.text.tolist()):
        outside[row, slice(*fed.spans[text].question)] = False
        outside[row, slice(*fed.spans[text].answer)] = False
    return outside


def test_no_token_outside_the_spans_counts_whatever_it_holds(llama: Model) -> None:
    fed = fed_of(5)
    batch, shape = one_batch(fed), llama.shape
    generator = torch.Generator().manual_seed(0)
    z, x = (torch.randn(*batch.ids.shape, size, generator=generator) for size in (shape.d_mlp, shape.d_model))
    results = []
    for poison in (0.0, float("nan"), float("inf")):
        answer, question = (np.zeros((5, shape.layers, shape.d_mlp), np.float16) for _ in range(2))
        stream = np.zeros((len(fed.spans), shape.layers, shape.d_model))
        shares, residual = Contributions(llama, fed.spans, answer, question), ResidualMeans(llama, fed.spans, stream)
        tokens = TokenContributions(llama, fed.spans, np.array([[1, 3], [1, 0]]))
        poisoned = z.masked_fill(outside_spans(fed, batch).unsqueeze(-1), poison)
        shares.update(batch, Site("neuron", 1), poisoned)
        tokens.update(batch, Site("neuron", 1), poisoned)
        residual.update(batch, Site("resid_post", 1), x.masked_fill(outside_spans(fed, batch).unsqueeze(-1), poison))
        results.append([answer, question, residual.means, *tokens.by_text.values()])
    for other in results[1:]:
        for array, again in zip(results[0], other, strict=True):
            assert np.isfinite(again).all()
            assert (array == again).all()
    assert (results[0][0][:, 1] > 0).all() and (results[0][0][:, [0, 2]] == 0).all()


def test_activations_are_not_written_to(llama: Model) -> None:
    fed = fed_of(3)
    batch = one_batch(fed)
    z = torch.randn(*batch.ids.shape, llama.shape.d_mlp)
    logits = torch.randn(*batch.ids.shape, llama.shape.vocab)
    kept = z.clone(), logits.clone()
    answer, question = (np.zeros((3, llama.shape.layers, llama.shape.d_mlp), np.float16) for _ in range(2))
    Contributions(llama, fed.spans, answer, question).update(batch, Site("neuron", 0), z)
    TokenContributions(llama, fed.spans, np.array([[0, 1]])).update(batch, Site("neuron", 0), z)
    Uncertainty(fed.spans).update(batch, Site("logits", llama.shape.layers), logits)
    assert torch.equal(z, kept[0]) and torch.equal(logits, kept[1])


# -- the formula -----------------------------------------------------------------------------------------------------


def by_formula(z: Tensor, w_out: Tensor) -> Tensor:
    return cett(z, w_out, w_out.norm(dim=1))


def test_a_share_by_hand() -> None:
    w_out = torch.tensor([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]])  # lengths 5, 2, 1
    shares = by_formula(torch.tensor([[2.0, -3.0, 0.0]]), w_out)  # the output is (6, 8 - 6)
    torch.testing.assert_close(shares, torch.tensor([[10.0, 6.0, 0.0]]) / 40**0.5)


def test_a_lone_neurons_share_is_1_and_scaling_all_neurons_changes_no_share() -> None:
    w_out, z = torch.randn(6, 4), torch.randn(3, 6)
    lone = torch.zeros(1, 6).index_fill(1, torch.tensor([2]), -7.0)
    torch.testing.assert_close(by_formula(lone, w_out)[0], torch.eye(6)[2])
    torch.testing.assert_close(by_formula(1000 * z, w_out), by_formula(z, w_out))
    torch.testing.assert_close(by_formula(z, 1000 * w_out), by_formula(z, w_out))


CANCELLED = pytest.param(
    torch.tensor([[1.0, 1.0]]),
    torch.tensor([[1.0, 2.0], [-1.0, -2.0]]),
    id="neurons that cancel",
)


@pytest.mark.parametrize(
    ("z", "w_out"),
    [
        pytest.param(torch.zeros(1, 2), torch.ones(2, 2), id="no neuron fires"),
        pytest.param(torch.ones(1, 2), torch.zeros(2, 2), id="nothing is written"),
        CANCELLED,
    ],
)
def test_where_the_mlps_output_is_zero_every_share_is_zero(z: Tensor, w_out: Tensor) -> None:
    assert (by_formula(z, w_out) == 0).all()


def test_an_mlp_that_writes_nothing_measures_zero_and_not_nan(llama: Model) -> None:
    fed = fed_of(3)
    point = llama.bridge.blocks[1].mlp.out.hook_in
    handle = point.add_hook(lambda x, hook: torch.zeros_like(x))
    try:
        got = measured(llama, fed)
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)
    assert (got.answer[:, 1] == 0).all() and (got.question[:, 1] == 0).all()
    assert (got.answer[:, 0] > 0).any()


def test_a_uniform_model_doubts_as_much_as_can_be_and_a_certain_one_not_at_all() -> None:
    spans = {0: Span((0, 1), (2, 4))}
    batch = pad_rows([TokenSequence(0, 0, 0, (5, 6, 7, 8))])
    flat, sure = Uncertainty(spans), Uncertainty(spans)
    site = Site("logits", 3)
    flat.update(batch, site, torch.zeros(1, 4, 101))
    assert (flat.entropy[0], flat.logprob[0]) == pytest.approx((np.log(101), -np.log(101)), rel=1e-6)
    logits = torch.zeros(1, 4, 101)
    logits[0, 1, 7] = logits[0, 2, 8] = 200.0  # what follows positions 1 and 2
    sure.update(batch, site, logits)
    assert (sure.entropy[0], sure.logprob[0]) == pytest.approx((0.0, 0.0), abs=1e-6)


# -- the meter -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def meter() -> Meter:
    return Meter(with_words(loaded("GPT2LMHeadModel")), Form())


def test_arrays_on_disk_hold_what_arrays_in_memory_hold(meter: Meter, tmp_path: Path) -> None:
    fed = meter.feed(["who was it ?", "why ?", "where was it then ?"], [(50, 60, 70), (33,), (20, 21)])
    memory, disk = meter.measure(fed), meter.measure(fed, tmp_path)
    assert isinstance(disk.answer, np.memmap)
    for name in ("answer", "question"):
        array = getattr(memory, name)
        assert array.dtype == np.float16
        assert (array > 0).any(axis=(1, 2)).all()
        assert (getattr(disk, name) == array).all()
        getattr(disk, name).flush()
        assert (np.load(tmp_path / f"{name}.npy") == array).all()
    for name in ("residual", "entropy", "logprob", "tokens"):
        assert (getattr(memory, name) == getattr(disk, name)).all()


def test_progress_counts_the_tokens_that_were_run(meter: Meter) -> None:
    fed = meter.feed(["who was it ?", "why ?"], [(50, 60, 70), (33,)])
    done: list[int] = []
    meter.measure(fed, task=counting(done))
    assert sum(done) == sum(len(row.ids) for row in fed.rows)


def test_an_answer_without_tokens_is_refused_by_its_number(meter: Meter) -> None:
    with pytest.raises(InputError, match="Answer 1 has no tokens, so nothing can be measured"):
        meter.feed(["who ?", "why ?"], [(50,), ()])


@pytest.mark.parametrize(
    "architecture",
    [
        "MistralForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma2ForCausalLM",
        "GPTNeoForCausalLM",
    ],
)
def test_a_row_longer_than_the_window_is_measured_as_well(architecture: str) -> None:
    model, form = with_words(loaded(architecture)), Form(shots=(("first", "one"),))
    question, answer = " ".join(f"word{n}" for n in range(12)), (50, 60)
    meter = Meter(model, form)
    prompt = form.prompt(model.tokenizer, question)
    got = meter.measure(meter.feed([question], [answer]))
    prefix = len(form.prefix(model.tokenizer))
    span = Span((prefix, len(prompt) - 2), (len(prompt), len(prompt) + 2))
    assert_measured(architecture, got, [(*prompt, *answer)], [span])

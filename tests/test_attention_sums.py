"""What a pattern adds up to, from a kernel alone, as accelerators take it; here from the CPU's kernel."""

from typing import Any

import numpy as np
import pytest
import torch
from attention_laws import CASES, TEXTS, Case, backend_as, check_kernel, check_scans, check_sums, tensors
from fixtures_tiny import architectures, loaded

from inspector.detectors.sinks.detector import Sinks
from inspector.models import Backend, attention_kernels, attention_tiles
from inspector.models.attention import AttentionInputs, StreamedAttention, attend
from inspector.models.attention_identities import in_parts
from inspector.models.attention_kernels import cpu_kernel, cuda_kernel, kernel_of
from inspector.testing import TINY, measure, random_texts

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
NO_SUMS = {"GPTJForCausalLM", "GPTNeoForCausalLM", "BloomForCausalLM", "FalconForCausalLM", "Gemma2ForCausalLM"}
"""Their attention is read as whole patterns, or has soft caps."""
WITH_SUMS = [name for name in TINY if name not in {*NO_SUMS, "MambaForCausalLM"}]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kernel_gives_attention_and_its_log_sum_exp(case: Case, dtype: torch.dtype) -> None:
    check_kernel(cpu_kernel, case, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_received_attention_and_entropy_are_those_of_the_pattern(case: Case, dtype: torch.dtype) -> None:
    check_sums(cpu_kernel, case, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numbers_in_parts_lose_no_more_than_float32_does(dtype: torch.dtype) -> None:
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 40
    parts = in_parts(x, dtype)
    assert parts.dtype == dtype
    torch.testing.assert_close(parts.double().sum(dim=-1), x.double(), rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("architecture", architectures(WITH_SUMS))
def test_a_scan_by_sums_finds_what_a_scan_by_tiles_finds(architecture: str) -> None:
    check_scans(loaded(architecture), cpu_kernel)


def test_a_scan_by_sums_computes_the_first_64_queries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tile, computed = attention_tiles.ScoreTiles.tile, set()

    def noted(self: Any, start: int) -> torch.Tensor:
        computed.add(start)
        return tile(self, start)

    monkeypatch.setattr(attention_tiles.ScoreTiles, "tile", noted)
    with backend_as(sums=cpu_kernel):
        measure(Sinks(), loaded("LlamaForCausalLM"), random_texts(1, 200, 200))
    assert computed == {0}


@pytest.mark.parametrize("architecture", sorted(NO_SUMS))
def test_where_sums_cannot_be_taken_tiles_are_and_nothing_changes(architecture: str) -> None:
    model, texts = loaded(architecture), TEXTS[:2]
    usual = measure(Sinks(), model, texts)
    with backend_as(sums=cpu_kernel):
        got = measure(Sinks(), model, texts)
    for name, values in usual.arrays.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def inputs_of(**changes: Any) -> AttentionInputs:
    query, key, value = tensors(Case(), torch.float32)
    return AttentionInputs(query, key, value, **{"mask": None, "scale": 0.25, **changes})


SEEN = torch.ones(100, 100, dtype=torch.bool).tril()[None, None]


@pytest.mark.parametrize(
    ("changes", "taken"),
    [({}, True), ({"sink": torch.ones(4)}, True), ({"softcap": 2.0}, False), ({"mask": SEEN}, False)],
    ids=["causal", "a learned sink", "a soft cap", "a mask"],
)
def test_only_causal_attention_without_soft_caps_has_its_sums_from_a_kernel(
    changes: dict[str, Any], taken: bool
) -> None:
    inputs, real, calls = inputs_of(**changes), torch.ones(2, 100, dtype=torch.bool), []

    def kernel(*given: Any, **options: Any) -> Any:
        calls.append(given)
        return cpu_kernel(*given, **options)

    streamed = StreamedAttention(inputs, attend(inputs)[1])
    streamed.sums(real)
    with backend_as(sums=kernel):
        assert not calls
        (*_, last) = streamed.blocks(real)
        assert not calls  # nobody has asked
        assert last.sums is last.sums
    assert len(calls) == 2 * taken


@pytest.mark.parametrize("width", [16, 8], ids=["values as wide", "narrower values"])
def test_a_learned_sink_only_scales_a_kernels_output_down(width: int) -> None:
    inputs = inputs_of(sink=torch.tensor([0.0, 3.0, 20.0, -50.0]))
    inputs = AttentionInputs(inputs.query, inputs.key, inputs.value[..., :width], None, 0.25, None, inputs.sink)
    expected = attend(inputs)
    with backend_as(sums=cpu_kernel):
        for got, other in zip(attend(inputs), expected, strict=True):
            torch.testing.assert_close(got, other, rtol=1e-4, atol=1e-5)


def test_a_text_with_a_number_that_is_not_finite_is_skipped_alone() -> None:
    model = loaded("LlamaForCausalLM")
    point = model.bridge.blocks[0].hook_out

    def poison(x: torch.Tensor, hook: object) -> torch.Tensor:
        x = x.clone()
        x[0, 30, 4] = float("nan")
        return x

    with backend_as(sums=cpu_kernel):
        usual = measure(Sinks(), model, random_texts(3, 70, 70))
        point.add_hook(poison)
        try:
            got = measure(Sinks(), model, random_texts(3, 70, 70))
        finally:
            point.remove_hooks()
    assert got["skipped"].tolist() == [0, 1, 1]
    np.testing.assert_allclose(got["entropy"][1:], usual["entropy"][1:], rtol=1e-5)
    assert np.isnan(got["entropy"][0, 1:]).all()


def test_a_cpu_takes_its_sums_from_tiles_and_a_device_without_a_kernel_has_none() -> None:
    assert Backend.of("cpu").sums is None and Backend.of("cpu").kernel is cpu_kernel
    assert kernel_of(torch.device("meta")) is None
    assert kernel_of(torch.device("cuda")) is None or torch.cuda.is_available()


@pytest.mark.parametrize("new", [True, False], ids=["a card with flash kernels", "an older one"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("masked", [False, True], ids=["causal", "masked"])
def test_cudas_kernels_take_what_they_are_given(
    dtype: torch.dtype, masked: bool, new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their declared shapes, which torch knows without CUDA; `tests/gpu` runs them."""
    monkeypatch.setattr(attention_kernels, "flash_runs", lambda device: new)
    query, key = (torch.empty(2, heads, 37, 20, device="meta", dtype=dtype) for heads in (4, 2))
    mask = torch.ones(1, 1, 37, 37, dtype=torch.bool, device="meta") if masked else None
    out, lse = cuda_kernel(query, key, key, 0.3, causal=not masked, mask=mask)
    assert (out.shape, out.dtype) == (query.shape, dtype)
    assert (lse.shape, lse.dtype) == (query.shape[:3], torch.float32)

"""The laws of attention, and whole scans, on CUDA: `make test-gpu`, where a card that is missing is a failure."""

import os

import pytest
import torch
from attention_laws import CASES, Case, backend_as, check_kernel, check_scans, check_sums
from fixtures_devices import same
from fixtures_tiny import architectures
from test_attention_sums import DTYPES, WITH_SUMS
from test_precision import NAMES

from benchmarks.precision import DTYPES as HALVES
from benchmarks.precision import difference, tiny_report
from inspector import examine
from inspector.detectors.sinks.detector import Sinks
from inspector.models import Backend, attention_tiles, load_model
from inspector.models.attention_kernels import cuda_kernel
from inspector.testing import TINY, measure, random_texts, tiny_hf

if not torch.cuda.is_available():
    if os.environ.get("INSPECTOR_GPU"):
        pytest.fail("torch sees no CUDA here, and `make test-gpu` is for machines with it.", pytrace=False)
    pytest.skip("no CUDA here: `make test-gpu` runs these where there is", allow_module_level=True)

SIZES = ((64, 1000), (128, 500), (256, 200))
WIDE = [*CASES, *(Case(width=width, length=length, scale=width**-0.5) for width, length in SIZES)]
WITH_ATTENTION = [name for name in TINY if name != "MambaForCausalLM"]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", WIDE, ids=str)
def test_a_kernel_gives_attention_and_its_log_sum_exp(case: Case, dtype: torch.dtype) -> None:
    check_kernel(cuda_kernel, case, dtype, "cuda")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", WIDE, ids=str)
def test_received_attention_and_entropy_are_those_of_the_pattern(case: Case, dtype: torch.dtype) -> None:
    check_sums(cuda_kernel, case, dtype, "cuda")


@pytest.mark.parametrize("architecture", architectures(WITH_SUMS))
def test_a_scan_by_sums_finds_what_a_scan_by_tiles_finds(architecture: str) -> None:
    check_scans(load_model(tiny_hf(architecture), device="cuda"), cuda_kernel, rtol=1e-3)


@pytest.mark.parametrize("architecture", architectures(WITH_ATTENTION))
def test_a_scan_on_cuda_finds_what_a_scan_on_a_cpu_finds(architecture: str) -> None:
    texts = random_texts(6, 20, 90)
    here, there = (examine(load_model(tiny_hf(architecture), device=device), texts) for device in ("cpu", "cuda"))
    same(there, here)


@pytest.mark.parametrize("name", architectures(NAMES))
def test_a_16_bit_scan_on_cuda_has_the_findings_of_float32_on_a_cpu(name: str) -> None:
    float32 = tiny_report(name)
    for dtype in HALVES.values():
        found = difference(float32, tiny_report(name, dtype, "cuda"))
        assert found.kept == found.findings and not found.new
        assert found.largest < 0.01 and found.received < 0.002 and found.entropy < 0.01


def test_cuda_takes_its_sums_from_its_kernel_and_no_pattern_past_the_first_64_queries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Backend.of("cuda").kernel is cuda_kernel and Backend.of("cuda").sums is cuda_kernel
    tile, computed = attention_tiles.ScoreTiles.tile, set()

    def noted(self: attention_tiles.ScoreTiles, start: int) -> torch.Tensor:
        computed.add(start)
        return tile(self, start)

    monkeypatch.setattr(attention_tiles.ScoreTiles, "tile", noted)
    model = load_model(tiny_hf("LlamaForCausalLM"), device="cuda")
    measure(Sinks(), model, random_texts(1, 200, 200))
    assert computed == {0}
    with backend_as(sums=None):
        measure(Sinks(), model, random_texts(1, 200, 200))
    assert len(computed) > 1

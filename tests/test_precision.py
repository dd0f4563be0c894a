"""16-bit scans of tiny models, whose attention is added up as on accelerators, have the findings of float32."""

import pytest

from benchmarks.precision import DTYPES, difference, tiny_report
from inspector.testing import TINY

REFUSED, OVERFLOWING = "Olmo2ForCausalLM", "MambaForCausalLM"
"""TransformerLens' attention of the first mixes dtypes; the second's stream is past float16's largest number."""
NAMES = [name for name in TINY if name not in (REFUSED, OVERFLOWING)]
FAST = ("LlamaForCausalLM", "GptOssForCausalLM")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in NAMES])
def test_a_16_bit_scan_has_float32s_findings(name: str) -> None:
    float32 = tiny_report(name)
    assert len(float32.findings) >= 2
    for dtype in DTYPES.values():
        found = difference(float32, tiny_report(name, dtype))
        assert found.kept == found.findings and not found.new
        assert found.largest < 0.01 and found.received < 0.002 and found.entropy < 0.01

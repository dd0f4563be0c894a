"""The streamed kernels against attention written out in full."""

import pytest
import torch
from attention_laws import backend_as, check_sums_of
from torch import Tensor

from inspector.models import Backend
from inspector.models.attention import (
    AttentionInputs,
    StreamedAttention,
    WholeAttention,
    attend,
    attend_by_fused,
    attend_by_kernel,
    attend_part,
    attend_part_in_full,
)
from inspector.models.attention_kernels import cpu_kernel
from inspector.models.attention_tiles import tile_rows


def inputs_of(
    *, kv_heads: int = 2, length: int = 100, mask: str = "causal", softcap: float | None = None, sink: bool = False
) -> AttentionInputs:
    torch.manual_seed(0)
    batch, heads, d = 2, 4, 8
    allowed = None
    if mask == "window":
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        allowed = ((distance >= 0) & (distance < 9)).expand(batch, 1, -1, -1)
    return AttentionInputs(
        query=3 * torch.randn(batch, heads, length, d),
        key=torch.randn(batch, kv_heads, length, d),
        value=torch.randn(batch, kv_heads, length, d),
        mask=allowed,
        scale=0.3,
        softcap=softcap,
        sink=torch.randn(heads) if sink else None,
    )


def in_full(inputs: AttentionInputs) -> tuple[Tensor, Tensor]:
    """(output, pattern), as the textbook has it."""
    group = inputs.query.shape[1] // inputs.key.shape[1]
    key, value = inputs.key.repeat_interleave(group, 1), inputs.value.repeat_interleave(group, 1)
    scores = inputs.query @ key.transpose(-1, -2) * inputs.scale
    if inputs.softcap:
        scores = inputs.softcap * torch.tanh(scores / inputs.softcap)
    length = scores.shape[-1]
    allowed = torch.ones(length, length, dtype=torch.bool).tril() if inputs.mask is None else inputs.mask
    scores = scores.masked_fill(~allowed, float("-inf"))
    if inputs.sink is not None:
        column = inputs.sink.view(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        pattern = torch.cat([scores, column], dim=-1).softmax(dim=-1)[..., :-1]
    else:
        pattern = scores.softmax(dim=-1)
    return pattern @ value, pattern


KINDS = [
    {},
    {"kv_heads": 4},
    {"mask": "window"},
    {"softcap": 2.0},
    {"sink": True},
    {"sink": True, "softcap": 2.0, "mask": "window"},
    {"length": 7},
    {"length": 64},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_output_and_tiles_equal_attention_in_full(kind: dict[str, object]) -> None:
    inputs = inputs_of(**kind)  # type: ignore[arg-type]
    out, lse = attend(inputs)
    expected, pattern = in_full(inputs)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    real = torch.ones(inputs.query.shape[0], inputs.query.shape[2], dtype=torch.bool)
    for block in StreamedAttention(inputs, lse).blocks(real):
        torch.testing.assert_close(
            block.pattern, pattern[:, :, block.start : block.stop, : block.stop], rtol=1e-4, atol=1e-5
        )
        if inputs.sink is not None:
            assert block.sink_mass is not None
            torch.testing.assert_close(block.pattern.sum(-1) + block.sink_mass, torch.ones_like(block.sink_mass))


PLAIN = [kind for kind in KINDS if not {"softcap", "sink"} & set(kind)]


@pytest.mark.parametrize("kind", PLAIN, ids=str)
def test_without_a_kernel_the_log_sum_exp_is_computed_and_the_output_is_the_same(kind: dict[str, object]) -> None:
    inputs = inputs_of(**kind)  # type: ignore[arg-type]
    out, lse = attend_by_kernel(inputs, cpu_kernel)
    again, lse_again = attend_by_fused(inputs)
    torch.testing.assert_close(again, out)
    torch.testing.assert_close(lse_again, lse)


@pytest.mark.parametrize("causal", [False, True])
def test_without_a_kernel_a_part_of_the_keys_gives_the_same(causal: bool) -> None:
    inputs = inputs_of(length=20)
    part = (inputs.query, inputs.key, inputs.value, inputs.scale)
    for got, expected in zip(attend_part_in_full(*part, causal=causal), attend_part(*part, causal=causal), strict=True):
        torch.testing.assert_close(got, expected)


def test_padding_has_no_probability_and_blocks_never_straddle_token_64() -> None:
    inputs = inputs_of()
    _, lse = attend(inputs)
    real = torch.ones(2, 100, dtype=torch.bool)
    real[1, 30:] = False
    with backend_as(tile_bytes=4 * 8 * 16 * 100):
        blocks = list(StreamedAttention(inputs, lse).blocks(real))
    assert all(64 % block.log_pattern.shape[2] == 0 for block in blocks[:-1])
    received = sum(block.pattern[1, :, :, 0].sum() for block in blocks)
    alone = in_full(inputs)[1][1, :, :30, 0].sum()
    torch.testing.assert_close(received, alone, rtol=1e-4, atol=1e-5)
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]


def test_a_whole_pattern_gives_the_same_blocks_as_the_streamed_one() -> None:
    inputs = inputs_of()
    _, lse = attend(inputs)
    real = torch.ones(2, 100, dtype=torch.bool)
    norms = torch.zeros(2, 4, 100)
    pairs = zip(
        StreamedAttention(inputs, lse).blocks(real), WholeAttention(in_full(inputs)[1], norms).blocks(real), strict=True
    )
    for one, other in pairs:
        torch.testing.assert_close(one.pattern, other.pattern, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4 * 100 * 100 * 3, 8 << 20], ids=["a head", "three heads", "all at once"])
@pytest.mark.parametrize("kind", [*KINDS, {"length": 1}, {"length": 2}, {"length": 200}], ids=str)
def test_sums_are_those_of_the_pattern_however_many_heads_are_summed_together(
    kind: dict[str, object], size: int
) -> None:
    inputs = inputs_of(**kind)  # type: ignore[arg-type]
    length = inputs.query.shape[2]
    real = torch.ones(2, length, dtype=torch.bool)
    real[1, (length + 1) // 2 :] = False
    pattern = (in_full(inputs)[1] * real[:, None, :, None]).double()
    with backend_as(summed_bytes=size):
        streamed = StreamedAttention(inputs, attend(inputs)[1]).sums(real)
        (*_, last) = WholeAttention(in_full(inputs)[1], torch.zeros(2, 4, length)).blocks(real)
        for sums in (streamed, last.sums):
            check_sums_of(pattern, real, sums, {"rtol": 1e-4, "atol": 1e-5})


def test_a_tile_never_holds_the_whole_pattern_of_a_long_text() -> None:
    assert tile_rows(32, 4096, Backend.of("cpu").tile_bytes) == 8
    assert tile_rows(9, 64, Backend.of("cpu").tile_bytes) == 64

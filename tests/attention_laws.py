"""What attention kernels and the sums taken from them must be, on any device: beside float64, and whole scans."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inspector.detectors.sinks.detector import Sinks
from inspector.detectors.sinks.thresholds import Thresholds
from inspector.models import Backend, Model
from inspector.models.attention_identities import sums_by_kernel
from inspector.models.attention_kernels import Kernel
from inspector.models.attention_sums import AttentionSums
from inspector.testing import measure, random_texts

TEXTS = random_texts(6, 20, 90)
ROUNDING = {torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}


@dataclass(frozen=True)
class Case:
    """Sizes of one attention; `shared` lies in a dim of all keys, as in trained models."""

    heads: int = 4
    kv_heads: int = 2
    length: int = 100
    width: int = 16
    scale: float = 0.25
    shared: float = 8.0


CASES = [
    Case(),
    Case(kv_heads=1),
    Case(kv_heads=4, length=300),
    Case(width=20, scale=0.3),
    Case(length=1),
    Case(length=2),
]


def tensors(case: Case, dtype: torch.dtype, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values; key 0 gets most of the attention of some heads."""
    make = torch.Generator().manual_seed(0)
    query = 2 * torch.randn(2, case.heads, case.length, case.width, generator=make)
    key, value = torch.randn(2, 2, case.kv_heads, case.length, case.width, generator=make)
    key[..., 3] += case.shared
    query[..., 5], key[:, :, 0, 5] = 4.0, 12.0
    return tuple(x.to(device, dtype) for x in (query, key, value))  # type: ignore[return-value]


def in_float64(query: Tensor, key: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """(pattern, log-sum-exp), as the textbook has it."""
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = scale * query.double() @ key.double().transpose(-1, -2)
    length = scores.shape[-1]
    causal = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    scores = scores.masked_fill(~causal, float("-inf"))
    return scores.softmax(dim=-1), scores.logsumexp(dim=-1)


def entropy_of(pattern: Tensor) -> Tensor:
    return -torch.special.xlogy(pattern, pattern).sum(dim=-1)


def check_kernel(kernel: Kernel, case: Case, dtype: torch.dtype, device: str = "cpu") -> None:
    """Its output and log-sum-exp are those of attention written out, with a causal mask, with another and with none."""
    query, key, value = tensors(case, dtype, device)
    pattern, lse = in_float64(query, key, case.scale)
    values = value.repeat_interleave(case.heads // case.kv_heads, dim=1).double()
    loose = 4 * ROUNDING[dtype]
    allowed = torch.ones(case.length, case.length, dtype=torch.bool, device=device).tril()[None, None]
    for how in ({"causal": True}, {"mask": allowed}):
        out, got = kernel(query, key, value, case.scale, **how)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), pattern @ values, rtol=loose + 1e-5, atol=loose + 1e-5)
        torch.testing.assert_close(got.double(), lse, rtol=1e-5, atol=2e-4)
    _, whole = kernel(query[:, :, :1], key, value, case.scale)
    assert whole.shape == (2, case.heads, 1)


def check_sums(kernel: Kernel, case: Case, dtype: torch.dtype, device: str = "cpu") -> None:
    """The two identities, beside float64; the second text ends half way."""
    query, key, value = tensors(case, dtype, device)
    real = torch.ones(2, case.length, dtype=torch.bool, device=device)
    real[1, (case.length + 1) // 2 :] = False
    _, lse = kernel(query, key, value, case.scale, causal=True)
    sums = sums_by_kernel(query, key, lse.float(), real, case.scale, kernel)
    pattern = in_float64(query, key, case.scale)[0] * real[:, None, :, None]
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-3, "atol": 1e-4}
    # A 16-bit mean of keys is rounded; over a text's queries most of that averages out.
    check_sums_of(pattern, real, sums, close, 20 * ROUNDING[dtype] + 1e-4)


def check_sums_of(
    pattern: Tensor, real: Tensor, sums: AttentionSums, close: dict[str, float], loose: float = 1e-4
) -> None:
    """They are what this pattern, 0 at padding, adds up to; entropies may be `loose`."""
    torch.testing.assert_close(sums.received.double(), pattern.sum(dim=2), **close)
    own = pattern.diagonal(dim1=2, dim2=3)
    torch.testing.assert_close(sums.own.double(), own, **close)
    rest = pattern[..., 1:].sum(dim=-1, keepdim=True).clamp(min=1e-300)
    later = (torch.arange(pattern.shape[-1], device=pattern.device) > 0) * real[:, None]
    torch.testing.assert_close(sums.own_rest.double(), own / rest[..., 0] * later, **close)
    for got, expected in (
        (sums.entropy, entropy_of(pattern)),
        (sums.entropy_rest, entropy_of(pattern[..., 1:] / rest) * later),
    ):
        torch.testing.assert_close(got.double(), expected, rtol=loose, atol=loose)
        mean = (got.double().mean(dim=-1), expected.mean(dim=-1))
        torch.testing.assert_close(*mean, rtol=loose / 8, atol=loose / 8)


@contextmanager
def backend_as(**changes: Any) -> Iterator[None]:
    """Every device's backend with these fields changed while the context lasts."""
    real = Backend.of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backend, "of", lambda device: replace(real(device), **changes))
        yield


def check_scans(model: Model, kernel: Kernel, *, rtol: float = 2e-4) -> None:
    """A scan whose sums come from the kernel has the evidence and the findings of one that computes tiles."""
    detector, thresholds = Sinks(), Thresholds(epsilon=0.1)
    with backend_as(sums=None):
        tiles = measure(detector, model, TEXTS)
    with backend_as(sums=kernel):
        sums = measure(detector, model, TEXTS)
    findings = [[(f.kind, f.layer, f.unit) for f in detector.judge(e, {}, thresholds)] for e in (tiles, sums)]
    assert findings[0] == findings[1]
    for name, values in tiles.arrays.items():
        if values.dtype.kind == "f":
            scale = np.nanmax(np.abs(values), initial=0.0)
            np.testing.assert_allclose(sums[name], values, rtol=rtol, atol=2e-5 * scale, err_msg=name)
        else:  # the strongest of two keys that tie may be the other one
            assert (sums[name] != values).mean() <= 0.01, name

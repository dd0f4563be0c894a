"""A device without float64, as Apple's: everything runs on it, and finds what is found elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import loaded, with_words
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from inspector import examine
from inspector.analyses.neurons import describe_neurons
from inspector.batches import batches, tokenise
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.answers.samplers import Member
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.interventions.means import means
from inspector.interventions.values import Target
from inspector.models import Backend, Model, load_model
from inspector.sites import Site
from inspector.testing.planted import planted_model, random_texts

TEXTS = random_texts(6, 20, 60)
CPU = Backend.of("cpu")


class WithoutFloat64(TorchDispatchMode):
    """Fails, as a device without float64 does, wherever a tensor of it comes about."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        taken_in = func is torch.ops.aten.lift_fresh.default  # numbers given to torch, which are on the CPU
        if not taken_in and any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in tree_leaves(out)):
            raise TypeError(f"{func}: Cannot convert a tensor to float64 dtype as this device doesn't support float64.")
        return out


@contextmanager
def without_float64(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> Iterator[None]:
    with monkeypatch.context() as patched, WithoutFloat64():
        patched.setattr(Backend, "of", lambda device: backend)
        yield


POOR = replace(CPU, accumulate=torch.float32)
SUMMING = replace(POOR, sums=CPU.kernel)
ELSEWHERE = replace(POOR, kernel=None, batch_tokens=16384)


@pytest.fixture(scope="module")
def planted() -> Model:
    return planted_model(seed=3)


@pytest.mark.parametrize(
    "backend",
    [POOR, SUMMING, ELSEWHERE],
    ids=["without float64", "and with sums from a kernel", "and without a kernel that gives its log-sum-exp"],
)
def test_a_scan_without_float64_finds_the_same(
    planted: Model, monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> None:
    usual = examine(planted, TEXTS)
    with without_float64(monkeypatch, backend):
        got = examine(planted, TEXTS)
    assert [(f.kind, f.layer, f.unit, f.verdict) for f in got.findings] == [
        (f.kind, f.layer, f.unit, f.verdict) for f in usual.findings
    ]
    for name, evidence in usual.evidence.items():
        for array, values in evidence.arrays.items():
            if values.dtype.kind == "f":
                scale = np.nanmax(np.abs(values), initial=0.0)
                np.testing.assert_allclose(
                    got.evidence[name][array], values, rtol=2e-4, atol=1e-5 * scale, err_msg=f"{name}.{array}"
                )


def test_a_mean_without_float64_is_the_same_but_for_rounding(planted: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tokenise(None, TEXTS, bos=None, window=256)
    targets = [Target(Site("mlp_out", 1)), Target(Site("resid_post", 2), (0, 3), (0, 5))]
    usual = means(planted, batches(rows, 100), targets)
    with monkeypatch.context() as patched:  # what is summed on on the CPU is float64 there too
        patched.setattr(Backend, "of", lambda device: POOR)
        got = means(planted, batches(rows, 100), targets)
    for one, other in zip(got, usual, strict=True):
        np.testing.assert_allclose(one.value, other.value, rtol=1e-4, atol=1e-6)
        assert one.n == other.n


def test_neurons_are_described_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    texts = [" ".join(f"word{n}{k}" for k in range(12)) for n in range(9)]
    usual = describe_neurons(model, [(1, 2)], texts=texts)
    with without_float64(monkeypatch, POOR):
        got = describe_neurons(model, [(1, 2)], texts=texts)
    assert str(got).split()[:8] == str(usual).split()[:8]


def test_answers_are_drawn_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    questions = [Question("a", "what is it ?", ()), Question("b", "who is it ?", ())]
    with without_float64(monkeypatch, POOR):
        answers = Asker(model, Form(), Sampling(samples=3, longest=5)).ask(questions)
    assert [len(one.answers) for one in answers] == [4, 4]


def test_a_draw_that_rounds_to_one_takes_a_token_that_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member("top-p", 1.0, top_p=0.5)
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    with without_float64(monkeypatch, POOR):
        chosen = member.draw(logits, torch.tensor([1.0]))
    assert int(chosen) == 0


def test_what_a_device_knows_is_found_by_trying() -> None:
    assert CPU.accumulate == torch.float64
    assert Backend.of("meta").accumulate == torch.float64
    with WithoutFloat64():
        assert Backend.of.__wrapped__("meta").accumulate == torch.float32


def test_cpu_zero_is_a_cpu() -> None:
    assert load_model(loaded("LlamaForCausalLM").bridge, device="cpu:0").card["dtype"] == "float32"
    assert Backend.named("cpu:0").weights == torch.float32

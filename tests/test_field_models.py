"""Models as they come: scaled logits, bridges that were changed, attention that looks ahead, several threads."""

import copy
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from fixtures_tiny import made
from transformer_lens.model_bridge import TransformerBridge

from inspector import examine
from inspector.batches import TokenSequence, pad_rows, tokenise
from inspector.errors import ModelError
from inspector.models import Model, hooks_inside_attention, load_model
from inspector.models.observe import observe
from inspector.sites import Site
from inspector.testing import random_texts, tiny_hf, tiny_model
from inspector.verification.text_bench import TextBench

SMALL = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256}
TEXTS = random_texts(4, 20, 60)


SCALED = {
    "Granite": lambda: transformers.GraniteConfig(**SMALL, **without("head_dim"), logits_scaling=8.0),
    "GraniteMoe": lambda: transformers.GraniteMoeConfig(
        **SMALL, **without("head_dim"), logits_scaling=8.0, num_local_experts=2, num_experts_per_tok=1
    ),
    "Cohere": lambda: transformers.CohereConfig(**SMALL, **without("head_dim"), logit_scale=0.0625),
    "Cohere2": lambda: transformers.Cohere2Config(**SMALL, **without("head_dim"), logit_scale=0.0625),
    "Gemma2": lambda: transformers.Gemma2Config(**SMALL, **HEADS, final_logit_softcapping=2.0),
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in HEADS.items() if key != name}


@pytest.mark.parametrize("family", SCALED)
def test_losses_are_those_of_the_logits_that_the_model_returns(family: str) -> None:
    hf = made(SCALED[family](), size=6.0)
    with torch.no_grad():
        logits = [hf(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1] for ids in TEXTS]
    want = [
        float(torch.nn.functional.cross_entropy(x, torch.tensor(ids[1:]))) for x, ids in zip(logits, TEXTS, strict=True)
    ]
    bench = TextBench(load_model(hf, device="cpu"), tokenise(None, TEXTS, bos=None, window=512))
    found = bench.outcome((), ["loss", "kl"])
    np.testing.assert_allclose(found["loss"], want, rtol=1e-4)
    np.testing.assert_allclose(found["kl"], 0.0, atol=1e-6)


# -- bridges that were changed ---------------------------------------------------------------------------------------


def bridge_of(architecture: str = "GPT2LMHeadModel") -> TransformerBridge:
    return tiny_model(architecture).bridge


def fold(bridge: TransformerBridge) -> None:
    bridge.enable_compatibility_mode(disable_warnings=True)


@pytest.mark.parametrize("change", [fold, lambda bridge: bridge.process_weights(fold_ln=True)])
@pytest.mark.parametrize("architecture", ["GPT2LMHeadModel", "LlamaForCausalLM"])
def test_a_bridge_with_folded_weights_is_refused_in_one_line(
    architecture: str, change: Callable[[TransformerBridge], None]
) -> None:
    bridge = bridge_of(architecture)
    change(bridge)
    with pytest.raises(ModelError, match=r"folded or centred.*Load it again") as caught:
        load_model(bridge)
    assert "\n" not in str(caught.value)


def test_weights_that_are_folded_after_loading_are_refused_too() -> None:
    model = tiny_model("GPT2LMHeadModel")
    fold(model.bridge)
    for use in (lambda: examine(model, TEXTS, ["massive"]), lambda: model.logits(torch.tensor([TEXTS[0]]))):
        with pytest.raises(ModelError, match="folded or centred"):
            use()


def test_a_bridge_in_compatibility_mode_that_left_the_weights_alone_gives_the_same_evidence() -> None:
    model = tiny_model("GPT2LMHeadModel")
    plain = examine(model, TEXTS, ["massive"]).evidence["massive"]["value"]
    model.bridge.enable_compatibility_mode(disable_warnings=True, no_processing=True)
    again = load_model(model.bridge)
    np.testing.assert_allclose(examine(again, TEXTS, ["massive"]).evidence["massive"]["value"], plain, rtol=1e-5)


def test_a_bridge_whose_call_gives_other_logits_than_its_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = bridge_of("LlamaForCausalLM")
    honest = type(bridge).forward
    monkeypatch.setattr(type(bridge), "forward", lambda *args, **kwargs: 2 * honest(*args, **kwargs))
    with pytest.raises(ModelError, match="differ from the bridge itself"):
        load_model(bridge)


# -- attention that looks ahead --------------------------------------------------------------------------------------

LOOKING_AHEAD = {
    "Gemma3": lambda: transformers.Gemma3TextConfig(**SMALL, **HEADS, use_bidirectional_attention=True),
    "Mistral": lambda: transformers.MistralConfig(**SMALL, **HEADS, sliding_window=16, is_causal=False),
    "Llama": lambda: transformers.LlamaConfig(**SMALL, **HEADS, is_causal=False),
    "Qwen2": lambda: transformers.Qwen2Config(**SMALL, **without("head_dim"), is_causal=False),
    "Gemma": lambda: transformers.GemmaConfig(**SMALL, **HEADS, is_causal=False),
}


@pytest.mark.parametrize("size", [1.0, 3.0])
@pytest.mark.parametrize("family", LOOKING_AHEAD)
def test_a_model_whose_tokens_see_later_ones_is_refused_in_one_line(family: str, size: float) -> None:
    with pytest.raises(ModelError, match=r"later token changes earlier logits .* isn't causal") as caught:
        load_model(made(LOOKING_AHEAD[family](), size), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_bridge_over_such_a_model_is_refused_too() -> None:
    model = tiny_model("LlamaForCausalLM")
    model.bridge.original_model.config.is_causal = False
    with pytest.raises(ModelError, match=r"causal|differ"):
        load_model(model.bridge)


# -- the user's hooks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "architecture", ["GPT2LMHeadModel", "GPTNeoXForCausalLM", "Phi3ForCausalLM", "LlamaForCausalLM"]
)
@pytest.mark.parametrize("part", ["q", "k", "v", "o"])
@pytest.mark.parametrize("point", ["hook_in", "hook_out"])
def test_a_users_hook_on_a_part_of_attention_acts_in_a_scan_as_in_the_bridge(
    architecture: str, part: str, point: str
) -> None:
    model, ids = tiny_model(architecture), torch.tensor([TEXTS[0]])
    plain = scanned(model)
    getattr(model.bridge.blocks[1].attn._modules[part], point).add_hook(lambda x, hook: 3 * x + 1)
    with torch.no_grad():
        want = model.bridge(ids)
    torch.testing.assert_close(scanned(model), want)
    assert not torch.allclose(plain, want, atol=1e-4)
    model.bridge.reset_hooks()
    assert torch.equal(scanned(model), plain)


def scanned(model: Model) -> torch.Tensor:
    """Logits that an observer sees of the first text."""
    keep = Kept()
    observe(model, [pad_rows([TokenSequence(0, 0, 0, tuple(TEXTS[0]))])], [keep])
    return keep.seen[0]


class Kept:
    """Keeps logits."""

    kinds = ("logits",)

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def update(self, batch: Any, site: Site, x: torch.Tensor) -> None:
        self.seen.append(x)


def test_plain_torch_hooks_on_the_bridges_attention_count_too() -> None:
    model = tiny_model("GPT2LMHeadModel")
    assert hooks_inside_attention(model) == []
    before = model.bridge.blocks[0].attn.register_forward_pre_hook(lambda module, args: None)
    inner = model.bridge.blocks[1].attn.q.register_forward_hook(lambda module, args, out: None)
    assert hooks_inside_attention(model) == ["blocks.0.attn", "blocks.1.attn.q"]
    before.remove()
    inner.remove()


# -- several threads -------------------------------------------------------------------------------------------------

MANY = random_texts(6, 20, 60)


FIRST = {("LlamaForCausalLM", 0), ("GPT2LMHeadModel", 3)}
"""Architectures and ways that are tried each time."""


def use_it(model: Model, ids: torch.Tensor) -> list[Callable[[], Any]]:
    """Ways in which another thread may use a model."""
    return [
        lambda: model.logits(ids),
        lambda: model.bridge(ids),
        lambda: model.bridge.original_model(input_ids=ids, use_cache=False),
        lambda: model.bridge.run_with_hooks(ids, fwd_hooks=[("blocks.1.hook_out", lambda x, hook: 0 * x)]),
        lambda: model.bridge.run_with_cache(ids),
    ]


@pytest.mark.parametrize(
    ("architecture", "way"),
    [
        pytest.param(architecture, way, marks=() if (architecture, way) in FIRST else pytest.mark.slow)
        for architecture in ("LlamaForCausalLM", "GPT2LMHeadModel")
        for way in range(5)
    ],
)
def test_what_another_thread_runs_changes_no_evidence_and_hears_no_scan(architecture: str, way: int) -> None:
    model = tiny_model(architecture)
    run = use_it(model, torch.tensor([MANY[0][:17]]))[way]
    alone, stop = examine(model, MANY, ["massive", "sinks"]).evidence, threading.Event()
    with torch.no_grad():
        expected, got, faults = run(), [], []

    def other() -> None:
        with torch.no_grad():
            while not stop.is_set():
                try:
                    got.append(run())
                    time.sleep(0.002)  # locks are not fair: without a break the scan may wait for long
                except Exception as fault:
                    faults.append(fault)
                    return

    thread = threading.Thread(target=other)
    thread.start()
    try:
        beside = [examine(model, MANY, ["massive", "sinks"], batch_tokens=128).evidence for _ in range(2)]
    finally:
        stop.set()
        thread.join()
    assert not faults and got
    for evidence in beside:
        for name, values in {"massive": "value", "sinks": "received"}.items():
            np.testing.assert_allclose(evidence[name][values], alone[name][values], rtol=1e-3, atol=1e-5)
    assert all(torch.equal(logits_of(x), logits_of(expected)) for x in got)


def logits_of(out: Any) -> torch.Tensor:
    out = out[0] if isinstance(out, tuple) else out
    return out if isinstance(out, torch.Tensor) else out.logits


def test_a_copy_of_a_loaded_model_has_a_lock_of_its_own_and_runs_itself() -> None:
    model = tiny_model("LlamaForCausalLM")
    ids = torch.tensor([TEXTS[0]])
    own = model.bridge.original_model
    copied = copy.deepcopy(own)
    with torch.no_grad():
        copied.get_output_embeddings().weight.mul_(2)
        assert torch.equal(own(input_ids=ids).logits, model.logits(ids))
        assert not torch.equal(copied(input_ids=ids).logits, model.logits(ids))
    assert copied.forward.module is copied
    assert copied.forward.shared.lock is not model.lock
    assert copied.forward.shared is copied.base_model.forward.shared


def test_the_lock_goes_with_the_model_and_not_with_the_bridge() -> None:
    model = tiny_model("LlamaForCausalLM")
    assert load_model(model.bridge).lock is model.lock
    assert "input_ids" in transformers.utils.generic.inspect.signature(model.bridge.original_model.forward).parameters
    assert tiny_hf("LlamaForCausalLM").forward is not model.bridge.original_model.forward

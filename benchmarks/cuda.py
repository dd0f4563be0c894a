"""A scan of a large model beside its bare prefill: random weights of a given shape, for any device."""

import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks.results import Row
from inspector import load_model
from inspector.batches import batches, tokenise
from inspector.detectors.base import load_detectors
from inspector.models.observe import observe

LLAMA_8B = {
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
"""Llama 3's 8B."""
TARGET = 1.25


def llama_row(rounds: int, device: str = "cuda", tokens: int = 4096, shape: dict[str, int] | None = None) -> Row:
    """All layers and heads of one text, in bfloat16."""
    config = LlamaConfig(**(shape or LLAMA_8B), max_position_embeddings=8192)
    with torch.device(device):
        hf: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
    ids = torch.randint(config.vocab_size, (1, tokens), device=device)
    rows = tokenise(None, ids.tolist(), bos=None, window=tokens)
    bare: list[float] = []
    for _ in range(rounds + 1):
        with torch.no_grad():
            bare.append(_seconds(device, lambda: hf.model(input_ids=ids, use_cache=False)))
    model = load_model(hf, device=device)

    def scan() -> None:
        reducers = [detector.reducer(model) for detector in load_detectors(["massive", "sinks"])]
        observe(model, batches(rows, tokens), reducers)
        for reducer in reducers:
            reducer.evidence()

    scans = [_seconds(device, scan) for _ in range(rounds + 1)]
    ratios = tuple(one / other for one, other in zip(scans[1:], bare[1:], strict=True))  # the first warms up
    name = f"scan of {config.num_hidden_layers} layers of {config.hidden_size:,} dims, {tokens:,} tokens, bf16"
    return Row(name, "bare prefill", ratios, TARGET, value=f"{min(scans[1:]):.3g} s", note=device)


def _seconds(device: str, call: Any) -> float:
    """How long a call takes until the device is done."""
    start = time.perf_counter()
    call()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start

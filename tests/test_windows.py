"""Windows over the cache: in one pass what a cache with re-indexed positions shows token by token."""

from functools import cache

import numpy as np
import pytest
import torch
import transformers
from fixtures_tiny import counting, loaded

from inspector.detectors.sinks import cache_windows as windows
from inspector.models import Model, load_model
from inspector.models.attention import UnsupportedAttention
from inspector.models.attention_window import shifted_keys, windowed_attention
from inspector.progress import UNHEARD
from inspector.testing.planted import TINY, random_texts

SIZE, LENGTH = 12, 40
IDS = random_texts(1, LENGTH, LENGTH, seed=3)[0]


@cache
def one_layer(architecture: str) -> Model:
    config_class, sizes = TINY[architecture]
    torch.manual_seed(0)
    config = getattr(transformers, config_class)(**{**sizes, "num_hidden_layers": 1})
    return load_model(transformers.AutoModelForCausalLM.from_config(config).eval(), device="cpu")


def windowed(model: Model, kept: tuple[int, ...], size: int = SIZE) -> torch.Tensor:
    keys = shifted_keys(model, IDS[:8], LENGTH - size)
    with windowed_attention(model, size, kept, keys):
        return model.logits(torch.tensor([IDS]))[0]


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Qwen3ForCausalLM", "GPTNeoXForCausalLM"])
@pytest.mark.parametrize("kept", [(), (0,), (0, 1, 2, 3)])
def test_with_one_layer_it_is_the_cut_text_with_positions_counted_anew(
    architecture: str, kept: tuple[int, ...]
) -> None:
    # In one layer keys and values are those of the tokens alone, so a re-indexed cache is a shorter text.
    model = one_layer(architecture)
    got = windowed(model, kept)
    for t in range(LENGTH):
        recent = range(max(0, t + 1 - (SIZE - len(kept))), t + 1) if t >= SIZE else range(t + 1)
        ids = [*(IDS[i] for i in kept if t >= SIZE), *(IDS[i] for i in recent)]
        expected = model.logits(torch.tensor([ids]))[0, -1]
        assert torch.allclose(got[t], expected, atol=1e-4), t


def test_a_window_as_long_as_the_text_takes_nothing_away() -> None:
    model = loaded("LlamaForCausalLM")
    assert torch.allclose(windowed(model, (0,), LENGTH), model.logits(torch.tensor([IDS]))[0], atol=1e-5)


def test_a_token_out_of_the_window_is_not_seen_and_a_kept_one_is() -> None:
    model = one_layer("LlamaForCausalLM")
    for kept, seen in (((), False), ((0,), True)):
        before = windowed(model, kept)
        changed = [IDS[0] + 1, *IDS[1:]]
        keys = shifted_keys(model, changed[:8], LENGTH - SIZE)
        with windowed_attention(model, SIZE, kept, keys):
            after = model.logits(torch.tensor([changed]))[0]
        assert bool((after[-1] != before[-1]).any()) is seen


def test_the_model_is_as_it_was_afterwards() -> None:
    model = loaded("LlamaForCausalLM")
    before = model.logits(torch.tensor([IDS]))
    with (
        pytest.raises(RuntimeError, match="stop"),
        windowed_attention(model, SIZE, (0,), shifted_keys(model, IDS[:8], LENGTH - SIZE)),
    ):
        raise RuntimeError("stop")
    assert (model.logits(torch.tensor([IDS])) == before).all()


@pytest.mark.parametrize("architecture", ["GPT2LMHeadModel", "OPTForCausalLM"])
def test_positions_in_the_stream_are_refused(architecture: str) -> None:
    with pytest.raises(UnsupportedAttention, match="positions"):
        shifted_keys(loaded(architecture), IDS[:8], 4)


def test_the_table_has_a_row_for_each_way_of_keeping_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SIZE": 16, "LENGTH": 48}.items():
        monkeypatch.setattr(windows, name, value)
    model, done = loaded("LlamaForCausalLM"), []
    table = windows.windows(model, random_texts(8, 48, 60, seed=1), None, 0, counting(done))
    assert table["kept"].tolist() == ["everything", "nothing", "the first", "the first 2", "the first 4", "4 others"]
    assert len(done) == 8 and (table["n"] == 8).all()
    assert table["change"][0] == 0
    assert np.isfinite(table["loss"]).all() and (table["low"] <= table["high"]).all()
    again = windows.windows(model, random_texts(8, 48, 60, seed=1), None, 0, counting(done))
    assert all((table[column] == again[column]).all() for column in ("loss", "change_low"))


def test_without_long_texts_there_is_no_table() -> None:
    with pytest.raises(UnsupportedAttention, match="no text of"):
        windows.windows(loaded("LlamaForCausalLM"), random_texts(4, 20, 30), None, 0, UNHEARD)

"""Logit lens and deep-thinking ratio: every number agrees with brute force, and with the definition."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures_cli import SCRIPT, Command
from fixtures_tiny import architectures, loaded, with_words
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

from inspector import intervene, load_model, logit_lens
from inspector.analyses import logit_lens_reducer as lens_reducer
from inspector.analyses.logit_lens import Lens
from inspector.analyses.logit_lens_reducer import LensReducer, Prediction
from inspector.batches import batches, tokenise
from inspector.errors import InputError, ModelError
from inspector.figures.lens import lens_map, settling
from inspector.interventions.values import Intervention
from inspector.models import Model
from inspector.models.model import hooked
from inspector.models.observe import observe
from inspector.sites import Site
from inspector.testing import random_texts, tiny_model
from inspector.testing.planted import tiny_hf

TEXTS = random_texts(5, 6, 30, seed=2)


def made(jsd: Any, g: float = 0.5, rho: float = 0.85) -> Lens:
    """A reading with these divergences, `[token, layer]`, and nothing else in it."""
    jsd = np.asarray(jsd, np.float32)
    zeros = np.zeros(jsd.shape, np.float32)
    tokens = pd.DataFrame({"text": 0, "position": np.arange(len(jsd)), "token": "a"})
    whole = {"top": zeros.astype(int), "top_probability": zeros, "answer_probability": zeros, "answer_rank": zeros}
    return Lens(tokens, {**whole, "jsd": jsd}, {0: "a"}, g, rho)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """The divergence in bits. SciPy gives its square root, which isn't a number where rounding makes the sum −1e-17."""
    middle = (p + q) / 2
    return float((rel_entr(p, middle) + rel_entr(q, middle)).sum() / (2 * np.log(2)))


@pytest.mark.parametrize("architecture", architectures())
def test_the_last_layer_says_what_the_model_says(architecture: str) -> None:
    model = loaded(architecture)
    (text,) = TEXTS[:1]
    read = logit_lens(model, [text])
    expected = model.logits(torch.tensor([text]))[0].float().softmax(dim=-1)
    assert read.depth["answer"].tolist() == [f"#{i}" for i in expected.argmax(dim=-1).tolist()]
    assert read.depth["answer_probability"].tolist() == pytest.approx(expected.amax(dim=-1).tolist(), rel=1e-5)
    last = read.lens[read.lens["layer"] == read.lens["layer"].max()]
    assert (last["jsd"] == 0).all() and (last["answer_rank"] == 0).all() and last["settled"].all()


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Gemma2ForCausalLM", "GPT2LMHeadModel"])
def test_every_number_of_every_layer_agrees_with_brute_force(architecture: str) -> None:
    model = loaded(architecture)
    hf, text = model.bridge.original_model, TEXTS[1]
    seen: dict[int, torch.Tensor] = {}
    with hooked({layer: model.hooks[Site("resid_post", layer)] for layer in range(3)}, seen.__setitem__):
        model.logits(torch.tensor([text]))
    norm = hf.transformer.ln_f if architecture == "GPT2LMHeadModel" else hf.model.norm
    with torch.no_grad():
        logits = torch.stack([hf.lm_head(norm(seen[layer][0])) for layer in range(3)], dim=1).double()
    if architecture == "Gemma2ForCausalLM":
        logits = 30 * torch.tanh(logits / 30)
    p = logits.softmax(dim=-1).numpy()
    table = logit_lens(model, [text]).lens
    for row in table.itertuples():
        here, final = p[row.position, row.layer], p[row.position, -1]
        answer = final.argmax()
        assert (row.top, row.answer) == (f"#{here.argmax()}", f"#{answer}")
        assert (row.top_probability, row.answer_probability) == pytest.approx((here.max(), here[answer]), rel=1e-4)
        assert row.answer_rank == (here > here[answer]).sum()
        assert row.jsd == pytest.approx(jensen_shannon(here, final), abs=2e-6)
    assert len(table) == 3 * len(text)


def test_batch_size_padding_side_and_chunks_do_not_change_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded("LlamaForCausalLM")
    rows = tokenise(None, TEXTS, bos=None, window=256)

    def measured(batch_tokens: int, padding_side: Any = "right") -> list[np.ndarray]:
        reducer = LensReducer(model)
        observe(model, batches(rows, batch_tokens), [reducer], padding_side=padding_side)
        return [np.concatenate([reducer.by_text[row.text][name] for row in rows]) for name in reducer.names]

    whole = measured(512)
    others = [measured(1), measured(512, "left")]
    monkeypatch.setattr(lens_reducer, "CHUNK", 3 * 101)
    others.append(measured(512))
    for other in others:
        for one, two in zip(whole, other, strict=True):
            assert one.shape == (sum(map(len, TEXTS)), 3)
            assert np.allclose(one, two, atol=1e-5)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_the_divergence_is_that_of_jensen_and_shannon(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 12))
    logits = st.lists(st.floats(-30, 30), min_size=size, max_size=size)
    a, b = (torch.tensor([data.draw(logits)], dtype=torch.float32).log_softmax(dim=-1) for _ in range(2))
    one, other = Prediction(a), Prediction(b)
    got = float(one.divergence(other)[0])
    p, q = (each.double().softmax(dim=-1).numpy()[0] for each in (a, b))
    assert got == pytest.approx(jensen_shannon(p, q), abs=3e-6)
    assert got == float(other.divergence(one)[0]) and 0 <= got <= 1


def test_predictions_that_share_no_token_are_one_bit_apart() -> None:
    a, b = (torch.tensor([[*row]]).log() for row in ((0.5, 0.5, 0.0, 0.0), (0.0, 0.0, 0.25, 0.75)))
    assert float(Prediction(a).divergence(Prediction(b))[0]) == pytest.approx(1, abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_settling_and_depth_are_the_paper_s(data: st.DataObject) -> None:
    layers, g = data.draw(st.integers(1, 40)), data.draw(st.floats(0, 0.99))
    rho = data.draw(st.floats(0.05, 1))
    rows = data.draw(st.lists(st.lists(st.floats(0, 1, width=32), min_size=layers, max_size=layers), min_size=1))
    jsd = np.array(rows, np.float32)
    jsd[:, -1] = 0
    read = made(jsd, g, rho)
    deep = []
    for token, row in enumerate(jsd):
        for block in range(1, layers + 1):  # the paper counts from 1
            if min(row[:block]) <= g:
                break
        assert read.depth["settled"][token] == block - 1
        deep.append(block >= math.ceil(rho * layers - 1e-9))
    assert read.depth["deep"].tolist() == deep
    assert read.ratio == pytest.approx(np.mean(deep))


def test_of_thirty_layers_the_last_five_are_deep() -> None:
    read = made(np.zeros((1, 30)))
    assert read.deep_from == 25  # ⌈0.85 · 30⌉ = 26, counted from 1
    assert made(np.zeros((1, 20)), rho=0.85).deep_from == 16  # 17 exactly, whatever 0.85 is in binary


def test_a_calibrated_g_makes_the_wanted_share_deep() -> None:
    rng = np.random.default_rng(0)
    jsd = rng.random((400, 20))
    jsd[:, -1] = 0
    read = made(jsd)
    for share in (0.2, 0.5, 0.8):
        assert read.judge(g=read.calibrated(share)).ratio == pytest.approx(share, abs=1 / 400)
    with pytest.raises(InputError, match="share is 1"):
        read.calibrated(1.0)
    with pytest.raises(InputError, match="larger rho"):
        read.judge(rho=0.01).calibrated()


def test_a_model_whose_later_layers_do_nothing_settles_in_its_first() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    with torch.no_grad():
        for layer in hf.model.layers[1:]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    read = logit_lens(load_model(hf, device="cpu"), TEXTS)
    assert (read.depth["settled"] == 0).all() and read.ratio == 0
    assert read.lens["jsd"].max() < 1e-6 and (read.lens["answer_rank"] == 0).all()
    assert read.ratios["n"].tolist() == [len(text) for text in TEXTS]


def test_under_an_intervention_the_changed_model_is_read() -> None:
    model = loaded("LlamaForCausalLM")
    text = TEXTS[0]
    with intervene(model, [Intervention(Site("mlp_out", 2), op="zero")]):
        read = logit_lens(model, [text])
        expected = model.logits(torch.tensor([text]))[0].argmax(dim=-1)
    assert read.depth["answer"].tolist() == [f"#{i}" for i in expected.tolist()]
    assert read.depth["answer"].tolist() != logit_lens(model, [text]).depth["answer"].tolist()


@pytest.mark.parametrize(("g", "rho"), [(1.0, 0.85), (-0.1, 0.85), (0.5, 0.0), (0.5, 1.1), (math.nan, 0.85)])
def test_options_out_of_range_are_refused_before_the_pass(g: float, rho: float) -> None:
    with pytest.raises(InputError, match="Use g from 0 to below 1"):
        logit_lens(loaded("LlamaForCausalLM"), TEXTS, g=g, rho=rho)


def test_logits_that_are_no_numbers_are_refused() -> None:
    model = tiny_model()
    point = model.hooks[Site("resid_post", 2)]

    def spoil(x: torch.Tensor, hook: object) -> torch.Tensor:
        return x * math.nan if x.shape[1] == 7 else x

    handle = point.add_hook(spoil)
    try:
        with pytest.raises(ModelError, match="NaN"):
            logit_lens(model, [TEXTS[0][:7]])
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)


def test_the_map_keeps_equal_tokens_apart_and_shows_part_of_a_long_text() -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    read = logit_lens(model, ["one one one two"])
    figure = lens_map(read.lens)
    assert figure.data[0].z.shape == (3, 5)  # a BOS before the four words
    assert len(set(figure.layout.xaxis.ticktext)) == 3 and len(figure.layout.xaxis.ticktext) == 5
    assert list(figure.data[1].y) == read.depth["settled"].tolist()
    long = made(np.zeros((600, 4)))
    part = lens_map(long.lens, start=300)
    assert list(part.data[0].x) == list(range(300, 556)) and "tokens 300–555" in part.layout.title.text
    with pytest.raises(InputError, match="no tokens from position 600"):
        lens_map(long.lens, start=600)


def test_a_token_is_never_markup_in_a_picture() -> None:
    read = made(np.zeros((2, 3)))
    spoiled = read.lens.assign(token=SCRIPT, top=SCRIPT)
    assert "<script>" not in lens_map(spoiled).to_json()


def test_the_curve_ends_at_all_tokens() -> None:
    read = made([[0.9, 0.4, 0.2, 0.0], [0.9, 0.8, 0.7, 0.0], [0.1, 0.9, 0.9, 0.0]])
    figure = settling(read.depth, read.deep_from, 4)
    assert list(figure.data[0].y) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert figure.layout.title.text.startswith("33% of 3 tokens are deep")


def test_paris_comes_up_in_the_real_model_s_last_layers(smollm2: Model) -> None:
    read = logit_lens(smollm2, ["The capital of France is", "เมืองหลวงของประเทศไทยคือ"])
    last = read.lens[(read.lens["text"] == 0) & (read.lens["position"] == 4)].set_index("layer")
    assert (last["answer"] == " Paris").all()
    assert last.loc[15, "answer_rank"] > 1000 and last.loc[28, "answer_rank"] < 10
    assert len(read.ratios) == 2


def test_the_command_prints_a_reading_and_the_same_as_json(command: Command, tiny_folder: Any) -> None:
    text, to = "w5 w6 w7", ("--model", tiny_folder, "--device", "cpu")
    told = command("lens", text, *to)
    assert told.code == 0 and "Deep-thinking ratio" in told.out and "w6" in told.out
    got = command("lens", text, *to, "--json", "--quiet", "--calibrate", 3)
    assert (got.code, got.err) == (0, "")
    said = json.loads(got.out)
    assert len(said["depth"]) == len(said["lens"]) / 3 >= 3
    assert said["settings"]["calibrated"]["texts"] == 3 and said["settings"]["g"] != 0.5
    assert said["ratio"] == np.mean([row["deep"] for row in said["depth"]])
    assert "calibrated" in command("lens", text, *to, "--calibrate", 3).out
    refused = command("lens", text, *to, "--g", 2, "--quiet")
    assert refused.code == 2 and "--g" in refused.err

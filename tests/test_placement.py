"""Models spread over several devices, or whose weights are elsewhere between calls, give what they give on one."""

import gc
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SINKS, SPIKES
from fixtures_cli import Command
from fixtures_devices import KIND, Refused, devices_that_are_not_there, spread
from test_cett import fed_of
from test_cett import measured as cett_of
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from inspector import Window, evicted, examine, intervene, logit_lens, loss, quantised, verify
from inspector.batches import TokenSequence, batches
from inspector.cli.options import placed
from inspector.errors import InputError, ModelError
from inspector.interventions.means import means
from inspector.interventions.values import Target, ablate_output, knock_out_attention, mean_ablate, zero_ablate
from inspector.models import Decoder, Model, load_model
from inspector.models.attention import UnsupportedAttention
from inspector.models.attention_window import shifted_keys, windowed_attention
from inspector.models.placement import Where, present
from inspector.models.token_stream import TokenStream
from inspector.pruning.parts import Part
from inspector.pruning.weights import input_norms, sparse
from inspector.sites import Site
from inspector.testing import planted_model, random_texts, tiny_hf

TEXTS = random_texts(3)
KINDS = ("LlamaForCausalLM", "GPT2LMHeadModel", "Gemma2ForCausalLM")
"""Heads that share keys; columns in one matrix, biases and a tied unembedding; norms after both parts and soft caps."""
TWO = (f"{KIND}:0", f"{KIND}:1")


def scanned(model: Model) -> dict[str, np.ndarray]:
    """The evidence of all detectors."""
    report = examine(model, TEXTS)
    return {f"{name}.{array}": x for name, one in report.evidence.items() for array, x in one.arrays.items()}


def read(model: Model) -> dict[str, np.ndarray]:
    """What else reads weights or activations: the lens, CETT, answers, and losses of changed models."""
    found = {f"lens.{name}": x for name, x in logit_lens(model, TEXTS[:2]).arrays.items()}
    found |= {f"cett.{name}": np.asarray(x) for name, x in vars(cett_of(model, fed_of(4))).items()}
    never = torch.zeros(model.shape.vocab, dtype=torch.bool, device=model.device)
    decoder = Decoder(model, TEXTS[2][:4])
    prompts = [ids[:size] for ids, size in zip(TEXTS, (5, 9, 7), strict=True)]
    answers = decoder.generate(prompts, 2, lambda logits, rows, step: logits.argmax(dim=-1), never, 6)
    found["answers"] = np.array(answers)
    found["paths"] = np.array(decoder.paths)
    rows = [TokenSequence(i, i, 0, tuple(ids)) for i, ids in enumerate(TEXTS)]
    target = Target(Site("mlp_out", 1), (3, 5))
    changes = {
        "zeroed": [zero_ablate(Site("resid_post", 0), units=(2,), positions=(1,))],
        "several": [ablate_output(Site("attn_out", 0)), zero_ablate(Site("neuron", 2), units=(1, 7))],
        "unattended": [knock_out_attention(1, [0], [0])],
        "at its mean": [mean_ablate(means(model, batches(rows, 100, model.pad_id), [target])[0])],
    }
    for name, change in changes.items():
        with intervene(model, change):
            found[name] = loss(model, TEXTS)["loss"].to_numpy()
    for scheme in ("w8a8-tensor", "kv4"):
        with quantised(model, scheme):
            found[scheme] = loss(model, TEXTS)["loss"].to_numpy()
    with Part("head", 1, 0).removed(model):
        found["without a head"] = loss(model, TEXTS)["loss"].to_numpy()
    with sparse(model, 0.3, "wanda", input_norms(model, rows, 100)):
        found["sparse"] = loss(model, TEXTS)["loss"].to_numpy()
    with evicted(model, Window(2, 8)):
        found["evicted"] = loss(model, TEXTS)["loss"].to_numpy()
    return found | grown(model) | windowed(model)


def grown(model: Model) -> dict[str, np.ndarray]:
    """What is read of a text that grows token by token."""
    read: dict[str, list[float]] = {}
    stream = TokenStream(
        model,
        ("resid_post", "neuron", "attention"),
        lambda site, x: read.setdefault(f"grown.{site.kind}.{site.layer}", []).append(float(x.float().norm())),
        20,
    )
    for new in (TEXTS[0][:5], TEXTS[0][5:6], TEXTS[0][6:7]):
        stream.feed(new)
    return {name: np.array(x) for name, x in read.items()}


def windowed(model: Model) -> dict[str, np.ndarray]:
    """Logits with a window over the cache, where the architecture knows how to move keys."""
    ids = torch.tensor([TEXTS[0][:18]], device=model.device)
    try:
        keys = shifted_keys(model, TEXTS[0][:4], 6)
        with windowed_attention(model, 12, (0,), keys):
            return {"windowed": model.logits(ids).cpu().numpy()}
    except UnsupportedAttention:
        return {}


def same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(got) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


@cache
def plain(architecture: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    model = load_model(tiny_hf(architecture), device="cpu")
    return scanned(model), read(model)


# -- offloaded ---------------------------------------------------------------------------------------------------------


def blocks(hf: Any) -> nn.ModuleList:
    return next(part for part in hf.modules() if isinstance(part, nn.ModuleList))


def all_in_memory(hf: Any, folder: Path) -> Any:
    return accelerate.cpu_offload(hf, "cpu")


def all_on_a_disk(hf: Any, folder: Path) -> Any:
    return accelerate.disk_offload(hf, folder, "cpu")


def two_blocks_in_memory(hf: Any, folder: Path) -> Any:
    for block in blocks(hf)[:2]:
        accelerate.cpu_offload(block, "cpu")
    return hf


def a_block_on_a_disk_by_a_map(hf: Any, folder: Path) -> Any:
    names = {id(part): name for name, part in hf.named_modules()}
    parts = [part for part in hf.base_model.children() if not isinstance(part, nn.ModuleList)]
    here = {names[id(part)]: "cpu" for part in (*parts, *blocks(hf), hf.get_output_embeddings())}
    return accelerate.dispatch_model(hf, {**here, names[id(blocks(hf)[1])]: "disk"}, offload_dir=folder)


WAYS: tuple[Callable[[Any, Path], Any], ...] = (
    all_in_memory,
    all_on_a_disk,
    two_blocks_in_memory,
    a_block_on_a_disk_by_a_map,
)
QUICK = {(KINDS[0], a_block_on_a_disk_by_a_map), (KINDS[1], all_in_memory)}
"""The others are left to `make test-all`."""
OFFLOADED = [
    pytest.param(name, way, marks=() if (name, way) in QUICK else pytest.mark.slow, id=f"{name}-{way.__name__}")
    for name in KINDS
    for way in WAYS
]


@pytest.mark.parametrize(("architecture", "way"), OFFLOADED)
def test_an_offloaded_model_gives_the_same_numbers_to_the_bit(
    architecture: str, way: Callable[[Any, Path], Any], tmp_path: Path
) -> None:
    model = load_model(way(tiny_hf(architecture), tmp_path))
    assert any(weight.is_meta for weight in model.bridge.original_model.parameters())
    assert model.device == torch.device("cpu") and "weights offloaded" in model.card["placement"]
    same(scanned(model), plain(architecture)[0])
    same(read(model), plain(architecture)[1])
    assert any(weight.is_meta for weight in model.bridge.original_model.parameters())


def test_the_card_of_an_offloaded_model_says_the_same_and_where_it_is() -> None:
    for architecture in KINDS:
        here, away = load_model(tiny_hf(architecture)), load_model(all_in_memory(tiny_hf(architecture), Path()))
        assert {**away.card, "placement": None} == {**here.card, "placement": None}
        assert "placement" not in here.card and away.shape == here.shape


@pytest.mark.slow
def test_verification_of_an_offloaded_model_has_the_same_effects() -> None:
    here, away = planted_model(SPIKES, SINKS), planted_model(SPIKES, SINKS).release()
    away = load_model(two_blocks_in_memory(away, Path()))
    texts = random_texts(16, 64, 70, trigger=7)
    one, other = (verify(examine(m, texts), m, texts, twins=20, heads=1).effects for m in (here, away))
    assert one and [vars(effect) for effect in other] == [vars(effect) for effect in one]


def test_an_offloaded_model_is_given_back_as_it_came() -> None:
    ids = torch.tensor([TEXTS[0]])
    hf = all_in_memory(tiny_hf("GPT2LMHeadModel"), Path())
    names, expected = list(hf.state_dict()), hf(input_ids=ids).logits
    back = load_model(hf).release()
    assert back is hf and list(hf.state_dict()) == names
    torch.testing.assert_close(hf(input_ids=ids).logits, expected, rtol=0, atol=0)
    assert load_model(hf).card["fingerprint"] == load_model(tiny_hf("GPT2LMHeadModel")).card["fingerprint"]


def test_weights_are_here_while_they_are_read_and_then_away_again() -> None:
    hf = all_in_memory(tiny_hf("LlamaForCausalLM"), Path())
    matrix, norm = hf.model.layers[1].mlp.down_proj, hf.model.norm
    with present(hf.model.layers[1]):
        held = matrix.weight
        with present(matrix):  # it is here already, and stays
            pass
        assert not matrix.weight.is_meta and norm.weight.is_meta
    assert matrix.weight.is_meta and torch.equal(held, tiny_hf("LlamaForCausalLM").model.layers[1].mlp.down_proj.weight)


def test_a_card_beside_offloaded_weights_is_measured_too() -> None:
    """TransformerLens' own loader refuses such a map; only its name is a card's here."""
    hf = all_in_memory(tiny_hf("LlamaForCausalLM"), Path())
    hf.hf_device_map = {"model.embed_tokens": 0, "model.layers": "cpu", "model.norm": 0, "lm_head": 0}
    same(scanned(load_model(hf)), plain("LlamaForCausalLM")[0])


def test_a_bridge_that_transformer_lens_loaded_by_a_map_is_measured_too(tiny_folder: Path) -> None:
    bridge = TransformerBridge.boot_transformers(str(tiny_folder), device_map=on_a_disk(), dtype=torch.float32)
    model = load_model(bridge)
    assert model.card["placement"] == "cpu; 27 of 30 weights offloaded" in repr(model)
    same(scanned(model), scanned(load_model(tiny_folder, device="cpu")))


def test_a_state_that_an_offloaded_model_cannot_carry_is_refused_in_one_line() -> None:
    with pytest.raises(ModelError, match=r"MambaForCausalLM can't be inspected: .* Load it onto one device\.$"):
        load_model(all_in_memory(tiny_hf("MambaForCausalLM"), Path()))


# -- several devices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "architecture", [KINDS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in KINDS[1:])]
)
def test_a_scan_over_two_devices_has_the_evidence_of_one_to_the_bit(architecture: str) -> None:
    """The devices aren't there, but whatever brings together tensors of both is refused."""
    with devices_that_are_not_there():
        one, two = (load_model(spread(tiny_hf(architecture), places)) for places in (TWO[:1], TWO))
        assert one.card["placement"] == TWO[0] and two.card["placement"] == ", ".join(TWO)
        same(scanned(two), scanned(one))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", KINDS)
def test_what_else_is_read_over_two_devices_is_what_one_gives_to_the_bit(architecture: str) -> None:
    with devices_that_are_not_there():
        one, two = (load_model(spread(tiny_hf(architecture), places)) for places in (TWO[:1], TWO))
        same(read(two), read(one))


@pytest.mark.slow
def test_a_norm_that_is_on_another_device_than_what_comes_before_it_is_given_its_input_there() -> None:
    """BLOOM's is right after the embedding, and is put beside the last norm here; attention is read whole."""
    with devices_that_are_not_there():
        one, two = (load_model(spread(tiny_hf("BloomForCausalLM"), places)) for places in (TWO[:1], TWO))
        same(scanned(two), scanned(one))


def test_blocks_are_read_where_they_are() -> None:
    with devices_that_are_not_there():
        model, seen = load_model(spread(tiny_hf("LlamaForCausalLM"), TWO)), []
        handles = [point.add_hook(lambda x, hook: seen.append(x.device)) for point in model.hooks.values()]
        model.logits(torch.tensor([TEXTS[0]], device=model.device))
        places = {TWO.index(str(device)) for device in seen}
        for handle in handles:
            handle.hook.remove()
    assert len(handles) == len(seen) and places == {0, 1}


def test_devices_that_are_not_there_refuse_what_cuda_refuses() -> None:
    with devices_that_are_not_there():
        here, there = (torch.arange(4.0, device=place) for place in TWO)
        for bad in (lambda: here + there, lambda: here[there > 1], lambda: here + torch.ones(4)):
            with pytest.raises(Refused, match="same device"):
                bad()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        assert (here + there.to(TWO[0])).tolist() == [0, 2, 4, 6] and str((there * 2).device) == TWO[1]
        assert here[torch.tensor([1])].tolist() == [1] and (here + torch.tensor(1.0)).tolist() == [1, 2, 3, 4]


# -- by name -----------------------------------------------------------------------------------------------------------


def on_a_disk() -> dict[str, str | int]:
    return {"model.embed_tokens": "cpu", "model.layers": "disk", "model.norm": "cpu", "lm_head": "cpu"} | {
        "model.rotary_emb": "cpu"
    }


def test_a_folder_is_loaded_by_a_map_and_gives_the_same_numbers(tiny_folder: Path) -> None:
    here, away = load_model(tiny_folder, device="cpu"), load_model(tiny_folder, device_map=on_a_disk())
    assert away.card["placement"] == "cpu; 27 of 30 weights offloaded"
    assert "placement" not in load_model(tiny_folder, device_map="auto").card  # it fits
    same(scanned(away), scanned(here))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_what_is_kept_on_a_disk_for_a_model_goes_with_it(
    dtype: str, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = load_model(tiny_folder, dtype=dtype, device_map=on_a_disk())
    assert [path.name.partition("-offload-")[0] for path in tmp_path.iterdir()] == ["inspector"]
    scanned(model)
    del model
    gc.collect()
    assert not list(tmp_path.iterdir())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"device": "cpu", "device_map": "auto"}, "Got device cpu and a device_map.* Give one"),
    "no map": ({"device_map": "everywhere"}, "No device_map 'everywhere'. Use auto, balanced"),
    "no weights": ({"device_map": {"": "meta"}}, "In device_map '' is put on 'meta'"),
    "not here": ({"device_map": {"": "cuda:99"}}, "Device 'cuda:99' can't be used here"),
    "a part in a part": (
        {"device_map": {"model": "cpu", "model.layers.1": "disk", "lm_head": "cpu"}},
        "can't be loaded: .* Try device_map auto, or none",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_map_that_cannot_be_is_refused_in_one_line(what: str, tiny_folder: Path) -> None:
    options, said = REFUSED[what]
    with pytest.raises(ModelError, match=said) as caught:
        load_model(tiny_folder, **options)
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 300


@pytest.mark.parametrize(("part", "place"), [(0, "cpu"), ("", 1.5), ("", True), ("", None)])
def test_a_map_is_from_names_to_devices(part: Any, place: Any) -> None:
    with pytest.raises(ModelError, match=f"In device_map {part!r} is put on {place!r}"):
        Where.named(None, {part: place})


def test_a_given_model_is_moved_by_nobody_once_it_is_spread() -> None:
    with pytest.raises(ModelError, match="loaded already, and device_map"):
        load_model(tiny_hf("LlamaForCausalLM"), device_map="auto")
    with devices_that_are_not_there():
        hf = spread(tiny_hf("LlamaForCausalLM"), TWO)
        with pytest.raises(ModelError, match=rf"by accelerate \({', '.join(TWO)}\), so .* Leave device out"):
            load_model(hf, device="cpu")
        assert load_model(hf).card["placement"] == ", ".join(TWO)
        assert load_model(hf).card["placement"] == ", ".join(TWO)  # by the bridge that is in it


def test_the_fastest_device_of_a_map_decides_the_precision() -> None:
    assert Where.named(None, {"": "cpu"}).backend.weights == torch.float32
    with devices_that_are_not_there():
        where = Where.named(None, {"model": TWO[1], "lm_head": "cpu", "rest": "disk"})
    assert str(where.backend.device) == TWO[1] and where.offloads


def test_the_command_takes_a_map(command: Command, tiny_folder: Path, tmp_path: Path) -> None:
    from inspector import open_run

    given = json.dumps(on_a_disk())
    for name, map_ in (("auto", "auto"), ("disk", given), ("none", None)):
        option = [] if map_ is None else ["--device-map", map_]
        done = command("examine", "--model", tiny_folder, "--texts", 2, *option, "--out", tmp_path / name, "--quiet")
        assert done.code == 0, done.err
    runs = {name: open_run(tmp_path / name) for name in ("auto", "disk", "none")}
    assert runs["disk"].card["placement"] == "cpu; 27 of 30 weights offloaded"
    for name in ("auto", "disk"):
        pd.testing.assert_frame_equal(runs[name].frame("findings"), runs["none"].frame("findings"))
    done = command("lens", "w9", "--model", tiny_folder, "--device-map", "{nowhere")
    assert done.code == 2 and "--device-map '{nowhere' is no JSON" in done.err


def test_a_map_in_json_is_a_map() -> None:
    assert placed("cpu", None) == {"device": "cpu", "device_map": None}
    assert placed(None, ' {"": 0}') == {"device": None, "device_map": {"": 0}}
    with pytest.raises(InputError, match="is no JSON"):
        placed(None, "{")

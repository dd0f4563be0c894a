"""Neuron states: planted neurons are found exactly, every number agrees with brute force."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures_cli import Command
from fixtures_tiny import architectures, loaded, with_words

from inspector import InspectorError, describe_neurons, examine, load_model
from inspector.analyses.neurons_reducer import NeuronReducer
from inspector.batches import Batch, batches, tokenise
from inspector.detectors.hneurons.figures import neuron_state
from inspector.detectors.massive.detector import Massive
from inspector.detectors.massive.reducer import MassiveReducer
from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.models.model import hooked
from inspector.models.observe import observe
from inspector.models.unembed import check_readout, direct_logits, written
from inspector.sites import Site
from inspector.testing import TRIGGER, PlantedSpike, planted_model, random_texts, tiny_model
from inspector.testing.planted import tiny_hf

TEXTS = random_texts(12, 20, 60, seed=3)


def activations(model: Model, layer: int, texts: list[list[int]]) -> list[np.ndarray]:
    """z of every text, one text a pass."""
    seen: list[torch.Tensor] = []
    with hooked({0: model.hooks[Site("neuron", layer)]}, lambda key, z: seen.append(z[0])):
        for text in texts:
            model.logits(torch.tensor([text]))
    return [z.float().numpy() for z in seen]


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "OPTForCausalLM", "Gemma2ForCausalLM"])
def test_every_number_agrees_with_all_activations_kept(architecture: str) -> None:
    model = loaded(architecture)
    by_text = activations(model, 1, TEXTS)
    z = np.concatenate(by_text)
    found = describe_neurons(model, [(1, 5), (1, 0)], TEXTS, bar=4.0)
    edge = 4.0 * np.median(np.abs(z))
    assert list(found.states["neuron"]) == [5, 0]
    for state in found.states.itertuples():
        mine = z[:, state.neuron]
        fires = np.abs(mine) >= edge if edge else mine != 0
        assert state.n == len(mine)
        assert state.fires == pytest.approx(fires.mean(), abs=1.5 / len(mine))
        assert (
            np.isnan(state.positive)
            if not fires.any()
            else state.positive == pytest.approx((mine[fires] > 0).mean(), abs=0.02)
        )
        assert (state.mean, state.min, state.max) == pytest.approx((mine.mean(), mine.min(), mine.max()), rel=1e-4)
        low, middle, high = np.quantile(mine, [0.05, 0.5, 0.95])
        spread = float(np.abs(mine).max())
        assert (state.low, state.median, state.high) == pytest.approx((low, middle, high), abs=0.03 * spread + 1e-6)
        top = found.tokens[(found.tokens["kind"] == "activates") & (found.tokens["neuron"] == state.neuron)]
        peaks = [text[np.abs(text[:, state.neuron]).argmax(), state.neuron] for text in by_text]
        expected = sorted((peak for peak in peaks if peak), key=abs, reverse=True)[:10]
        assert top["value"].tolist() == pytest.approx(expected, rel=1e-4)
        for row in top.itertuples():
            assert by_text[row.text][row.position, state.neuron] == pytest.approx(row.value, rel=1e-4)
            assert row.token == f"#{TEXTS[row.text][row.position]}"


def test_a_neuron_of_relus_fires_where_it_is_not_zero() -> None:
    model = loaded("OPTForCausalLM")
    z = np.concatenate(activations(model, 0, TEXTS))
    assert np.median(np.abs(z)) == 0  # else this says nothing
    for state in describe_neurons(model, [(0, 1), (0, 2), (0, 3)], TEXTS).states.itertuples():
        assert state.fires == pytest.approx((z[:, state.neuron] > 0).mean(), abs=1e-6)


@pytest.mark.parametrize("how", [{"batch_tokens": 1}, {"padding_side": "left"}])
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel"])
def test_batch_size_and_padding_side_do_not_change_what_is_measured(architecture: str, how: dict[str, Any]) -> None:
    model = loaded(architecture)
    neurons = [(0, 3), (2, 7), (2, 8)]

    def measured(batch_tokens: int = 512, padding_side: Any = "right") -> NeuronReducer:
        reducer = NeuronReducer(neurons, 5)
        rows = tokenise(None, TEXTS, bos=None, window=256)
        observe(model, batches(rows, batch_tokens), [reducer], padding_side=padding_side)
        return reducer

    one, other = measured(), measured(**how)
    assert np.abs(one.counts - other.counts).sum() <= 8  # rounding moves a value across a bin's edge
    assert one.counts.sum(axis=(1, 2)).tolist() == [sum(map(len, TEXTS))] * 3
    assert np.allclose(one.sums, other.sums, atol=1e-4)
    assert np.allclose(one.lowest, other.lowest, atol=1e-4) and np.allclose(one.highest, other.highest, atol=1e-4)
    for number in range(3):
        places = [[(text, position) for _, text, position in r.top(number)] for r in (one, other)]
        assert places[0] == places[1]


def test_the_neuron_that_writes_a_planted_spike_is_said_to_and_no_other() -> None:
    model = planted_model([PlantedSpike(layer=2, dim=5)])
    texts = random_texts(10, 20, 40, trigger=TRIGGER)
    found = describe_neurons(model, [(2, 0), (2, 1), (3, 0)], texts)
    states = found.states.set_index(["layer", "neuron"])
    assert (states["dim"] == 5).all()
    assert states.loc[(2, 0), "spike_share"] == pytest.approx(1, abs=0.02)
    assert states.loc[(2, 0), "dim_share"] == pytest.approx(1)
    assert states.loc[(2, 0), "writes"] == pytest.approx(5000, rel=0.02)
    others = states.drop((2, 0))
    assert not (others["spike_share"] > 0.01).any()
    assert (others["writes"].abs() < 50).all()
    top = found.tokens[(found.tokens["layer"] == 2) & (found.tokens["neuron"] == 0)]
    activating = top[top["kind"] == "activates"]
    assert set(activating["token"]) == {f"#{TRIGGER}"} and set(activating["position"]) == {0}


def test_the_heads_that_park_on_a_neuron_s_token_are_counted(planted: Model) -> None:
    texts = random_texts(10, 64, 90, trigger=TRIGGER)
    states = describe_neurons(planted, [(2, 0), (2, 1)], texts).states
    assert states["sink_heads"].tolist()[0] == pytest.approx(2 / (6 * 4))  # two heads of six layers of four
    short = describe_neurons(planted, [(2, 0)], random_texts(10, 20, 63, trigger=TRIGGER)).states
    assert short["sink_heads"].isna().all()  # over so few tokens any head's attention looks parked


def test_a_scan_s_spikes_are_taken_instead_of_looking_again() -> None:
    model = planted_model([PlantedSpike(layer=2, dim=5)])
    texts = random_texts(10, 20, 40, trigger=TRIGGER)
    scan = examine(model, texts, ["massive"])
    plain = random_texts(10, 20, 40)  # without the trigger there is no spike to see
    assert describe_neurons(model, [(2, 0)], plain).states["dim"].isna().all()
    state = describe_neurons(model, [(2, 0)], plain, report=scan).states.iloc[0]
    assert state["dim"] == 5 and state["spike_share"] == pytest.approx(1, abs=0.02)
    with pytest.raises(InputError, match="another model"):
        describe_neurons(planted_model(), [(2, 0)], plain, report=scan)


def test_a_reducer_that_writes_costs_its_own_columns_and_no_other_number(
    planted: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Writing(MassiveReducer):
        def update(self, batch: Batch, site: Site, x: torch.Tensor) -> None:
            x.abs_()

    texts = random_texts(10, 20, 40, trigger=TRIGGER)
    whole = describe_neurons(planted, [(2, 0), (2, 1)], texts)
    monkeypatch.setattr(Massive, "reducer", lambda self, model: Writing(model))
    found = describe_neurons(planted, [(2, 0), (2, 1)], texts)
    assert list(found.states) == list(whole.states) and found.states["dim"].isna().all()
    pd.testing.assert_frame_equal(found.states[["mean", "min", "max", "n"]], whole.states[["mean", "min", "max", "n"]])
    assert any("'massive'" in note and "writes to the activations" in note for note in found.notes)


def by_hand(hf: Any, w: torch.Tensor) -> torch.Tensor:
    """What a stream along w, of root mean square 1, adds to the logits, from the weights themselves."""
    core = hf.base_model
    gemma = type(hf).__name__.startswith("Gemma")
    if type(hf).__name__ == "GPT2LMHeadModel":
        unit = w / w.pow(2).mean().sqrt()
        return hf.lm_head.weight @ (core.ln_f.weight * (unit - unit.mean()) / unit.std(correction=0))
    scale = core.norm.weight + 1 if gemma else core.norm.weight
    logits = hf.lm_head.weight @ (scale * w / w.pow(2).mean().sqrt())
    return 30 * torch.tanh(logits / 30) if type(hf).__name__ == "Gemma2ForCausalLM" else logits


@pytest.mark.parametrize(
    "architecture", ["GPT2LMHeadModel", "LlamaForCausalLM", "Gemma2ForCausalLM", "Olmo2ForCausalLM"]
)
@pytest.mark.parametrize("tied", [True, False])
def test_promoted_tokens_are_those_of_the_weights(architecture: str, tied: bool) -> None:
    hf = tiny_hf(architecture)
    hf.lm_head.weight = (
        hf.get_input_embeddings().weight
        if tied
        else torch.nn.Parameter(torch.randn(hf.lm_head.weight.shape, generator=torch.Generator().manual_seed(1)))
    )
    with torch.no_grad():
        if architecture == "GPT2LMHeadModel":
            rows = hf.transformer.h[1].mlp.c_proj.weight.clone()  # Conv1D: neurons in rows
        else:
            rows = hf.model.layers[1].mlp.down_proj.weight.T.clone()
        if architecture in ("Gemma2ForCausalLM", "Olmo2ForCausalLM"):
            offset = 1.0 if architecture.startswith("Gemma") else 0.0
            rows = rows * (hf.model.layers[1].post_feedforward_layernorm.weight + offset)
        expected = torch.stack([by_hand(hf, rows[j]) for j in (2, 9)])
    model = load_model(hf, device="cpu")
    assert torch.allclose(direct_logits(model, written(model, 1, [2, 9])), expected, rtol=1e-3, atol=1e-3)
    found = describe_neurons(model, [(1, 9)], TEXTS[:2], top=3).tokens
    best, worst = expected[1].topk(3), (-expected[1]).topk(3)
    promoted, suppressed = (found[found["kind"] == kind] for kind in ("promotes", "suppresses"))
    assert promoted["token"].tolist() == [f"#{i}" for i in best.indices.tolist()]
    assert suppressed["token"].tolist() == [f"#{i}" for i in worst.indices.tolist()]
    assert promoted["value"].tolist() == pytest.approx(best.values.tolist(), rel=1e-3)
    assert suppressed["value"].tolist() == pytest.approx((-worst.values).tolist(), rel=1e-3)


def test_a_neuron_that_writes_a_token_s_own_direction_promotes_it_first() -> None:
    hf = tiny_hf("GPT2LMHeadModel")
    with torch.no_grad():
        hf.transformer.h[1].mlp.c_proj.weight[6] = 3 * hf.transformer.wte.weight[42]
    tokens = describe_neurons(load_model(hf, device="cpu"), [(1, 6)], TEXTS[:2]).tokens
    assert tokens[tokens["kind"] == "promotes"].iloc[0]["token"] == "#42"


@pytest.mark.parametrize("architecture", architectures())
def test_the_last_layer_is_read_as_the_model_reads_it(architecture: str) -> None:
    check_readout(loaded(architecture))


def test_a_model_whose_last_stream_is_not_what_it_unembeds_is_refused() -> None:
    model = tiny_model()
    head = model.bridge.original_model.lm_head
    handle = head.register_forward_hook(lambda module, args, out: out * 2)
    reads_alike = torch.allclose(model.bridge.unembed(torch.ones(1, 1, 32)), head(torch.ones(1, 1, 32)))
    try:
        with pytest.raises(ModelError, match="Logits read from the last layer's stream differ"):
            check_readout(model)
    finally:
        handle.remove()
    assert reads_alike


def test_a_model_without_neurons_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="MambaForCausalLM"):
        describe_neurons(loaded("MambaForCausalLM"), [(0, 0)], TEXTS)


@pytest.mark.parametrize(
    ("neurons", "options", "words"),
    [
        ([], {}, "No neurons"),
        ([(3, 0)], {}, "No neuron 0 in layer 3. Layers with neurons are 0–2"),
        ([(-1, 0)], {}, "in layer -1"),
        ([(0, 64)], {}, "neurons 0–63"),
        ([(0, 0)], {"top": 0}, "got 0 for top"),
        ([(0, 0)], {"bar": 0.0}, r"\(bar\) is 0.0"),
    ],
)
def test_a_mistake_is_refused_with_what_to_do(
    neurons: list[tuple[int, int]], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        describe_neurons(loaded("LlamaForCausalLM"), neurons, TEXTS, **options)


def test_texts_are_refused_of_a_model_without_a_tokenizer() -> None:
    with pytest.raises(InspectorError, match="came without a tokenizer"):
        describe_neurons(loaded("LlamaForCausalLM"), [(0, 0)])


def test_a_silent_neuron_has_no_top_token_and_still_a_state_and_a_picture() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    with torch.no_grad():
        hf.model.layers[0].mlp.up_proj.weight[4] = 0.0
    found = describe_neurons(load_model(hf, device="cpu"), [(0, 4)], TEXTS)
    (state,) = found.states.itertuples()
    assert state.fires == 0 and np.isnan(state.positive) and state.max == 0
    assert set(found.tokens["kind"]) == {"promotes", "suppresses"}
    assert "fires on 0.0%" in neuron_state(found.states, found.tokens, 0, 4).layout.title.text


def test_a_picture_says_what_it_shows_and_keeps_equal_tokens_apart() -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    found = describe_neurons(model, [(0, 4)], ["one two one <b>three</b> four"] * 3)
    figure = neuron_state(found.states, found.tokens, 0, 4)
    top = found.tokens[found.tokens["kind"] == "activates"]
    assert len(set(top["token"])) == 1  # three equal texts
    assert list(figure.data[0].x) == top["value"].tolist() and len(figure.data[0].y) == 3
    assert "Neuron 4 of layer 0 fires on" in figure.layout.title.text
    with pytest.raises(InputError, match="No state of neuron 5"):
        neuron_state(found.states, found.tokens, 0, 5)


def test_thai_text_is_shown_whole_around_a_token(smollm2: Model) -> None:
    text = "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย"
    found = describe_neurons(smollm2, [(11, 1229)], [text], top=1)
    (row,) = found.tokens[found.tokens["kind"] == "activates"].itertuples()
    assert row.position == 0 and row.value > 1000
    fed = smollm2.tokenizer(text)["input_ids"]
    assert row.after == smollm2.tokenizer.decode(fed[1:9]).replace("\ufffd", "⟨81⟩")  # of its first letter
    assert any("\u0e00" <= c <= "\u0e7f" for c in row.after)


def test_the_command_prints_a_state_and_the_same_as_json(command: Command, tiny_folder: Any) -> None:
    told = command("neuron", 1, 5, "--model", tiny_folder, "--texts", 4, "--top", 3, "--device", "cpu")
    assert told.code == 0 and "Neuron 5 of layer 1 fires on" in told.out and "promotes" in told.out
    got = command("neuron", 1, 5, "--model", tiny_folder, "--texts", 4, "--top", 3, "--device", "cpu", "--json", "-q")
    assert (got.code, got.err) == (0, "")
    said = json.loads(got.out)
    assert said["states"][0]["neuron"] == 5 and len(said["tokens"]) == 9
    assert said["tokens"][-1]["text"] is None
    refused = command("neuron", 9, 5, "--model", tiny_folder, "--device", "cpu", "-q")
    assert refused.code == 2 and "No neuron 5 in layer 9" in refused.err

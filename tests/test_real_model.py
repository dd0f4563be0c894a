"""The embedded SmolLM2-135M-Instruct against measured oracles (PHENOMENA: within 1 %)."""

import numpy as np
import pytest
import torch

from inspector import Report, examine
from inspector.detectors.sinks import detector
from inspector.models import Model
from inspector.texts import built_in

PROMPT = "The capital of France is"
LARGEST = {1: 182.8, 2: 653.0, 8: 533.4, 9: 116.8, 11: 22552.0, 20: 22452.5, 27: 22171.2, 28: 7900.7}


@pytest.fixture(scope="module")
def prompt(smollm2: Model) -> Report:
    return examine(smollm2, [PROMPT])


@pytest.fixture(scope="module")
def prose(smollm2: Model) -> Report:
    with pytest.MonkeyPatch.context() as as_users_have_it:
        as_users_have_it.setattr(detector, "CONTROL_TEXTS", 16)
        return examine(smollm2, list(built_in()[:110:10]), window=256)


def test_the_tokens_as_fed_have_no_bos(prompt: Report) -> None:
    assert prompt.frame("tokens")["id"].tolist() == [504, 3575, 282, 4649, 314]


@pytest.mark.parametrize("layer", LARGEST)
def test_the_largest_entry_of_a_layer_is_the_oracles(prompt: Report, layer: int) -> None:
    row = prompt.frame("massive.layers").loc[layer]
    assert row["max"] == pytest.approx(LARGEST[layer], rel=0.01)
    assert (row["position"], row["dim"]) == (0, 507)


def test_the_last_layers_largest_entry_is_in_another_dim(prompt: Report) -> None:
    row = prompt.frame("massive.layers").loc[29]
    assert row["max"] == pytest.approx(2530.9, rel=0.01)
    assert row["dim"] == 199


def test_the_ratio_at_layer_11_is_the_oracles(prompt: Report) -> None:
    assert prompt.frame("massive.layers").loc[11, "ratio"] == pytest.approx(9358, rel=0.01)


def test_the_strict_definition_flags_exactly_dim_507_at_layers_11_to_27(prompt: Report) -> None:
    found = [f for f in prompt.findings if f.detector == "massive"]
    assert [(f.layer, f.unit, f.position) for f in found] == [(layer, 507, 0) for layer in range(11, 28)]
    assert {f.verdict for f in found} == {"candidate"}


def test_there_are_two_plateaus_of_dim_507(prompt: Report, prose: Report) -> None:
    for report in (prompt, prose):
        plateaus = report.frame("massive.plateaus")
        main = plateaus[plateaus["main"] & (plateaus["dim"] == 507)]
        assert main[["first", "last"]].to_numpy().tolist() == [[11, 27], [2, 8]]
        assert main["step_down"].tolist() == [28, 9]


def test_two_neurons_of_layer_11_write_the_spike(prose: Report) -> None:
    writers = prose.frame("massive.writers")
    mine = writers[(writers["dim"] == 507) & (writers["layer"] == 11)].set_index("writer")
    assert mine.loc["mlp", "share"] == pytest.approx(1.0, abs=0.01)
    neurons = mine.loc[["neuron"]].head(2)
    assert neurons["neuron"].tolist() == [1229, 1487]
    assert neurons["share"].sum() > 0.95


def test_sink_rates_of_prose_and_both_controls(prose: Report) -> None:
    rates = prose.frame("sinks.controls").set_index("input")["sink_rate"]
    assert rates["random"] == pytest.approx(0.80, abs=0.04)  # 16 texts, a standard error of 0.02
    assert 0.65 < rates["texts"] < 0.80  # 0.75 was measured on other prose
    assert rates["repeated"] == 0.0


def test_spike_tokens_of_all_texts_point_the_same_way(prose: Report) -> None:
    directions = prose.frame("massive.directions").set_index("layer")
    assert directions.loc[12:28, "cosine"].min() > 0.999


def test_medians_and_kurtosis_are_those_of_the_bridges_cache(smollm2: Model, prompt: Report) -> None:
    from scipy.stats import kurtosis

    with torch.no_grad():
        _, cache = smollm2.bridge.run_with_cache(torch.tensor([[504, 3575, 282, 4649, 314]]))
    layers = prompt.frame("massive.layers")
    for layer in (0, 11, 29):
        x = cache[f"blocks.{layer}.hook_out"][0].numpy()
        assert layers.loc[layer, "median"] == pytest.approx(np.median(np.abs(x)), rel=0.01)
        assert layers.loc[layer, "kurtosis"] == pytest.approx(kurtosis(x, axis=None), rel=0.01)


def test_a_text_in_thai_and_its_tokens_are_shown_as_fed(smollm2: Model) -> None:
    report = examine(smollm2, ["กรุงเทพเป็นเมืองหลวงของประเทศไทย"], bos=True)
    tokens = report.frame("tokens")
    assert tokens["token"].iloc[0] == "<|im_start|>"
    assert (tokens["id"] == smollm2.tokenizer.bos_token_id).sum() == 1
    assert report.settings["bos"] == "one"


def test_loading_a_second_time_uses_the_cache(smollm2: Model) -> None:
    from inspector.models import embedded

    gguf = embedded.gguf_path()
    assert gguf is not None
    assert (embedded.dequantised(gguf, embedded.SHA256) / "model.safetensors").is_file()
    assert smollm2.card["logit_difference"] < 1e-3

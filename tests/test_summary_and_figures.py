"""Sentences and figures of runs: what is said where there is much, little, or no data."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import torch

import inspector
from inspector.errors import InputError
from inspector.figures import MAX_SIDE, magnitude_map, token_label
from inspector.models import Model
from inspector.run.report import Report
from inspector.show.figures import figures
from inspector.show.html import render
from inspector.show.sentences import paragraphs
from inspector.testing import PlantedSink, PlantedSpike, planted_model, random_texts, tiny_hf, tiny_model

SCRIPT = "<script>alert(1)</script>"
LONG = list(range(8, 48))


@pytest.fixture(scope="module")
def normal(llama: Model) -> Report:
    """Nothing is massive in a tiny random model."""
    return inspector.examine(llama, random_texts(6))


@pytest.fixture(scope="module")
def spiked() -> Report:
    """A spike from layer 2 on, and a sink in layer 3."""
    model = planted_model([PlantedSpike(layer=2, dim=5)], [PlantedSink(layer=3, head=1)])
    return inspector.examine(model, random_texts(6, trigger=7))


@pytest.fixture(scope="module")
def mamba() -> Report:
    """A model without attention."""
    return inspector.examine(tiny_model("MambaForCausalLM"), random_texts(3), ["massive"])


def poisoned(value: float) -> Model:
    """A tiny Llama whose token 50 is NaN or infinity."""
    hf = tiny_hf("LlamaForCausalLM")
    with torch.no_grad():
        hf.model.embed_tokens.weight[50] = value
    return inspector.load_model(hf, device="cpu")


# Sentences.


def test_a_scan_without_findings_says_so_with_the_largest_entry(normal: Report) -> None:
    lines = paragraphs(normal)
    tokens = len(normal.tokens["id"])
    assert "LlamaForCausalLM" in lines[0] and "differ from Hugging Face's by at most" in lines[0]
    assert lines[1].startswith(f"6 texts, {tokens:,} tokens")
    assert any("Massive activations: none by the definition in force" in line for line in lines)
    assert any(line.startswith("Attention sinks: sink rate ") for line in lines)
    assert not any("nan" in line.lower() for line in lines)


def test_a_planted_spike_and_sink_are_told_with_place_and_size(spiked: Report) -> None:
    lines = paragraphs(spiked)
    told = next(line for line in lines if line.startswith("Dim 5 "))
    assert "at position 0" in told and "from layer 2 to 5" in told and "in 100% of texts" in told
    assert (
        re.search(r"averages (4,99\d|5,00\d) ", told)
        and "In layer 2 the MLP adds " in told
        and "neuron 0 (100%)" in told
    )
    assert any("1 of 24 heads are sinks; the strongest, head 1 of layer 3" in line for line in lines)
    assert any("in 4 layers; the largest is" in line and "in dim 5 at position 0" in line for line in lines)


def test_one_text_is_not_called_texts(llama: Model) -> None:
    assert paragraphs(inspector.examine(llama, [LONG]))[1].startswith("1 text, 40 tokens")


@pytest.mark.parametrize("text", [[9], [9, 10], list(range(8, 23))], ids=len)
def test_texts_too_short_for_sinks_are_insufficient_data(llama: Model, text: list[int]) -> None:
    report = inspector.examine(llama, [text])
    lines = paragraphs(report)
    assert any("Attention sinks: insufficient data" in line for line in lines)
    assert any("1 of 1 sequences have fewer than 64 tokens" in line for line in lines)
    assert not any("sink rate 0" in line or "nan" in line.lower() for line in lines)
    assert not [f for f in report.findings if f.detector == "sinks"]
    assert render(report)


def test_a_model_without_attention_is_not_said_to_have_no_sinks(mamba: Report) -> None:
    lines = paragraphs(mamba)
    assert any(line.startswith("Massive activations") for line in lines)
    assert not any(line.startswith("Attention sinks") for line in lines)
    assert any("no such site" in line and "attention" in line for line in lines)
    assert set(figures(mamba)) == {"massive.life_cycle", "massive.map"}


def test_notes_come_before_the_numbers_and_unchanged(normal: Report, llama: Model) -> None:
    report = inspector.examine(llama, [LONG], window=16)
    assert report.notes and tuple(paragraphs(report)[2 : 2 + len(report.notes)]) == report.notes


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_nan_token_is_told_and_the_rest_is_measured(value: float) -> None:
    report = inspector.examine(poisoned(value), [[8, 9, 50, *LONG], LONG])
    assert any("NaN or infinity" in line for line in paragraphs(report))
    assert {f.kind for f in report.findings} >= {"nonfinite"}
    assert set(figures(report)) and render(report)


@pytest.mark.parametrize("text", [[50, *LONG], [50] * 20, [50]], ids=["first", "all", "alone"])
def test_a_scan_in_which_all_is_nan_is_insufficient_data(text: list[int]) -> None:
    report = inspector.examine(poisoned(float("nan")), [text])
    assert any("insufficient data" in line for line in paragraphs(report))
    assert {f.kind for f in report.findings} == {"nonfinite"}
    assert render(report)


def test_a_model_of_zeros_is_described_without_a_crash() -> None:
    hf = tiny_hf("GPT2LMHeadModel", scale=1.0)
    with torch.no_grad():
        for weight in hf.parameters():
            weight.zero_()
    model = inspector.load_model(hf, device="cpu")
    report = inspector.examine(model, [LONG])
    assert paragraphs(report) and render(report)


@pytest.mark.parametrize("ids", [[5, 101], [5, 10**9], [-1, 5], [2**70]], ids=str)
def test_token_ids_outside_the_vocabulary_are_an_input_error(llama: Model, ids: list[int]) -> None:
    with pytest.raises(InputError, match="Text 1"):
        inspector.examine(llama, [LONG, ids])


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_of_no_tokens_is_an_input_error(llama: Model, window: int) -> None:
    with pytest.raises(InputError, match="window"):
        inspector.examine(llama, [LONG], window=window)


def test_a_model_of_one_layer_has_all_sentences_and_figures() -> None:
    model = inspector.load_model(one_layer(), device="cpu")
    report = inspector.examine(model, random_texts(3))
    kinds = ("massive.life_cycle", "massive.map", "sinks.map", "sinks.received", "sinks.controls", "sinks.curve")
    assert len(paragraphs(report)) >= 4 and set(figures(report)) == set(kinds) and render(report)


def one_layer() -> object:
    """A tiny Llama of a single block."""
    hf = tiny_hf("LlamaForCausalLM")
    hf.model.layers = hf.model.layers[:1]
    hf.config.num_hidden_layers = 1
    return hf


# Figures.


@pytest.mark.parametrize("name", ["normal", "spiked", "mamba"])
def test_every_figure_has_a_title_and_named_axes(name: str, request: pytest.FixtureRequest) -> None:
    made = figures(request.getfixturevalue(name))
    assert made
    for key, figure in made.items():
        title = figure.layout.title.text
        assert title and "nan" not in title.lower() and "None" not in title, key
        assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text, key


def test_titles_say_what_was_planted(spiked: Report) -> None:
    made = {name: figure.layout.title.text for name, figure in figures(spiked).items()}
    assert re.match(
        r"Dim 5 averages (4,99\d|5,00\d) over texts at token 0 from layer 2 to 5$", made["massive.life_cycle"]
    )
    assert made["sinks.map"].startswith("1 of 24 heads")


def cells(length: int, layers: int = 4, spike: tuple[int, int] | None = None, token: str = "w") -> pd.DataFrame:
    """A frame `massive.map` of one text, 1 everywhere and 9,000 at the spike's (layer, position)."""
    layer, position = (axis.reshape(-1) for axis in np.indices((layers, length)))
    size = np.ones(layers * length, dtype=np.float32)
    if spike is not None:
        size[spike[0] * length + spike[1]] = 9000.0
    return pd.DataFrame({"text": 0, "layer": layer, "position": position, "token": token, "max": size})


@pytest.mark.parametrize("position", [0, 1499, 2047, 2995, 2999])
def test_a_spike_of_one_token_survives_the_pooling_of_a_long_map(position: int) -> None:
    figure = magnitude_map(cells(3000, spike=(2, position)))
    z = np.asarray(figure.data[0].z)
    assert z.shape[0] == 4 and z.shape[1] <= MAX_SIDE == 512
    row, column = np.argwhere(z > 1).T
    assert row.tolist() == [2] and len(column) == 1
    start = int(figure.data[0].x[column[0]])
    step = int(figure.data[0].x[1] - figure.data[0].x[0])
    assert start <= position < start + step
    assert z[2, column[0]] == pytest.approx(np.log10(9000.0))
    assert float(figure.data[0].customdata[2][column[0]][0]) == 9000.0
    assert f"at token {position} " in figure.layout.title.text and "layer 2" in figure.layout.title.text


def test_a_short_map_is_not_pooled() -> None:
    figure = magnitude_map(cells(MAX_SIDE, spike=(0, 3)))
    assert np.asarray(figure.data[0].z).shape == (4, MAX_SIDE)


def test_positions_with_nan_do_not_hide_a_spike_when_pooled() -> None:
    frame = cells(3000, spike=(1, 700))
    frame = frame[frame["position"] != 701]  # NaN in every layer: the frame leaves such tokens out
    figure = magnitude_map(frame)
    z = np.asarray(figure.data[0].z, dtype=float)
    assert np.nanmax(z) == pytest.approx(np.log10(9000.0))


@pytest.mark.parametrize("layer", [0, 2])
def test_a_token_that_is_nan_in_one_layer_leaves_its_neighbours(layer: int) -> None:
    frame = cells(3000, spike=(2, 700))
    frame = frame[~((frame["layer"] == layer) & (frame["position"] == 701))]
    assert np.nanmax(np.asarray(magnitude_map(frame).data[0].z, dtype=float)) == pytest.approx(np.log10(9000.0))


def test_a_token_left_out_does_not_shift_the_others() -> None:
    frame = cells(40, spike=(2, 30))
    figure = magnitude_map(frame[frame["position"] != 5])
    column = int(np.nanargmax(np.asarray(figure.data[0].z, dtype=float)[2]))
    assert int(figure.data[0].x[column]) == 30


def test_a_map_of_2048_tokens_is_at_most_a_megabyte() -> None:
    figure = magnitude_map(cells(2048, layers=32, spike=(5, 100), token="a token <&> 字"))
    assert len(figure.to_json().encode()) <= 2**20


def test_a_map_of_a_text_that_was_not_kept_is_refused() -> None:
    with pytest.raises(InputError, match="Text 3"):
        magnitude_map(cells(10), text=3)
    with pytest.raises(InputError, match="map"):
        magnitude_map(cells(10).head(0))


def test_token_text_in_a_figure_is_escaped() -> None:
    figure = magnitude_map(cells(12, spike=(1, 1), token=SCRIPT))
    heat = figure.data[0]
    shown = [figure.layout.title.text, *figure.layout.xaxis.ticktext, *(cell[2] for cell in heat.customdata[0])]
    assert any("&lt;script&gt;" in text for text in shown)
    assert not any("<script" in text for text in shown)


@pytest.mark.parametrize(
    ("token", "label"),
    [
        ("<b>", "&lt;b&gt;"),
        (" the", "·the"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("\0\x1b[2J", "⟨00⟩⟨1B⟩[2J"),
        ("\u202e", "⟨202E⟩"),
        ("\ufffd", "⟨?⟩"),
        ("", ""),
        (None, ""),
        (pd.NA, ""),
        ("&&&&&&&&&&&&&&&&&&&&", "&amp;" * 13 + "…"),
    ],
)
def test_a_label_shows_blanks_and_hides_control_characters(token: object, label: str) -> None:
    assert token_label(token) == label
    assert len(html.unescape(token_label(token))) <= 14

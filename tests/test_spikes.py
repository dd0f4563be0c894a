"""Spikes in few texts, of either sign, in one layer or at any token: what is said of them, and how they are tested."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from inspector import Report, examine, verify
from inspector.detectors.massive.detector import Massive
from inspector.detectors.massive.thresholds import medians
from inspector.detectors.massive.trials import MassiveTrials
from inspector.interventions.apply import intervene
from inspector.interventions.values import carry, zero_ablate
from inspector.models import Model
from inspector.sites import Site
from inspector.testing import TRIGGER, PlantedSink, PlantedSpike, check_detector, measure, planted_model, random_texts

OTHER = 6
"""A second trigger."""


def texts_with(count: int, having: range, *, trigger: int = TRIGGER, otherwise: int = 5) -> list[list[int]]:
    """Texts whose first token is the trigger in some of them."""
    return [[trigger if i in having else otherwise, *ids[1:]] for i, ids in enumerate(random_texts(count, 64, 70))]


def said(report: Report) -> list[str]:
    (part,) = [one for one in report.parts if one.name == "massive"]
    return [sentence.text for sentence in part.ask("sentences")]


@pytest.fixture(scope="module")
def faint_elsewhere() -> Model:
    """Dim 5 holds 5,000 in texts that begin with one token, 60 in those that begin with another."""
    return planted_model([PlantedSpike(2, 5), PlantedSpike(2, 5, 60.0, trigger=OTHER)])


@pytest.fixture(scope="module")
def either_sign() -> Model:
    return planted_model([PlantedSpike(2, 5), PlantedSpike(2, 5, -5000.0, trigger=OTHER)])


@pytest.mark.parametrize("having", [range(0, 40, 10), range(17, 18)], ids=["in a tenth", "in one text"])
def test_a_plateau_is_described_over_the_texts_that_have_it(faint_elsewhere: Model, having: range) -> None:
    report = examine(faint_elsewhere, texts_with(40, having, otherwise=OTHER), ["massive"])
    (row,) = report.frame("massive.plateaus").to_dict("records")
    assert (row["dim"], row["first"], row["last"], row["flagged"], row["main"]) == (5, 2, 5, 4, True)
    assert (row["n"], row["texts"], row["position"]) == (len(having), len(having) / 40, 0)
    assert row["value"] == pytest.approx(5000, rel=0.01)
    median = report.frame("massive.layers").loc[2:5, "median"].min()
    assert row["ratio"] == pytest.approx(row["max"] / median, rel=1e-3)
    assert (report.frame("massive.writers").query("neuron == 0")["share"] > 0.99).all()
    assert not any("too small" in text for text in said(report))
    share = "10% of texts" if len(having) == 4 else "1 of 40 texts"
    assert any(share in text for text in said(report))


def test_texts_with_a_spike_and_texts_with_a_tenth_of_it_are_two_plateaus() -> None:
    model = planted_model([PlantedSpike(2, 5), PlantedSpike(2, 5, 500.0, trigger=OTHER)])
    report = examine(model, texts_with(30, range(0, 30, 3), otherwise=OTHER), ["massive"])
    plateaus = report.frame("massive.plateaus")
    assert plateaus["n"].tolist() == [10, 20]
    assert plateaus["value"].to_numpy() == pytest.approx([5000, 500], rel=0.02)
    assert plateaus["flagged"].tolist() == [4, 0] and sum("too small" in text for text in said(report)) == 1


def test_plateaus_and_findings_are_of_the_same_layers_and_dims_whatever_the_thresholds(planted: Model) -> None:
    texts = texts_with(20, range(3))
    report = examine(planted, texts, ["massive"])
    for ratio in (3, 10, 100, 1000, 4600):
        again = report.judge(massive={"ratio": ratio, "magnitude": 0.0})
        found = {(one.layer, one.unit) for one in again.findings}
        rows = again.frame("massive.plateaus").query("flagged > 0")
        spans = {(layer, row.dim) for row in rows.itertuples() for layer in range(row.first, row.last + 1)}
        assert found <= spans
        assert rows["flagged"].gt(0).all() and rows["verdict"].eq("candidate").all()


def test_shards_of_which_one_has_the_spike_say_what_the_whole_says(faint_elsewhere: Model, unplanted: Model) -> None:
    texts = texts_with(12, range(2), otherwise=OTHER)
    check_detector(Massive(), (faint_elsewhere, texts), (unplanted, texts), lambda f: {one.unit for one in f} == {5})


@pytest.mark.slow
def test_a_spike_of_few_texts_is_tested_on_those_that_have_it(faint_elsewhere: Model) -> None:
    texts = texts_with(40, range(0, 40, 4), otherwise=OTHER)  # 10 of the 20 that effects are measured on
    tested = verify(examine(faint_elsewhere, texts, ["massive"]), faint_elsewhere, texts, twins=20)
    effects = tested.frame("effects")
    assert (effects["n"] == 10).all() and set(effects["op"]) == {"zero", "zero, as far", "mean", "drop"}
    kl = effects[effects["metric"] == "kl"].set_index("op")
    alone = [ids for ids in texts if ids[0] == TRIGGER] * 2
    by_itself = verify(examine(faint_elsewhere, alone, ["massive"]), faint_elsewhere, alone, twins=20)
    expected = by_itself.frame("effects").query("metric == 'kl'").set_index("op")
    assert kl.loc["zero", "change"] == pytest.approx(expected.loc["zero", "change"], rel=0.02)
    assert {one.verdict for one in tested.findings} == {"confirmed"}


@pytest.mark.parametrize(
    "where",
    [pytest.param(16, id="a measured text"), pytest.param(17, id="a reference text")],
)
@pytest.mark.slow
def test_a_spike_of_one_text_is_tested_and_said_to_have_insufficient_data(faint_elsewhere: Model, where: int) -> None:
    texts = texts_with(40, range(where, where + 1), otherwise=OTHER)
    tested = verify(examine(faint_elsewhere, texts, ["massive"]), faint_elsewhere, texts, twins=20)
    assert (tested.frame("effects")["n"] == 1).all()
    assert tested.frame("effects")["reason"].str.contains("insufficient data: 1 inputs").all()


def test_a_spike_of_either_sign_has_its_size_and_says_that_signs_differ(either_sign: Model) -> None:
    report = examine(either_sign, texts_with(24, range(0, 24, 2), otherwise=OTHER), ["massive"])
    (row,) = report.frame("massive.plateaus").to_dict("records")
    assert row["value"] == pytest.approx(5000, rel=0.01)
    assert (row["sign_agreement"], row["texts"], row["flagged"]) == (0.5, 1.0, 4)
    assert any("either sign" in text for text in said(report))
    writers = report.frame("massive.writers").set_index("writer")
    assert writers.loc["mlp", "value"] == pytest.approx(5000, rel=0.01)
    assert writers.loc["mlp", "share"] == pytest.approx(1, abs=0.01)
    assert writers.loc[["neuron"], "share"].sum() == pytest.approx(1, abs=0.01)
    assert report.frame("massive.carriers")["value"].abs().min() > 4900


def test_a_negative_spike_keeps_its_sign() -> None:
    model = planted_model([PlantedSpike(2, 5, -5000.0)])
    (row,) = examine(model, texts_with(8, range(8)), ["massive"]).frame("massive.plateaus").to_dict("records")
    assert row["value"] == pytest.approx(-5000, rel=0.01) and row["sign_agreement"] == 1


def test_size_matched_controls_of_a_spike_of_either_sign_are_changed_by_as_much(either_sign: Model) -> None:
    texts = texts_with(32, range(0, 32, 4), otherwise=OTHER)
    tested = verify(examine(either_sign, texts, ["massive"]), either_sign, texts, twins=20)
    effects = tested.frame("effects").query("metric == 'kl'").set_index("op")
    assert effects.loc["zero, as far", "twin_change"] > 100 * abs(effects.loc["zero", "twin_change"])
    assert "mean" not in effects.index and any("its sign differs" in note for note in tested.notes)


def test_carrying_changes_each_text_by_what_zeroing_changes_it(either_sign: Model) -> None:
    site, ids = Site("resid_post", 2), torch.tensor([ids[:64] for ids in texts_with(4, range(2), otherwise=OTHER)])

    def stream(*interventions: object) -> torch.Tensor:
        kept: list[torch.Tensor] = []
        with intervene(either_sign, interventions):
            point = either_sign.bridge.blocks[3].hook_in
            handle = point.add_hook(lambda x, hook: kept.append(x.detach().clone()))
            either_sign.logits(ids)
            point.fwd_hooks.remove(handle) if handle is not None else point.remove_hooks()
        return kept[0]

    before = stream()
    zeroed, carried = stream(zero_ablate(site, (5,), (0,))) - before, stream(carry(site, (5, 9), (0,))) - before
    assert torch.allclose(carried[:, 0, 9], -zeroed[:, 0, 5]) and carried[:, 0, 9].abs().min() > 4900
    assert carried[:, :, 5].abs().max() == 0 and carried[:, 1:].abs().max() == 0


def test_a_spike_of_one_layer_at_any_token_has_a_plateau_and_is_tested() -> None:
    model = planted_model([PlantedSpike(5, 5)])
    texts = [[*ids[: i % 7], TRIGGER, *ids[i % 7 :]] for i, ids in enumerate(random_texts(32, 64, 70))]
    report = examine(model, texts, ["massive"])
    (row,) = report.frame("massive.plateaus").to_dict("records")
    assert (row["first"], row["last"], row["flagged"], row["main"]) == (5, 5, 1, True)
    assert pd.isna(row["position"]) and row["token"] == f"#{TRIGGER}"
    assert any("at varying positions" in text and "after layer 5 alone" in text for text in said(report))
    effects = verify(report, model, texts, twins=20).frame("effects").query("op == 'zero, as far' and metric == 'kl'")
    assert (effects["n"] == 16).all() and (effects["twin_change"] > 0.01).all()


def test_a_single_layer_beside_a_larger_plateau_is_its_edge_and_gets_its_verdict() -> None:
    model = planted_model([PlantedSpike(2, 5, 2000.0), PlantedSpike(3, 5, 18000.0)])
    texts = texts_with(32, range(32))
    report = examine(model, texts, ["massive"])
    plateaus = report.frame("massive.plateaus")
    assert plateaus[["first", "last", "main"]].to_numpy().tolist() == [[3, 5, True], [2, 2, False]]
    (part,) = [one for one in report.parts if one.name == "massive"]
    (claim,) = MassiveTrials().claims(part)
    assert (claim.first, claim.last, claim.findings.first, claim.findings.last) == (3, 5, 2, 5)


def test_a_second_spike_is_named_at_the_same_token_and_main_at_another() -> None:
    same = planted_model([PlantedSpike(2, 5), PlantedSpike(2, 9, -3000.0)])
    report = examine(same, texts_with(8, range(8)), ["massive"])
    assert report.frame("massive.plateaus")["main"].tolist() == [True, False]
    assert any("Large at the same token: dim 9 (-2,99" in text or "dim 9 (-3,00" in text for text in said(report))
    apart = planted_model([PlantedSpike(2, 5), PlantedSpike(2, 9, -3000.0, trigger=OTHER)])
    texts = [[*ids[:8], OTHER, *ids[8:]] for ids in texts_with(8, range(8))]
    plateaus = examine(apart, texts, ["massive"]).frame("massive.plateaus")
    assert plateaus["main"].tolist() == [True, True] and plateaus["position"].tolist() == [0, 8]


def test_neurons_that_add_nothing_are_no_direct_contributors(planted: Model) -> None:
    report = examine(planted, texts_with(8, range(8)), ["massive"])
    neurons = report.frame("massive.writers").query("writer == 'neuron'")
    assert len(neurons) and neurons["share"].abs().min() >= 0.005
    assert not any(("0%)" in text and "(0%)" in text) or "-0%" in text for text in said(report))


def test_the_planting_kit_plants_a_sink_of_its_own_trigger() -> None:
    model = planted_model(sinks=[PlantedSink(1, 2, trigger=OTHER), PlantedSink(3, 0)])
    texts = texts_with(8, range(0, 8, 2), otherwise=OTHER)
    received = examine(model, texts, ["sinks"]).evidence["sinks"]["received"][..., 0]
    assert (received[::2, 3, 0] > 0.9).all() and (received[1::2, 1, 2] > 0.9).all()
    assert (received[1::2, 3, 0] < 0.3).all() and (received[::2, 1, 2] < 0.3).all()


def held(model: Model, layer: int, values: Callable[[torch.Tensor], torch.Tensor], texts: list[list[int]]) -> Report:
    """A scan in which the stream after a layer is what this makes of it."""
    point = model.bridge.blocks[layer].hook_out
    handle = point.add_hook(lambda x, hook: values(x.clone()))
    try:
        return examine(model, texts, ["massive", "sinks"], batch_tokens=100_000)
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)


@pytest.mark.parametrize(("median", "spike", "found"), [(1.0, 1000.0, True), (1.0, 999.2, False), (0.75, 750.0, True)])
def test_a_ratio_is_exact_where_many_entries_are_equal(
    unplanted: Model, median: float, spike: float, found: bool
) -> None:
    def equal(x: torch.Tensor) -> torch.Tensor:
        x = torch.full_like(x, -median)
        x[:, 0, 5] = spike
        return x

    report = held(unplanted, 5, equal, texts_with(8, range(8)))
    assert report.frame("massive.layers").loc[5, "median"] == median
    assert report.frame("massive.layers").loc[5, "ratio"] == pytest.approx(spike / median, rel=1e-6)
    assert [(one.layer, one.unit) for one in report.findings] == ([(5, 5)] if found else [])


def test_a_shard_of_an_earlier_version_merges_and_medians_stay_within_a_bin(unplanted: Model) -> None:
    texts = texts_with(8, range(8))
    whole, first, second = (
        measure(Massive(), unplanted, part, first_text=start)
        for part, start in ((texts, 0), (texts[:4], 0), (texts[4:], 4))
    )
    new = ("bin_min", "bin_max", "dim_usual")
    old = replace(first, arrays={name: array for name, array in first.arrays.items() if name not in new})
    for evidence in (old.merge(second), second.merge(old)):
        assert medians(evidence) == pytest.approx(medians(whole), rel=0.008)
    assert medians(first.merge(second)) == pytest.approx(medians(whole), rel=1e-5)


def test_a_ratio_to_a_median_of_zero_is_undefined_and_says_so(unplanted: Model) -> None:
    def sparse(x: torch.Tensor) -> torch.Tensor:
        x = torch.zeros_like(x)
        x[:, 0, 5] = 5000.0
        return x

    report = held(unplanted, 5, sparse, texts_with(8, range(8)))
    assert np.isnan(report.frame("massive.layers").loc[5, "ratio"])
    (found,) = report.findings
    assert (found.layer, found.unit) == (5, 5) and np.isnan(found.score)
    (row,) = report.frame("massive.plateaus").to_dict("records")
    assert np.isnan(row["ratio"]) and row["value"] == 5000
    assert any("ratio that is undefined" in text for text in said(report))
    assert any("median |x| of 1 of 6 layers is 0" in note for note in report.notes)
    for part in report.parts:
        assert part.ask("headlines") is not None and part.ask("tiles") is not None


@pytest.mark.parametrize("dims", [[7], [5], list(range(32))], ids=["a dim", "the spike's dim", "every dim"])
@pytest.mark.parametrize("preset", [{}, {"ratio": 100.0, "magnitude": 0.0, "dim_ratio": 10.0}])
def test_one_huge_finite_token_takes_no_flag_away(
    faint_elsewhere: Model, dims: list[int], preset: dict[str, float]
) -> None:
    def huge(x: torch.Tensor) -> torch.Tensor:
        x[0, 3, dims] = 3e38
        return x

    texts = texts_with(12, range(12))
    clean = examine(faint_elsewhere, texts, ["massive"]).judge(massive=preset)
    report = held(faint_elsewhere, 4, huge, texts).judge(massive=preset)
    flagged = {(one.layer, one.unit) for one in report.findings}
    assert {(one.layer, one.unit) for one in clean.findings} <= flagged
    plateaus = report.frame("massive.plateaus")
    assert ((plateaus["dim"] == 5) & (plateaus["value"] < 6000)).any() and len(said(report)) > 2
    assert not any("000,000,000" in text for text in said(report))


@pytest.mark.parametrize("value", [float("nan"), 0.0, 1.0])
def test_a_stream_that_says_nothing_ends_in_no_error(unplanted: Model, value: float) -> None:
    from inspector.show.figures import figures
    from inspector.show.html import render

    report = held(unplanted, 0, lambda x: torch.full_like(x, value), texts_with(4, range(4)))
    for name in report.frames():
        report.frame(name)
    assert figures(report) and "failed in" not in render(report) and not [n for n in report.notes if "failed" in n]
    for part in report.parts:
        assert part.ask("headlines") is not None and part.ask("tiles") is not None

"""What was planted is found, exactly; what wasn't, isn't; and the laws every detector keeps."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch
from conftest import SINKS, SPIKES

from inspector import InspectorError, examine
from inspector.batches import Batch, pad_rows, tokenise
from inspector.detectors.base import installed, load_detectors
from inspector.detectors.massive import thresholds as massive_levels
from inspector.detectors.massive.detector import Massive
from inspector.detectors.measured import Measured, with_sources
from inspector.detectors.schema import Array, Schema
from inspector.detectors.shown import TextTable
from inspector.detectors.sinks import frames as sinks_judge
from inspector.detectors.sinks.detector import Sinks
from inspector.errors import DetectorError, InputError
from inspector.figures.drawing import Drawing
from inspector.models import Model
from inspector.models.attention import WholeAttention
from inspector.records import Finding
from inspector.show.figures import drawings_of
from inspector.show.terminal import text_tables
from inspector.sites import Site
from inspector.testing import TRIGGER, PlantedSpike, check_detector, measure, planted_model, random_texts

AT_START = random_texts(12, 64, 90, trigger=TRIGGER)
IN_MIDDLE = [[*ids[:5], TRIGGER, *ids[5:]] for ids in random_texts(12, 64, 90)]
PLANTED_UNITS = {(layer, s.dim) for s in SPIKES for layer in range(s.layer, 6)}
PLANTED_HEADS = {(s.layer, s.head) for s in SINKS}


def units(findings: Sequence[Finding]) -> set[tuple[int, int | None]]:
    return {(f.layer, f.unit) for f in findings}


@pytest.mark.parametrize(("texts", "position"), [(AT_START, 0), (IN_MIDDLE, 5)], ids=["first token", "mid-sequence"])
def test_planted_spikes_are_found_exactly(planted: Model, texts: list[list[int]], position: int) -> None:
    findings = Massive().judge(measure(Massive(), planted, texts), {TRIGGER: "trigger"})
    assert units(findings) == PLANTED_UNITS
    assert {(f.position, f.token) for f in findings} == {(position, "trigger")}


@pytest.mark.parametrize(("texts", "position"), [(AT_START, 0), (IN_MIDDLE, 5)], ids=["first token", "mid-sequence"])
def test_planted_sinks_are_found_exactly(planted: Model, texts: list[list[int]], position: int | None) -> None:
    findings = Sinks().judge(measure(Sinks(), planted, texts), {TRIGGER: "trigger"})
    assert units(findings) == PLANTED_HEADS
    assert {(f.position, f.token) for f in findings} == {(position, "trigger")}


@pytest.mark.parametrize("seed", range(5))
def test_an_unplanted_model_gives_nothing(seed: int) -> None:
    report = examine(planted_model(seed=seed), AT_START)
    assert report.findings == ()
    assert not len(report.frame("massive.plateaus"))


def test_the_laws_hold_for_massive(planted: Model, unplanted: Model) -> None:
    check_detector(Massive(), (planted, AT_START), (unplanted, AT_START), lambda f: units(f) == PLANTED_UNITS)


def test_the_laws_hold_for_sinks(planted: Model, unplanted: Model) -> None:
    check_detector(Sinks(), (planted, AT_START), (unplanted, AT_START), lambda f: units(f) == PLANTED_HEADS)


def test_check_detector_notices_a_detector_that_counts_padding(planted: Model, unplanted: Model) -> None:
    from inspector.detectors.massive.reducer import MassiveReducer

    class Careless(MassiveReducer):
        def update(self, batch: Batch, site: object, x: torch.Tensor) -> None:
            super().update(Batch(batch.ids, torch.ones_like(batch.real), batch.text), site, x)  # type: ignore[arg-type]

    class CarelessDetector(Massive):
        def reducer(self, model: Model) -> Careless:
            return Careless(model)

    with pytest.raises(AssertionError, match="changes the evidence"):
        check_detector(CarelessDetector(), (planted, AT_START), (unplanted, AT_START), lambda f: True)


def test_check_detector_notices_a_reducer_that_writes(planted: Model, unplanted: Model) -> None:
    from inspector.detectors.massive.reducer import MassiveReducer

    class Writing(MassiveReducer):
        def update(self, batch: Batch, site: object, x: torch.Tensor) -> None:
            super().update(batch, site, x)  # type: ignore[arg-type]
            x.mul_(1.0)

    class WritingDetector(Massive):
        def reducer(self, model: Model) -> Writing:
            return Writing(model)

    with pytest.raises(AssertionError, match="writes to"):
        check_detector(WritingDetector(), (planted, AT_START), (unplanted, AT_START), lambda f: True)


class Overwriting(Massive):
    """Takes the magnitude of everything in place."""

    name = "overwriting"

    def reducer(self, model: Model) -> Any:
        inner = super().reducer(model)

        def update(batch: Batch, site: Any, x: torch.Tensor) -> None:
            x.abs_()

        inner.update = update  # type: ignore[method-assign]
        return inner


def test_a_reducer_that_writes_costs_its_own_part_and_no_other_number(planted: Model) -> None:
    alone = examine(planted, AT_START, ["massive"])
    beside = examine(planted, AT_START, [Overwriting(), Massive()])
    assert beside.findings == alone.findings
    assert any("'overwriting'" in note and "writes to the activations" in note for note in beside.notes)


@pytest.mark.parametrize(
    ("part", "given", "said"),
    [
        ("reducer", None, "gave nothing, not a reducer"),
        ("controls", [], "gave a list, not a mapping"),
        ("controls", {"far": [[999_999]]}, "input 'far': Text 0 has a token id outside"),
        ("controls", {"none": []}, "input 'none':"),
        ("notes", [1], "gave an int among its strs"),
        ("judge", ["spike"], "gave a str among its Findings"),
    ],
)
def test_what_is_of_another_type_costs_its_own_part_and_is_named(
    planted: Model, part: str, given: Any, said: str
) -> None:
    class Odd(Massive):
        name = "odd"

    setattr(Odd, part, lambda self, *args, **more: given)
    report = examine(planted, AT_START, [Odd(), Massive()])
    assert set(examine(planted, AT_START, ["massive"]).findings) <= set(report.findings)
    (note,) = [note for note in report.notes if "'odd'" in note]
    assert f"failed in {part}" in note and said in note


@pytest.mark.parametrize(
    ("part", "given", "said"),
    [
        ("text_tables", lambda self, m: ["a table"], "gave a str among its TextTables"),
        ("text_tables", lambda self, m: iter([TextTable("t", pd.DataFrame(), {}), 3]), "gave an int among its TextT"),
        ("frames", [1], "is a list, not a mapping of names to Frames"),
        ("frames", {"a": pd.DataFrame()}, "'a' is a DataFrame, not a Frame"),
        ("figures", lambda self, m: {"f": Drawing(go.Figure, ("odd.plateus",))}, "there is no frame 'odd.plateus'"),
    ],
)
def test_what_shows_another_type_is_named_where_it_would_be(planted: Model, part: str, given: Any, said: str) -> None:
    odd = type("Odd", (Massive,), {"name": "odd", part: given})()
    report = examine(planted, AT_START, [odd])
    shown = Measured(odd, report)
    with pytest.raises(DetectorError, match=re.escape(said)):
        _ = drawings_of(shown) if part == "figures" else list(text_tables(shown)) and shown.frames


def test_the_laws_hold_evidence_against_its_schema(planted: Model, unplanted: Model) -> None:
    class Promising(Massive):
        schema = Schema({"nothing": Array(("layer",))})

    with pytest.raises(AssertionError, match=r"schema refuses its evidence.*'nothing'"):
        check_detector(Promising(), (planted, AT_START), (unplanted, AT_START), lambda f: True)


def test_evidence_that_could_not_be_opened_again_is_not_saved(planted: Model) -> None:
    class Promising(Massive):
        name = "promising"
        schema = Schema({"nothing": Array(("layer",))})

    report = examine(planted, AT_START, [Promising(), Massive()])
    assert "promising" not in report.evidence
    assert any("has no array 'nothing'" in note for note in report.notes)


def test_the_writer_of_a_planted_spike_is_the_planted_neuron(planted: Model) -> None:
    report = examine(planted, AT_START, ["massive"])
    writers = report.frame("massive.writers")
    for spike in SPIKES:
        mine = writers[(writers["dim"] == spike.dim) & (writers["layer"] == spike.layer)]
        top = mine[mine["writer"] == "neuron"].iloc[0]
        assert top["neuron"] == 0
        assert top["share"] == pytest.approx(1.0, abs=0.02)
        assert top["value"] == pytest.approx(spike.value, rel=0.1)


def test_a_planted_plateau_begins_at_its_step_up_block_and_runs_to_the_end(planted: Model) -> None:
    plateaus = examine(planted, AT_START, ["massive"]).frame("massive.plateaus").set_index("dim")
    assert plateaus.loc[5, ["first", "last"]].tolist() == [2, 5]
    assert plateaus.loc[9, ["first", "last"]].tolist() == [4, 5]
    assert plateaus["step_down"].isna().all()
    assert bool(plateaus.loc[5, "main"])
    assert not bool(plateaus.loc[9, "main"])


def test_spike_tokens_of_different_texts_point_the_same_way_after_the_norm(planted: Model) -> None:
    directions = examine(planted, AT_START, ["massive"]).frame("massive.directions").set_index("layer")
    assert directions.loc[3:, "cosine"].min() > 0.99
    assert directions.loc[3:, "cosine_last_token"].max() < 0.9


def test_flagged_entries_spoil_int8_and_leaving_them_out_mends_it(planted: Model) -> None:
    layers = examine(planted, AT_START, ["massive"]).frame("massive.layers")
    hit, clean = layers[layers["n_flagged"] > 0], layers[layers["n_flagged"] == 0]
    assert (hit["int8_error"] > 10 * hit["int8_error_without"]).all()
    assert np.allclose(clean["int8_error"], clean["int8_error_without"], rtol=0.05)


def test_small_spikes_are_missed_by_the_definition_and_found_scale_free() -> None:
    model = planted_model([PlantedSpike(2, 5, value=90.0)])
    report = examine(model, AT_START, ["massive"])
    assert report.findings == ()
    assert units(report.judge(massive=massive_levels.SCALE_FREE).findings) == {(layer, 5) for layer in range(2, 6)}


def test_nan_is_a_finding_and_enters_no_statistic(unplanted: Model) -> None:
    clean = examine(unplanted, AT_START).frame("massive.layers")
    point = unplanted.bridge.blocks[3].hook_out

    def poison(x: torch.Tensor, hook: object) -> torch.Tensor:
        x = x.clone()
        x[:, 2, 4] = float("nan")
        x[:, 3, 1] = float("inf")
        return x

    handle = point.add_hook(poison)
    try:
        report = examine(unplanted, AT_START)
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)
    broken = [f for f in report.findings if f.kind == "nonfinite"]
    assert [f.layer for f in broken] == [3, 4, 5]
    assert broken[0].position == 2
    assert broken[0].verdict == "observed"
    layers = report.frame("massive.layers")
    assert layers.loc[3, "n_entries"] == clean.loc[3, "n_entries"] - 2 * 32 * len(AT_START)
    assert np.isfinite(layers.loc[:3, ["max", "median", "kurtosis"]].to_numpy()).all()
    assert any("NaN or infinity" in note for note in report.notes)
    assert any("rates are over what remains" in note for note in report.notes)


@pytest.mark.parametrize(("pattern", "rate"), [("uniform", 0.0), ("first", 1.0)])
def test_uniform_attention_scores_0_and_all_to_the_first_key_1(unplanted: Model, pattern: str, rate: float) -> None:
    rows = tokenise(None, random_texts(4, 64, 64), bos=None, window=100)
    batch = pad_rows(rows)
    causal = torch.ones(64, 64).tril()
    whole = causal / causal.sum(-1, keepdim=True) if pattern == "uniform" else torch.eye(64)[0].expand(64, 64)
    reducer = Sinks().reducer(unplanted)
    for layer in range(unplanted.shape.layers):
        for block in WholeAttention(whole.expand(4, 4, 64, 64), torch.ones(4, 4, 64)).blocks(batch.real):
            reducer.update(batch, Site("attention", layer), block)
    evidence = with_sources(reducer.evidence(), rows, unplanted.card)
    keys = sinks_judge.keys(evidence, sinks_judge.Thresholds())
    assert keys["sink_rate"].iloc[0] == rate
    entropy = sinks_judge.heads(evidence, {}, sinks_judge.Thresholds())["entropy"].iloc[0]
    expected = np.log(np.arange(1, 65)).mean() if pattern == "uniform" else 0.0
    assert entropy == pytest.approx(expected, abs=1e-4)
    if pattern == "first":
        assert keys["received"].iloc[0] == pytest.approx(1.0)


def test_the_sink_rate_of_a_long_text_is_that_of_its_first_64_tokens(llama: Model) -> None:
    long = random_texts(6, 90, 120)
    cut = [ids[:64] for ids in long]
    a, b = (examine(llama, texts, ["sinks"]).frame("sinks.keys") for texts in (long, cut))
    np.testing.assert_allclose(a["received"], b["received"], rtol=1e-4)
    np.testing.assert_allclose(a["sink_rate"], b["sink_rate"])


def test_texts_too_short_for_a_rate_are_in_none(llama: Model) -> None:
    short, long = random_texts(3, 5, 9), random_texts(4, 64, 70)
    mixed = examine(llama, [*long, *short], ["sinks"])
    alone = examine(llama, long, ["sinks"])
    np.testing.assert_allclose(mixed.frame("sinks.keys")["received"], alone.frame("sinks.keys")["received"], rtol=1e-4)
    assert any("3 of 7 sequences have fewer than 64 tokens" in note for note in mixed.notes)
    only_short = examine(llama, short, ["sinks"])
    assert only_short.findings == ()
    assert only_short.frame("sinks.heads")["sink_rate"].isna().all()


def test_windows_of_one_text_do_not_narrow_an_interval(llama: Model) -> None:
    text = [random_texts(1, 80, 80)[0] * 3]
    heads = examine(llama, text, ["sinks"], window=60).frame("sinks.heads")
    assert heads["low"].isna().all()
    assert heads["received"].notna().all()


def test_both_controls_run_with_every_scan_and_depend_only_on_the_seed(llama: Model) -> None:
    texts = random_texts(2, 64, 70)
    one, same, other = (examine(llama, texts, ["sinks"], seed=s) for s in (1, 1, 2))
    assert one.frame("sinks.controls")["input"].tolist() == ["texts", "random", "repeated"]
    for name in ("sinks.random", "sinks.repeated"):
        received = [report.evidence[name]["received"] for report in (one, same, other)]
        assert (received[0] == received[1]).all()
        assert not (received[0] == received[2]).all()


def test_a_threshold_that_the_scan_did_not_count_is_refused(llama: Model) -> None:
    report = examine(llama, random_texts(2, 64, 70), ["sinks"])
    with pytest.raises(InputError, match=r"epsilon is 0\.33"):
        report.judge(sinks={"epsilon": 0.33})


def test_the_value_norm_is_that_of_the_heads_own_key(unplanted: Model) -> None:
    reducer = Sinks().reducer(unplanted)
    rows = tokenise(None, random_texts(2, 64, 64), bos=None, window=100)
    batch = pad_rows(rows)
    whole = torch.eye(64)[[0] + [1] * 63].expand(2, 4, 64, 64)  # everything goes to key 1
    norms = torch.ones(2, 4, 64)
    norms[:, :, 0], norms[:, :, 1] = 5.0, 0.25
    for block in WholeAttention(whole, norms).blocks(batch.real):
        reducer.update(batch, Site("attention", 0), block)
    heads = sinks_judge.heads(with_sources(reducer.evidence(), rows, unplanted.card), {}, sinks_judge.Thresholds())
    assert heads["key"].tolist() == [1] * 4
    assert heads["value_norm_ratio"].to_numpy() == pytest.approx(0.25 * 63 / (62 + 5.0))


def test_entropy_beside_a_very_strong_sink_keeps_its_digits(unplanted: Model) -> None:
    reducer = Sinks().reducer(unplanted)
    rows = tokenise(None, random_texts(1, 64, 64), bos=None, window=100)
    batch = pad_rows(rows)
    causal = torch.ones(64, 64).tril()
    causal[:, 0] = 1e9  # all but a billionth goes to key 0, the rest is even
    whole = (causal / causal.sum(-1, keepdim=True)).expand(1, 4, 64, 64)
    for block in WholeAttention(whole, torch.ones(1, 4, 64)).blocks(batch.real):
        reducer.update(batch, Site("attention", 0), block)
    e = reducer.evidence()
    assert e["entropy_rest"][0, 0, 0] == pytest.approx(np.log(np.arange(1, 64)).mean(), rel=1e-3)
    assert e["self_rest"][0, 0, 0] == pytest.approx((1 / np.arange(1, 64)).mean(), rel=1e-3)


def test_evidence_of_two_models_does_not_merge(planted: Model, unplanted: Model) -> None:
    shards = [measure(Massive(), m, AT_START[:2], first_text=i * 2) for i, m in enumerate((planted, unplanted))]
    with pytest.raises(InspectorError, match="models or settings differ"):
        shards[0].merge(shards[1])


def test_a_report_with_a_detector_that_is_not_installed_can_be_judged_again(planted: Model) -> None:
    class Other(Massive):
        name = "other"

    report = examine(planted, AT_START, [Other(), Sinks()])
    again = report.judge(sinks={"epsilon": 0.95})
    kept, before = ([f for f in r.findings if f.detector == "massive"] for r in (again, report))
    assert kept == before != []
    assert {f.threshold for f in again.findings if f.detector == "sinks"} == {0.95}
    with pytest.raises(InputError, match="No detector 'other'"):
        report.judge(other={"ratio": 5})


def test_outlier_dims_are_counted_where_llm_int8_quantises(planted: Model) -> None:
    outliers = examine(planted, AT_START, ["massive"]).frame("massive.outliers").set_index("dim")
    with torch.no_grad():
        _, cache = planted.bridge.run_with_cache(torch.tensor([AT_START[0]]))
    report = examine(planted, AT_START[:1], ["massive"]).frame("massive.outliers").set_index("dim")
    normed = torch.stack([cache[f"blocks.{layer}.ln1.hook_out"][0] for layer in range(6)])
    share = (normed.abs() >= 6).float().mean(dim=(0, 1))
    np.testing.assert_allclose(report.loc[range(32), "positions"], share, atol=1e-6)
    assert not outliers["outlier"].any()


def test_detectors_come_in_by_the_same_door_as_plugins() -> None:
    assert {"massive", "sinks"} <= set(installed())
    with pytest.raises(InputError, match=r"No detector 'sink'\. There is: .*massive, sinks"):
        load_detectors(["sink"])


def test_a_plugin_that_fails_to_load_is_named_and_the_rest_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from importlib.metadata import EntryPoint

    from inspector.detectors import base

    broken = EntryPoint("broken", "no_such_module:Thing", base.GROUP)
    monkeypatch.setattr(base, "_installed", lambda path: {one.name: one for one in (broken, *installed_entries)})
    names = [detector.name for detector in load_detectors()]
    assert names == ["massive", "sinks"]
    assert "Detector 'broken' of an unknown distribution failed to load" in caplog.text
    with pytest.raises(InputError, match="Detector 'broken'"):
        load_detectors(["broken"])


@pytest.mark.parametrize("name", ["a/b", "two words", "<b>", "a.b", ""])
def test_a_detector_s_name_can_be_part_of_files_and_options(planted: Model, name: str) -> None:
    one = Massive()
    one.name = name
    with pytest.raises(InputError, match="can't be called so"):
        examine(planted, AT_START, [one])


@pytest.mark.parametrize("name", ["other", "a/b", "massive"])
def test_a_detector_is_called_as_its_entry_point_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from importlib.metadata import EntryPoint

    from inspector.detectors import base

    entry = EntryPoint("odd.name" if name == "massive" else name, "test_detectors:Overwriting", base.GROUP)
    monkeypatch.setattr(base, "_installed", lambda path: {entry.name: entry})
    with pytest.raises(InputError, match="they must be the same"):
        load_detectors([entry.name])


installed_entries = [entry for entry in installed().values() if entry.name in ("massive", "sinks")]

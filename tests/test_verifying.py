"""Verification: planted causes are confirmed, others not, and the model is as it was."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SINKS, SPIKES
from documented import undocumented
from fixtures_runs import TEXTS
from fixtures_tiny import loaded

from inspector import Report, examine, open_run, verify
from inspector.batches import Batch, tokenise
from inspector.detectors.effects_text import change
from inspector.detectors.massive.detector import Massive
from inspector.detectors.massive.reducer import MassiveReducer
from inspector.detectors.trials import Planned
from inspector.errors import InputError, RunError
from inspector.interventions.trial import Doses, Trial, once
from inspector.interventions.values import Intervention, scale
from inspector.interventions.values import ablate_output as drop
from inspector.interventions.values import zero_ablate as zero
from inspector.models import Model
from inspector.records import Claim, Effect, Verdict
from inspector.sites import Site
from inspector.testing.planted import PlantedSpike, planted_model, random_texts
from inspector.verification.plan import checked_plan
from inspector.verification.text_bench import TextBench
from inspector.verification.trials import Outcomes, run
from inspector.verification.verdicts import ENOUGH, judged


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.slow if seed > 3 else ()) for seed in range(20)])
def test_a_planted_cause_is_confirmed_and_an_unplanted_one_is_not(seed: int) -> None:
    spike = PlantedSpike(layer=2, dim=5)
    model = planted_model([spike], seed=seed)
    rng = np.random.default_rng(seed)
    others = [dim for dim in range(32) if dim not in (0, spike.dim)]
    unplanted = int(rng.choice(others))
    pool = [dim for dim in others if dim != unplanted]

    def zeroed(dim: int) -> Doses:
        return once(zero(Site("resid_post", spike.layer), (dim,), (0,)))

    texts = random_texts(10, 64, 70, seed=seed, trigger=7)
    outcomes = Outcomes(TextBench(model, tokenise(None, texts, bos=None, window=96)))
    verdicts = {}
    for name, dim in (("planted", spike.dim), ("unplanted", unplanted)):
        twins = tuple(zeroed(twin) for twin in pool)  # 29: with so few dims each is a family of its own
        (effect,) = run(outcomes, [Trial(name, "zero", zeroed(dim), twins, {"kl": "change"})])
        verdicts[name] = effect.verdict
    assert verdicts["planted"] == "confirmed"
    assert verdicts["unplanted"] in ("undecided", "not specific")  # ten texts refute nothing


def test_a_verified_scan_has_effects_with_twins_intervals_and_reasons(verified: Report) -> None:
    effects = verified.frame("effects")
    assert set(effects["op"]) == {"zero", "zero, as far", "mean", "drop", "hide", "hide all"}
    # Two of the four layers that write nothing can be left out in six ways, and none counts twice.
    twins = effects.groupby("op")["twins"].first().to_dict()
    assert twins == {"zero": 20, "zero, as far": 20, "mean": 20, "drop": 6, "hide": 20, "hide all": 20}
    assert (effects["n"] == 12).all()
    few = effects[effects["twins"] < 20]
    assert few["reason"].str.contains("insufficient data").all()
    assert effects["reason"].str.len().min() > 10
    known = effects.dropna(subset=["low"])
    assert (known["low"] <= known["change"]).all() and (known["change"] <= known["high"]).all()
    assert effects["q"].dropna().between(1 / 21, 1).all()


def test_every_table_of_a_verified_scan_and_its_columns_are_documented(verified: Report) -> None:
    tables = [name for name in verified.frames() if not name.startswith("evidence.")]
    assert {"effects", "spike_sink"} <= set(tables)
    for name in tables:
        assert not undocumented(name, verified.frame(name)), name


def test_the_dropped_writer_takes_the_spike_away(verified: Report) -> None:
    ways = verified.frame("spike_sink").set_index("done")
    assert ways.loc["untouched", "here"] > 1000 > ways.loc["writers dropped", "here"]
    assert (ways["here"] <= ways["largest"]).all() and (ways["any_sink"] >= ways["sink_rate"]).all()


def test_verdicts_of_the_test_reach_the_findings_and_survive_judging(verified: Report, tmp_path: Path) -> None:
    tested = {(one.detector, one.unit): one.verdict for one in verified.verdicts}
    heads = {("sinks", sink.head) for sink in SINKS}
    assert tested.keys() == {("massive", spike.dim) for spike in SPIKES} | heads
    assert {tested[head] for head in heads} == {"undecided"}  # 1e-8 nats, and twelve texts to say so
    opened = open_run(verified.save(tmp_path / "run")).judge(massive={"ratio": 500})
    for finding in opened.findings:
        if finding.position == 0:
            assert finding.verdict == tested[finding.detector, finding.unit]
    assert opened.frame("effects").equals(verified.frame("effects"))


def test_the_model_is_as_it_was_to_the_bit(planted: Model, verified: Report) -> None:
    """As one that was made now, and that nothing was ever done to."""
    assert verified.effects
    untouched, ids = planted_model(SPIKES, SINKS), torch.tensor([TEXTS[0]])
    assert (planted.logits(ids) == untouched.logits(ids)).all()
    hooks, expected = (
        [len(point.fwd_hooks) for point in model.bridge.hook_dict.values()] for model in (planted, untouched)
    )
    assert hooks == expected


def test_the_same_seed_gives_the_same_effects_and_nothing_is_measured_twice(
    planted: Model, scanned: Report, tmp_path: Path
) -> None:
    log, said = tmp_path / "texts.jsonl", []
    first = verify(scanned, planted, TEXTS[:16], twins=20, folder=tmp_path, on_forecast=said.append)
    lines = log.read_text(encoding="utf-8").splitlines()
    keys = [json.loads(line)[0] for line in lines]
    assert len(keys) == len(set(keys)) > 20
    known = verify(scanned, planted, TEXTS[:16], twins=20, folder=tmp_path, on_forecast=said.append)
    assert log.read_text(encoding="utf-8").splitlines() == lines
    assert " passes, about 1 min" in said[0] and said[1].startswith("all passes are known")
    fresh = verify(scanned, planted, TEXTS[:16], twins=20)
    assert first.frame("effects").equals(known.frame("effects"))
    assert first.frame("effects").equals(fresh.frame("effects"))


def test_an_outcome_of_nothing_is_the_untouched_one(planted: Model) -> None:
    bench = TextBench(planted, tokenise(None, TEXTS[:4], bos=None, window=96))
    untouched = bench.outcome((), ["loss", "kl"])
    assert np.allclose(untouched["kl"], 0, atol=1e-6)
    logits = planted.logits(torch.tensor([TEXTS[0]]))[0, :-1].log_softmax(dim=-1)
    expected = -logits.gather(1, torch.tensor(TEXTS[0][1:]).unsqueeze(1)).mean()
    assert untouched["loss"][0] == pytest.approx(float(expected), abs=1e-5)
    dropped = bench.outcome((drop(Site("mlp_out", 1)),), ["kl"])
    assert dropped.keys() == {"kl"} and (dropped["kl"] > 0).all()


@pytest.mark.parametrize(
    ("change", "p", "claim", "verdict"),
    [
        ((2.0, 1.5, 2.5), 0.02, "change", "confirmed"),
        ((2.0, 1.5, 2.5), 0.5, "none", "refuted"),
        ((0.01, 0.005, 0.02), 0.02, "none", "confirmed"),
        ((0.0, -0.1, 0.1), 0.9, "none", "undecided"),
        ((0.0, -0.1, 0.1), 0.9, "change", "undecided"),  # within what controls do, and no more is known
        ((0.0, -0.01, 0.01), 0.9, "change", "refuted"),
        ((0.01, 0.005, 0.02), 0.2, "change", "negligible"),
        ((0.01, 0.005, 0.02), 0.02, "change", "negligible"),  # little, for all that it is more than controls do
        ((0.01, 0.005, 0.02), 0.02, "rise", "negligible"),
        ((-0.01, -0.02, -0.005), 0.02, "rise", "refuted"),
        ((0.0, -0.2, 0.2), 0.9, "change", "undecided"),
        ((2.0, 1.5, 2.5), 0.2, "change", "not specific"),
        ((2.0, -0.5, 4.5), 0.02, "change", "undecided"),
        ((2.0, np.nan, np.nan), 0.02, "change", "undecided"),
        ((2.0, 1.5, 2.5), 0.02, "rise", "confirmed"),
        ((-2.0, -2.5, -1.5), 0.02, "rise", "refuted"),
        ((-2.0, -2.5, -1.5), 0.02, "fall", "confirmed"),
        ((2.0, 1.5, 2.5), 0.02, "fall", "refuted"),
    ],
)
def test_a_verdict_needs_interval_twins_and_direction(
    change: tuple[float, float, float], p: float, claim: Claim, verdict: str
) -> None:
    nan = float("nan")
    effect = Effect("dim", "zero", "loss", *change, 0.0, -0.1, 0.1, ENOUGH, p, nan, twins=20, claim=claim, worst=0.1)
    (judged_one,) = judged([effect])
    assert judged_one.q == p
    assert judged_one.verdict == verdict, judged_one.reason


@pytest.mark.parametrize("claim", ["none", "change"])
@pytest.mark.parametrize(
    ("n", "worst", "verdict"), [(58, 0.1, "undecided"), (59, 1.1, "undecided"), (59, 0.1, "no change")]
)
def test_no_change_takes_enough_inputs_and_no_terrible_one(claim: Claim, n: int, worst: float, verdict: str) -> None:
    ends, nan = (0.0, -0.01, 0.01), float("nan")
    effect = Effect("dim", "mean", "loss", *ends, 0.0, -0.1, 0.1, n, 0.9, nan, twins=20, claim=claim, worst=worst)
    (found,) = judged([effect])
    assert found.verdict == (verdict if verdict == "undecided" else {"none": "confirmed", "change": "refuted"}[claim])
    assert verdict != "undecided" or re.search(r"takes 59|one input changes by 1.1", found.reason)


@pytest.mark.parametrize("claim", ["none", "change"])
def test_a_change_that_costs_one_text_in_twenty_dearly_is_neither_harmless_nor_refuted(claim: Claim) -> None:
    rng, wrong = np.random.default_rng(0), 0
    doses = [once(zero(Site("resid_post", 1), (dim,))) for dim in range(21)]
    trial = Trial("dim 0", "mean", doses[0], tuple(doses[1:]), {"loss": claim})
    for _ in range(200):
        costs = np.where(rng.random(64) < 0.05, 1.5, 0.0) + 0.01 * rng.normal(size=64)
        (found,) = run(Outcomes(Costly(costs)), [trial])
        wrong += found.verdict == {"none": "confirmed", "change": "refuted"}[claim]
    assert wrong <= 16  # 5 % of studies, and what 200 of them leave open


def test_a_change_that_leaves_one_text_without_a_value_is_not_called_harmless() -> None:
    doses = [once(zero(Site("resid_post", 1), (dim,))) for dim in range(21)]
    trial = Trial("dim 0", "mean", doses[0], tuple(doses[1:]), {"loss": "none"})
    costs = np.full(64, 1e-4) * np.random.default_rng(0).normal(size=64)
    (found,) = run(Outcomes(Costly(costs)), [trial])
    assert found.verdict == "confirmed"
    costs[5] = np.inf
    (found,) = run(Outcomes(Costly(costs)), [trial])
    assert found.verdict == "undecided" and "no finite value" in found.reason


def test_only_what_lacks_inputs_is_measured_on_more(monkeypatch: pytest.MonkeyPatch) -> None:
    doses = [once(zero(Site("resid_post", 1), (dim,))) for dim in range(21)]
    trial = Trial("dim 0", "mean", doses[0], tuple(doses[1:]), {"loss": "none"})
    bench = Costly(np.linspace(-0.01, 0.01, 16), more=np.linspace(-0.01, 0.01, 64))
    (found,) = run(Outcomes(bench), [trial])
    assert (found.verdict, found.n) == ("confirmed", 64)
    unsure = np.linspace(-0.15, 0.19, 16)  # 0.02 on average, in an interval that is wider than the margin
    (found,) = run(Outcomes(Costly(unsure, more=np.linspace(-0.01, 0.01, 64))), [trial])
    assert (found.verdict, found.n) == ("confirmed", 64)
    (found,) = run(Outcomes(Costly(unsure, more=np.tile(unsure, 4))), [replace(trial, claims={"loss": "change"})])
    assert (found.verdict, found.n) == ("undecided", 16)
    (found,) = run(Outcomes(Costly(np.linspace(0.3, 0.5, 16), more=np.zeros(64))), [trial])
    assert (found.verdict, found.n) == ("refuted", 16)


class Costly:
    """A bench on which the intervention on dim 0 costs each text its own, and on others a little on average."""

    def __init__(self, costs: np.ndarray, more: np.ndarray | None = None) -> None:
        self.costs, self.name = costs, f"costly {len(costs)}"
        self.wider = None if more is None else Costly(more)

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> dict[str, np.ndarray]:
        (unit,) = interventions[0].units if interventions else (None,)
        by = {None: 0.0, 0: self.costs}.get(unit, 0.01 * (unit or 0))
        return dict.fromkeys(metrics, 3.0 + by + np.zeros(len(self.costs)))


class Numbered:
    """A bench on which the intervention on dim d changes the loss by the d-th of these amounts."""

    name = "numbered"

    def __init__(self, changes: Sequence[float]) -> None:
        self.changes = changes

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> dict[str, np.ndarray]:
        by = sum(self.changes[unit] for one in interventions for unit in one.units or ())
        return dict.fromkeys(metrics, np.full(12, 1.0 + by))


def test_a_twin_that_gives_nan_counts_as_one_that_changes_as_much() -> None:
    doses = [once(zero(Site("resid_post", 1), (dim,))) for dim in range(21)]
    trial = Trial("dim 0", "zero", doses[0], tuple(doses[1:]), {"loss": "change"})
    (calm,) = run(Outcomes(Numbered([0.5, *[0.1] * 20])), [trial])
    (nan,) = run(Outcomes(Numbered([0.5, *[np.nan] * 5, *[0.1] * 15])), [trial])
    assert calm.p == pytest.approx(1 / 21) and calm.verdict == "confirmed"
    assert nan.p == pytest.approx(6 / 21) and nan.verdict == "not specific"
    assert nan.twin_change == pytest.approx(0.1)


def test_what_does_not_show_in_the_measured_texts_is_not_tested(planted: Model, scanned: Report) -> None:
    without = random_texts(24, 64, 70, seed=3)
    found = verify(scanned, planted, without, twins=20)
    assert not found.effects and all(one.verdict == "candidate" for one in found.findings)
    assert any(f"{len(SPIKES)} spikes and {len(SINKS)} sink heads" in note for note in found.notes)


def test_outcomes_of_other_texts_are_not_taken_for_these(planted: Model, tmp_path: Path) -> None:
    heads, others = examine(planted, TEXTS, ["sinks"]), random_texts(16, 64, 70, seed=5, trigger=7)
    these = verify(heads, planted, TEXTS[:16], twins=20, heads=1, folder=tmp_path).frame("effects")
    beside = verify(heads, planted, others, twins=20, heads=1, folder=tmp_path).frame("effects")
    fresh = verify(heads, planted, others, twins=20, heads=1).frame("effects")
    assert beside.equals(fresh) and not beside.equals(these)


def test_a_log_that_can_not_be_written_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RunError, match="can't be written"):
        Outcomes(Numbered([0.0]), tmp_path / "file" / "log.jsonl").of((), ["loss"])


def test_q_is_over_the_targets_of_one_op_metric_and_claim() -> None:
    def effect(target: str, op: str, p: float) -> Effect:
        return Effect(target, op, "loss", 2.0, 1.5, 2.5, 0.0, -0.1, 0.1, n=12, p=p, q=float("nan"), twins=40)

    effects = [effect("a", "zero", 0.03), effect("b", "zero", 0.5), effect("a", "hide", 0.03)]
    found = judged(effects)
    assert [one.q for one in found] == [0.06, 0.5, 0.03]
    assert [one.verdict for one in found] == ["undecided", "not specific", "confirmed"]


class Scripted:
    """A bench that knows what it answers."""

    name = "scripted"

    def __init__(self) -> None:
        self.asked = 0

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> dict[str, np.ndarray]:
        self.asked += 1
        dose = interventions[0].value if interventions else 1.0
        assert isinstance(dose, float)
        return {"loss": np.array([1.0, 2.0, float("nan")]) * dose + np.array([5.0, 0.0, 0.0])}


def _doses(*alphas: float) -> Doses:
    return {alpha: (scale(Site("neuron", 0), (1,), alpha),) for alpha in alphas}


def test_with_doses_the_effect_is_the_slope_and_with_one_the_difference() -> None:
    outcomes = Outcomes(Scripted())
    slopes = outcomes.slopes(_doses(0.0, 0.5, 3.0), 1.0, ["loss"])["loss"]
    assert slopes[:2] == pytest.approx([1.0, 2.0]) and np.isnan(slopes[2])
    once_more = outcomes.slopes({2.0: _doses(3.0)[3.0]}, 0.0, ["loss"])["loss"]
    assert once_more[:2].tolist() == [1.0, 2.0]  # (3 − 1) · value over two units of dose


def test_an_outcome_is_measured_once_and_found_again_after_a_kill(tmp_path: Path) -> None:
    log = tmp_path / "outcomes.jsonl"
    bench = Scripted()
    first = Outcomes(bench, log).slopes(_doses(0.0, 3.0), 1.0, ["loss"])
    assert bench.asked == 3
    log.write_text(log.read_text(encoding="utf-8")[:-20], encoding="utf-8")  # killed while it wrote the last line
    again = Outcomes(bench, log)
    assert np.array_equal(again.slopes(_doses(0.0, 3.0), 1.0, ["loss"])["loss"], first["loss"], equal_nan=True)
    assert bench.asked == 4
    log.write_text("{}\n" + log.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(RunError, match="line 1 is damaged"):
        Outcomes(bench, log)


def test_what_can_not_be_verified_is_refused(planted: Model, unplanted: Model, scanned: Report) -> None:
    with pytest.raises(InputError, match="20 or more"):
        verify(scanned, planted, TEXTS, twins=5)
    with pytest.raises(InputError, match="other weights"):
        verify(scanned, loaded("LlamaForCausalLM"), TEXTS)
    with pytest.raises(InputError, match="at least 16"):
        verify(scanned, planted, TEXTS[:10])
    with pytest.raises(InputError, match="Nothing passes"):
        verify(examine(unplanted, TEXTS, ["massive"]), unplanted, TEXTS)


def test_effects_of_one_name_are_not_told_apart_so_they_are_refused() -> None:
    trial = Trial("MLP", "drop", once(), (), {"loss": "rise"}, on=Verdict("mine", 0, 3, 3, None, "undecided"))
    assert checked_plan("mine", Planned((trial,))).trials == (trial,)
    with pytest.raises(ValueError, match="two trials of 'drop' have the target 'MLP'"):
        checked_plan("mine", Planned((trial, replace(trial, on=None))))
    with pytest.raises(ValueError, match="on a finding of 'mine'"):
        checked_plan("other", Planned((trial,)))
    with pytest.raises(TypeError, match="planned a list"):
        checked_plan("mine", [trial])


def test_an_effect_without_an_interval_is_said_without_one() -> None:
    nan = float("nan")
    few = Effect("dim 5", "zero", "loss", 0.646, nan, nan, 0.0, -0.01, 0.02, 3, 0.05, 0.05)
    assert change(few, "loss") == "loss +0.646 (n = 3), matched random controls -0.010 to +0.020"
    nothing = replace(few, twin_low=-0.0001)
    assert change(nothing, "loss") == "loss +0.646 (n = 3), matched random controls +0.000 to +0.020"
    assert change(replace(few, twin_low=nan, twin_high=nan), "loss") == "loss +0.646 (n = 3)"
    assert change(replace(few, low=0.5, high=0.8), "loss").startswith("loss +0.646 [+0.500, +0.800], matched")


def test_a_reducer_that_writes_costs_a_verification_its_own_part(
    planted: Model, scanned: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Writing(MassiveReducer):
        def update(self, batch: Batch, site: Site, x: torch.Tensor) -> None:
            x.abs_()

    monkeypatch.setattr(Massive, "reducer", lambda self, model: Writing(model))
    found = verify(scanned, planted, TEXTS, twins=20)
    assert any("'massive'" in note and "writes to the activations" in note for note in found.notes)
    assert {one.detector for one in found.effects} == {"sinks"}

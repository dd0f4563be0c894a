"""Verification: planted causes are confirmed, others refuted, and the model is as it was."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SPIKES

from inspector import Report, examine, open_run, verify
from inspector.batching import tokenise
from inspector.causal import Bench, Trial, judged, run
from inspector.errors import InputError
from inspector.interventions import drop, zero
from inspector.models import Model
from inspector.planting import PlantedSpike, planted_model, random_texts, tiny_model
from inspector.results import Effect
from inspector.sites import Site

TEXTS = random_texts(24, 64, 70, trigger=7)


@pytest.fixture(scope="module")
def report(planted: Model) -> Report:
    return examine(planted, TEXTS, ["massive", "sinks"])


@pytest.fixture(scope="module")
def verified(planted: Model, report: Report) -> Report:
    return verify(report, planted, TEXTS, twins=20)


@pytest.mark.parametrize("seed", range(20))
def test_a_planted_cause_is_confirmed_and_an_unplanted_one_refuted(seed: int) -> None:
    spike = PlantedSpike(layer=2, dim=5)
    model = planted_model([spike], seed=seed)
    rng = np.random.default_rng(seed)
    others = [dim for dim in range(32) if dim not in (0, spike.dim)]
    unplanted = int(rng.choice(others))
    pool = [dim for dim in others if dim != unplanted]

    def zeroed(dim: int) -> tuple:
        return (zero(Site("resid_post", spike.layer), (dim,), (0,)),)

    bench = Bench(model, tokenise(None, random_texts(10, 64, 70, seed=seed, trigger=7), bos=None, window=96))
    verdicts = {}
    for name, dim in (("planted", spike.dim), ("unplanted", unplanted)):
        twins = tuple(zeroed(twin) for twin in pool)  # 29: with so few dims each is a family of its own
        (effect,) = run(bench, [Trial(name, "zero", zeroed(dim), twins, True, ("kl",))])
        verdicts[name] = effect.verdict
    assert verdicts["planted"] == "confirmed"
    assert verdicts["unplanted"] == "refuted"


def test_a_verified_scan_has_effects_with_twins_intervals_and_reasons(verified: Report) -> None:
    effects = verified.frame("effects")
    assert set(effects["op"]) == {"zero", "mean", "drop"}
    # Two of the four layers that write nothing can be left out in six ways, and none counts twice.
    assert set(effects["twins"]) == {20, 6} and (effects["n"] == 12).all()
    few = effects[effects["twins"] < 20]
    assert set(few["op"]) == {"drop"} and few["reason"].str.contains("insufficient data").all()
    assert effects["reason"].str.len().min() > 10
    known = effects.dropna(subset=["low"])
    assert (known["low"] <= known["change"]).all() and (known["change"] <= known["high"]).all()
    assert effects["q"].dropna().between(1 / 21, 1).all()


def test_the_dropped_writer_takes_the_spike_away(verified: Report) -> None:
    ways = verified.frame("spike_sink").set_index("done")
    assert ways.loc["untouched", "largest"] > 1000 > ways.loc["writers dropped", "largest"]


def test_verdicts_of_the_test_reach_the_findings_and_survive_judging(verified: Report, tmp_path: Path) -> None:
    tested = {one["unit"]: one["verdict"] for one in verified.settings["verified"]}
    assert tested.keys() == {spike.dim for spike in SPIKES}
    opened = open_run(verified.save(tmp_path / "run")).judge(massive={"ratio": 500})
    for finding in opened.findings:
        if finding.detector == "massive" and finding.unit in tested:
            assert finding.verdict == tested[finding.unit]
    assert opened.frame("effects").equals(verified.frame("effects"))


def test_the_model_is_as_it_was_to_the_bit(planted: Model, report: Report) -> None:
    ids = torch.tensor([TEXTS[0]])
    before = planted.logits(ids)
    hooks = [len(point.fwd_hooks) for point in planted.bridge.hook_dict.values()]
    verify(report, planted, TEXTS, twins=20)
    assert (planted.logits(ids) == before).all()
    assert [len(point.fwd_hooks) for point in planted.bridge.hook_dict.values()] == hooks


def test_the_same_seed_gives_the_same_effects(planted: Model, report: Report, verified: Report) -> None:
    again = verify(report, planted, TEXTS, twins=20)
    assert again.frame("effects").equals(verified.frame("effects"))


def test_an_outcome_of_nothing_is_the_untouched_one(planted: Model) -> None:
    bench = Bench(planted, tokenise(None, TEXTS[:4], bos=None, window=96))
    again = bench.outcome(())
    assert (again.loss == bench.untouched.loss).all()
    assert np.allclose(again.kl, 0, atol=1e-6)
    logits = planted.logits(torch.tensor([TEXTS[0]]))[0, :-1].log_softmax(dim=-1)
    expected = -logits.gather(1, torch.tensor(TEXTS[0][1:]).unsqueeze(1)).mean()
    assert bench.untouched.loss[0] == pytest.approx(float(expected), abs=1e-5)
    dropped = bench.outcome((drop(Site("mlp_out", 1)),))
    assert (dropped.kl > 0).all()


@pytest.mark.parametrize(
    ("change", "twins", "q", "expected", "verdict"),
    [
        ((2.0, 1.5, 2.5), (-0.1, 0.1), 0.02, True, "confirmed"),
        ((2.0, 1.5, 2.5), (-0.1, 0.1), 0.02, False, "refuted"),
        ((0.0, -0.1, 0.1), (-0.1, 0.1), 0.9, True, "refuted"),
        ((0.0, -0.1, 0.1), (-0.1, 0.1), 0.9, False, "confirmed"),
        ((2.0, 1.5, 2.5), (-0.1, 0.1), 0.2, True, "refuted"),
        ((2.0, -0.5, 4.5), (-0.1, 0.1), 0.02, True, "undecided"),
        ((2.0, np.nan, np.nan), (-0.1, 0.1), 0.02, True, "undecided"),
    ],
)
def test_a_verdict_needs_interval_twins_and_q(
    change: tuple[float, float, float], twins: tuple[float, float], q: float, expected: bool, verdict: str
) -> None:
    effect = Effect("dim", "zero", "loss", *change, 0.0, *twins, n=12, p=q, q=float("nan"), twins=20)
    (judged_one,) = judged([effect], {("dim", "zero"): expected})
    assert judged_one.q == q
    assert judged_one.verdict == verdict, judged_one.reason


def test_what_can_not_be_verified_is_refused(planted: Model, unplanted: Model, report: Report) -> None:
    with pytest.raises(InputError, match="20 or more"):
        verify(report, planted, TEXTS, twins=5)
    with pytest.raises(InputError, match="other weights"):
        verify(report, tiny_model(), TEXTS)
    with pytest.raises(InputError, match="at least 16"):
        verify(report, planted, TEXTS[:10])
    with pytest.raises(InputError, match="nothing to verify"):
        verify(examine(unplanted, TEXTS, ["massive"]), unplanted, TEXTS)
    with pytest.raises(InputError, match="no evidence"):
        verify(examine(planted, TEXTS, ["sinks"]), planted, TEXTS)

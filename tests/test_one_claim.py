"""One claim at a time: the loss of texts, and the effect of one change beside its controls."""

import math

import numpy as np
import pytest
import torch
from fixtures_tiny import loaded

from inspector import Effect, Site, effect, intervene, loss
from inspector.errors import InputError
from inspector.figures import effect_intervals
from inspector.interventions.means import means
from inspector.interventions.values import (
    Intervention,
    Target,
    ablate_output,
    knock_out_attention,
    mean_ablate,
    zero_ablate,
)
from inspector.models import Model
from inspector.testing import PlantedSpike, planted_model, random_texts
from inspector.verification.one_claim import _control

TEXTS = random_texts(34, 70, 90, trigger=7)
SPIKE = zero_ablate(Site("resid_post", 3), units=(5,), positions=(0,))


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model([PlantedSpike(2, 5)])


def test_the_loss_is_the_mean_negative_log_likelihood(model: Model) -> None:
    table = loss(model, TEXTS[:4], window=40)
    cut = [ids[start : start + 40] for ids in TEXTS[:4] for start in range(0, len(ids), 40)]
    assert table["tokens"].tolist() == [len(ids) - 1 for ids in cut]
    ids = torch.tensor([cut[3]])
    logp = model.logits(ids)[0].log_softmax(dim=-1)
    expected = -logp[:-1].gather(1, ids[0, 1:, None]).mean()
    assert table["loss"][3] == pytest.approx(float(expected), abs=1e-5)
    assert table["perplexity"][3] == pytest.approx(math.exp(float(expected)), rel=1e-4)


def test_the_loss_of_a_changed_model_is_its_own(model: Model) -> None:
    with intervene(model, SPIKE):
        assert (loss(model, TEXTS[:3])["loss"] != loss(planted_model([PlantedSpike(2, 5)]), TEXTS[:3])["loss"]).all()


def test_an_effect_is_the_paired_change_beside_its_controls(model: Model) -> None:
    found = effect(model, SPIKE, TEXTS, metric="kl")
    assert isinstance(found, Effect) and found.twins == 20 and found.metric == "kl" and found.op == "zero"
    assert found.change > 10 * abs(found.twin_high) and found.p == pytest.approx(1 / 21) and found.q == found.p
    assert found.verdict in ("confirmed", "negligible") and found.reason
    change = effect(model, SPIKE, TEXTS, controls=0)
    rows = [ids[:64] for ids in TEXTS[0::2]]
    with intervene(model, SPIKE):
        after = loss(model, rows)["loss"]
    assert change.change == pytest.approx(float((after - loss(model, rows)["loss"]).mean()), abs=1e-5)
    assert effect_intervals(found.frame(), "kl").data


def test_the_same_seed_gives_the_same_effect(model: Model) -> None:
    one, again, other = (effect(model, SPIKE, TEXTS, controls=3, seed=seed) for seed in (0, 0, 1))
    assert one == again and one.twin_change != other.twin_change


@pytest.mark.parametrize(
    "changed",
    [
        [SPIKE],
        [zero_ablate(Site("resid_post", layer), units=(5, 9), positions=(0,)) for layer in (2, 3)],
        [knock_out_attention(1, (2,), (0,))],
        [ablate_output(Site("mlp_out", 4)), ablate_output(Site("mlp_out", 2))],
    ],
)
def test_a_control_is_the_same_done_to_others(model: Model, changed: list[Intervention]) -> None:
    for seed in range(20):
        made = _control(model, changed, np.random.default_rng(seed))
        for one, control in zip(changed, made, strict=True):
            assert (one.op, one.positions, one.site.kind) == (control.op, control.positions, control.site.kind)
            if one.units is None:
                assert control.site.layer not in {each.site.layer for each in changed}
            else:
                assert control.site == one.site and len(control.units or ()) == len(one.units)
                assert not set(control.units or ()) & set(one.units)
        assert len({tuple(one.units or ()) for one in made}) == len({tuple(one.units or ()) for one in changed})


def test_controls_of_a_mean_ablation_have_means_of_their_own(model: Model) -> None:
    from inspector.batches import batches, tokenise

    rows = tokenise(None, [ids[:64] for ids in TEXTS[1::2]], bos=None, window=64)
    (mean,) = means(model, batches(rows, 1024), [Target(SPIKE.site, SPIKE.units, SPIKE.positions)])
    found = effect(model, mean_ablate(mean), TEXTS, claim="none")
    assert abs(found.change) < 0.05 and abs(found.twin_change) < 0.05


def test_controls_are_all_different_and_as_many_as_there_are(model: Model) -> None:
    found = effect(model, knock_out_attention(1, (2,), (0,)), TEXTS)
    assert found.twins == model.shape.heads - 1 and found.verdict == "undecided"
    assert effect(model, SPIKE, TEXTS, metric="kl").twins == 20


def test_a_metric_that_a_detector_brings_can_be_asked_for() -> None:
    found = effect(loaded("LlamaForCausalLM"), ablate_output(Site("mlp_out", 1)), TEXTS, controls=1, metric="sink_rate")
    assert found.metric == "sink_rate" and np.isfinite(found.change)


def test_what_can_not_be_tested_is_refused_in_one_line(model: Model) -> None:
    every = zero_ablate(Site("resid_post", 3), units=range(32))
    for changed, options, said in (
        ([], {}, r"Give an intervention"),
        (SPIKE, {"controls": -1}, r"got -1 for controls\. Pass a whole number of 0 or more"),
        (SPIKE, {"seed": True}, r"got True for seed\. Pass a whole number of 0"),
        (zero_ablate(Site("resid_post", 3), (5,), (200,)), {}, r"No text has position 200"),
        (SPIKE, {"claim": "rises"}, r"No claim 'rises'.* Did you mean 'rise'\?"),
        (SPIKE, {"metric": "los"}, r"No metric 'los'.* Did you mean 'loss'\?"),
        (every, {}, r"32 of 32 are changed"),
        (zero_ablate(Site("resid_post", 99), units=(1,)), {}, r"99"),
    ):
        with pytest.raises(InputError, match=said):
            effect(model, changed, TEXTS, **options)
    with pytest.raises(InputError, match="at least 16"):
        effect(model, SPIKE, TEXTS[:8])
    with pytest.raises(InputError, match="second token"):
        loss(model, [[3]])

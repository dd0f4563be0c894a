"""Operations: each is whole in its class, and earlier names go on working with a word about the new ones."""

import warnings
from collections.abc import Callable

import pytest
import torch
from fixtures_tiny import loaded

from inspector import intervene
from inspector.errors import InputError
from inspector.interventions import values
from inspector.interventions.operations import OPERATIONS, Operation, Scale
from inspector.interventions.values import (
    Intervention,
    Mean,
    Target,
    ablate_output,
    as_json,
    from_json,
    knock_out_attention,
    mean_ablate,
    zero_ablate,
)
from inspector.sites import Site

RESID, MLP = Site("resid_post", 1), Site("mlp_out", 1)
MEAN = Mean(Target(RESID, (1,)), (2.0,), 3)
IDS = torch.tensor([[5, 9, 2, 7]])


@pytest.mark.parametrize(
    ("old", "new", "given"),
    [
        ("zero", zero_ablate, (RESID, (1,))),
        ("to_mean", mean_ablate, (MEAN,)),
        ("drop", ablate_output, (MLP, (0,))),
        ("unattend", knock_out_attention, (1, (0,), (0,))),
    ],
)
def test_an_earlier_name_makes_the_same_and_says_what_it_is_called_now(
    old: str, new: Callable[..., Intervention], given: tuple[object, ...]
) -> None:
    with pytest.warns(DeprecationWarning, match=f"'{old}' is now called '{new.__name__}'"):
        made = getattr(values, old)(*given)
    assert made == new(*given)


def test_what_earlier_runs_stored_reads_without_a_warning() -> None:
    stored = (
        '[{"kind": "resid_post", "layer": 1, "op": "zero", "units": [1], "positions": null, "value": null},'
        ' {"kind": "mlp_out", "layer": 1, "op": "drop", "units": null, "positions": [0], "value": null},'
        ' {"kind": "attention", "layer": 1, "op": "unattend", "units": [0], "positions": [0], "value": null},'
        ' {"kind": "resid_post", "layer": 1, "op": "mean", "units": [1], "positions": null, "value": [2.0]}]'
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = from_json(stored)
    made = (zero_ablate(RESID, (1,)), ablate_output(MLP, (0,)), knock_out_attention(1, (0,), (0,)), mean_ablate(MEAN))
    assert read == made
    assert from_json(as_json(made)) == made


def test_every_operation_says_what_it_is_called_for_every_kind_it_can_be_done_to() -> None:
    assert list(OPERATIONS) == [one.name for one in OPERATIONS.values()]
    for one in OPERATIONS.values():
        assert all(one.words(kind) for kind in one.kinds)
    assert [str(one) for one in (zero_ablate(RESID), ablate_output(MLP), knock_out_attention(1, None, (0,)))] == [
        "zero ablation at resid_post 1",
        "MLP ablation at mlp_out 1",
        "attention knockout at attention 1",
    ]


def test_an_operation_of_ones_own_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flip(Scale):
        """Units with the other sign."""

        name = "flip"
        check, idle = Operation.check, Operation.idle

        def apply(self, value: object) -> Callable[..., torch.Tensor]:
            return lambda part, at: -part

    monkeypatch.setitem(OPERATIONS, "flip", Flip())
    model, (one,) = loaded("LlamaForCausalLM"), from_json(as_json([zero_ablate(RESID)]).replace("zero", "flip"))
    with intervene(model, [one]):
        changed = model.logits(IDS)
    point = model.hooks[RESID]
    point.add_hook(lambda x, hook: -x)
    try:
        expected = model.logits(IDS)
    finally:
        point.remove_hooks()
    assert torch.equal(changed, expected)


def test_one_intervention_needs_no_list_around_it() -> None:
    model, one = loaded("LlamaForCausalLM"), zero_ablate(RESID, (1,))
    with intervene(model, [one]):
        expected = model.logits(IDS)
    with intervene(model, one):
        assert torch.equal(model.logits(IDS), expected)
    with intervene(model, iter([one])):
        assert torch.equal(model.logits(IDS), expected)


@pytest.mark.parametrize("given", ["zero", [RESID], [zero_ablate(RESID), 3]])
def test_what_is_no_intervention_is_refused_in_a_line(given: object) -> None:
    message = "Give interventions, such as zero_ablate makes, one or a list of them"
    with pytest.raises(InputError, match=message), intervene(loaded("LlamaForCausalLM"), given):  # type: ignore[arg-type]
        pass


def test_an_intervention_is_settled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    place = values._place
    monkeypatch.setattr(values, "_place", lambda *given: calls.append(given) or place(*given))
    zero_ablate(RESID, (1,))
    assert len(calls) == 1

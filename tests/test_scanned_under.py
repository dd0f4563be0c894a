"""A run says what was changed in the model that it was made on, and isn't taken for a run of another."""

import pytest
from fixtures_tiny import loaded

import inspector
from inspector import Report, Window, compare, evicted, examine, intervene, merge, quantised, verify
from inspector.errors import InputError
from inspector.interventions.values import zero_ablate
from inspector.models import Model
from inspector.sites import Site
from inspector.testing import random_texts

TEXTS, OTHERS = random_texts(20, 70, 90, seed=1), random_texts(20, 70, 90, seed=2)
LOW = {"massive": {"ratio": 2, "magnitude": 0}}


@pytest.fixture(scope="module")
def model() -> Model:
    return loaded("LlamaForCausalLM")


@pytest.fixture(scope="module")
def runs(model: Model) -> dict[str, Report]:
    found = {"unmodified": examine(model, TEXTS, ["massive"], thresholds=LOW)}
    for name, change in {
        "w4a4": quantised(model, "w4a4-tensor"),
        "w8a8": quantised(model, "w8a8-tensor", spared=inspector.Spared(dims=(3,))),
        "window": evicted(model, Window(2, 4)),
        "zero": intervene(model, zero_ablate(Site("resid_post", 1), (5,))),
    }.items():
        with change:
            found[name] = examine(model, OTHERS, ["massive"], thresholds=LOW, first_text=len(TEXTS))
    return found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("w4a4", "quantised to w4a4-tensor"),
        ("w8a8", "quantised to w8a8-tensor, dims spared"),
        ("window", "run with caches of the first 2 and the last 4 keys"),
        ("zero", "zero ablation at resid_post 1, unit 5"),
    ],
)
def test_what_was_changed_is_in_the_run_and_keeps_it_apart(
    model: Model, runs: dict[str, Report], name: str, said: str
) -> None:
    plain, changed = runs["unmodified"], runs[name]
    assert changed.card["fingerprint"] == plain.card["fingerprint"]
    assert any(note.startswith("Scanned under") for note in changed.notes)
    assert compare(plain, changed).unlike[-1] == f"Changed in the model: nothing and {said}."
    for other in (plain, runs["w8a8" if name == "w4a4" else "w4a4"]):
        with pytest.raises(InputError, match=r"can't be merged: what is changed in the model is"):
            merge([changed, other])
    with pytest.raises(InputError, match=f"The run is of {said}, and the model is now unmodified"):
        verify(changed, model, TEXTS)


def test_an_unmodified_run_is_not_verified_on_a_changed_model(model: Model, runs: dict[str, Report]) -> None:
    with quantised(model, "w4a4-tensor"), pytest.raises(InputError, match="the model is now quantised to w4a4"):
        verify(runs["unmodified"], model, TEXTS)


def test_settings_that_can_not_be_read_are_said_to_differ(runs: dict[str, Report]) -> None:
    odd = Report(
        runs["zero"].card,
        {**runs["zero"].settings, "interventions": [{"layer": 3}]},
        runs["zero"].evidence,
        (),
        runs["zero"].tokens,
    )
    assert "changes that can't be read here" in compare(runs["unmodified"], odd).unlike[-1]

"""Sweeps: one table of many models and settings, whatever becomes of one of them."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from fixtures_tiny import loaded

import inspector
from inspector import examine, sweep
from inspector.errors import InputError
from inspector.testing import random_texts, tiny_model

TEXTS = random_texts(9, 20, 90)


def test_a_sweep_is_the_scans_one_by_one_and_goes_on_after_one_that_fails(tmp_path: Path) -> None:
    llama = loaded("LlamaForCausalLM")

    def broken() -> Any:
        raise ValueError("no such\ncheckpoint")

    settings: dict[str, dict[str, Any]] = {"as is": {}, "strict": {"thresholds": {"sinks": {"epsilon": 0.9}}}}
    found = sweep({"llama": llama, "gone": broken, "none": str(tmp_path / "none")}, TEXTS, settings, out=tmp_path)
    assert list(found.table["model"]) == ["llama"] * 2 + ["gone"] * 2 + ["none"] * 2
    assert set(found.reports) == {("llama", "as is"), ("llama", "strict")}
    assert list(found.table["error"])[2:4] == ["ValueError: no such checkpoint"] * 2
    assert all(found.table["error"][4:].str.contains("none")) and "2 scans, 4 failed" in repr(found)
    alone = examine(llama, TEXTS).summary().set_index("number")
    assert len(alone) > 3 and (alone["low"] <= alone["value"]).sum() > 0
    for number, value in alone["value"].items():
        assert found.table[number][0] == pytest.approx(value, nan_ok=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llama-as-is", "llama-strict"]
    kept = inspector.open_run(tmp_path / "llama-strict").settings["thresholds"]
    assert kept == settings["strict"]["thresholds"]
    again = sweep([llama], TEXTS, settings, out=tmp_path)
    assert not again.reports or not any("llama-as-is" in error for error in again.table["error"])


def test_a_model_that_was_made_for_a_sweep_is_gone_after_its_turn() -> None:
    made: list[weakref.ref[Any]] = []

    def make() -> Any:
        gc.collect()
        assert all(one() is None for one in made)
        model = tiny_model("LlamaForCausalLM")
        made.append(weakref.ref(model.bridge))
        return model

    found = sweep({"first": make, "second": make}, TEXTS)
    gc.collect()
    assert len(found.reports) == 2 and [one() for one in made] == [None, None]


@pytest.mark.parametrize(
    ("models", "settings", "said"),
    [
        ([], None, "There are no models"),
        ("smollm2", None, "Give a list of models"),
        (["a"], {"x": {"widow": 3}}, r"Setting 'x' has 'widow'.*Did you mean 'window'"),
    ],
)
def test_what_is_no_sweep_is_refused(models: Any, settings: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sweep(models, TEXTS, settings)

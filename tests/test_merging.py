"""Shards of a corpus, merged, are the scan of the whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures_cli import Command
from fixtures_tiny import loaded, with_words

from inspector import Report, examine, merge, models, open_run
from inspector.errors import InputError, InspectorError
from inspector.models import Model
from inspector.testing import PlantedSink, PlantedSpike, planted_model, random_texts

SLOW = ("GptOssForCausalLM", "GPTJForCausalLM")
TEXTS = [*random_texts(11, 20, 40, trigger=7), *random_texts(3, 90, 91)]  # the last are cut to windows of 64


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model([PlantedSpike(2, 5)], [PlantedSink(1, 2)])


@pytest.fixture(scope="module")
def whole(model: Model) -> Report:
    return examine(model, TEXTS, window=64, batch_tokens=1)


@pytest.fixture(scope="module")
def shards(model: Model) -> list[Report]:
    return [examine(model, TEXTS, window=64, batch_tokens=1, shard=(number, 3)) for number in (1, 2, 3)]


def assert_alike(one: Report, other: Report) -> None:
    """To rounding: sums are added up in another order. Rows are fed alone, else they round as their batch does."""
    assert set(one.frames()) == set(other.frames())
    for name in one.frames():
        pd.testing.assert_frame_equal(one.frame(name), other.frame(name), rtol=1e-4, atol=1e-6, obj=name)
    both = ([replace(found, score=0.0, low=0.0, high=0.0) for found in each.findings] for each in (one, other))
    assert next(both) == next(both)


def test_merged_shards_are_the_whole_in_any_order(whole: Report, shards: list[Report]) -> None:
    for order in (shards, shards[::-1]):
        merged = merge(order)
        assert_alike(merged, whole)
    assert merged.settings == whole.settings and merged.settings["texts"] == len(TEXTS)
    assert [one.settings["texts"] for one in shards] == [5, 5, 4]


@pytest.mark.parametrize(
    "architecture", ["LlamaForCausalLM", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_shards_are_the_whole_for_every_kind_of_attention(architecture: str) -> None:
    model = loaded(architecture)
    parts = [examine(model, TEXTS[:7], batch_tokens=1, shard=(number, 3)) for number in (1, 2, 3)]
    assert_alike(merge(parts), examine(model, TEXTS[:7], batch_tokens=1))


def test_a_saved_merge_is_the_merge_and_can_be_judged_again(
    whole: Report, shards: list[Report], tmp_path: Path
) -> None:
    saved = open_run(merge(shards).save(tmp_path / "whole"))
    assert_alike(saved, whole)
    assert_alike(saved.judge(massive={"ratio": 100}), whole.judge(massive={"ratio": 100}))


def test_notes_say_which_shard_they_are_of(shards: list[Report]) -> None:
    notes = merge(shards).notes
    cut = [note for note in notes if "were cut to windows" in note]
    assert cut and all(note.startswith("Shard ") for note in cut)
    of_model = "Scanned with hooks of yours on the model."
    noted = [replace(one, notes=(of_model, "1 of 4 texts were cut")) for one in shards]
    assert merge(noted).notes[:2] == (of_model, "Shard 1/3: 1 of 4 texts were cut")


def test_what_is_not_one_scan_is_refused_in_one_line(model: Model, whole: Report, shards: list[Report]) -> None:
    other = examine(planted_model(seed=1), TEXTS, window=64, batch_tokens=1, shard=(2, 3))
    for parts, said in (
        ([whole], r"Pass two Reports or more"),
        ([], r"Pass two Reports or more"),
        (shards[:2], r"Shard 3/3 is missing"),
        ([shards[0], other, shards[2]], r"weights is"),
        ([shards[0], replace(shards[1], settings={**shards[1].settings, "bos": "one"})], r"bos is"),
        ([whole, whole], r"text 0 is in both shards"),
        ([*shards[:2], whole], r"others aren't"),
        ([shards[0], replace(shards[1], settings={"detectors": [], "study": {}})], r"can't be merged\. Merge scans"),
    ):
        with pytest.raises(InspectorError, match=said):
            merge(parts)


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0)])
def test_a_shard_that_is_none_is_refused(model: Model, shard: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"shard is \d/\d\. Use 1/"):
        examine(model, TEXTS, shard=shard)


def test_a_shard_without_a_text_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match=r"Shard 3/3 has no text"):
        examine(model, TEXTS[:2], shard=(3, 3))


@pytest.mark.slow
def test_the_commands_scan_shards_and_merge_them(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load_model", lambda *names, **options: with_words(planted_model()))
    runs = [tmp_path / name for name in ("a", "b", "whole", "all")]
    for number, run in enumerate(runs[:2], start=1):
        told = command("examine", "--texts", "5", "--batch-tokens", "1", "--shard", f"{number}/2", "--out", str(run))
        assert told.code == 0, told.err
    assert command("merge", str(runs[0]), str(runs[1]), "--out", str(runs[2])).code == 0
    assert command("examine", "--texts", "5", "--batch-tokens", "1", "--out", str(runs[3])).code == 0
    assert_alike(open_run(runs[2]), open_run(runs[3]))
    alone = command("merge", str(runs[0]), "--out", str(tmp_path / "c"))
    assert alone.code == 2 and alone.err.count("\n") == 1
    odd = command("examine", "--shard", "half", "--out", str(tmp_path / "d"))
    assert odd.code == 2 and "Write --shard 3/16" in odd.err


def test_rows_keep_the_numbers_that_they_have_in_the_whole(whole: Report, shards: list[Report]) -> None:
    for number, one in enumerate(shards):
        table = one.frame("tokens")
        assert set(table["source"] % 3) == {number}
        same = whole.frame("tokens").merge(table, on=["text", "position"], suffixes=("", "_of"))
        assert len(same) == len(table) and (same["id"] == same["id_of"]).all()
    assert np.array_equal(whole.evidence["massive"]["text"], merge(shards).evidence["massive"]["text"])

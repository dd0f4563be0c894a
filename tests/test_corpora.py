"""Texts that stream from files and tables; what a run keeps of them is bounded, and what it says is of all."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fixtures_cli import Command
from fixtures_tiny import with_words
from hypothesis import given, settings
from hypothesis import strategies as st
from test_merging import assert_alike

from inspector import Report, examine, merge, models, open_run
from inspector.detectors.massive.detector import Massive
from inspector.detectors.pooled import FIRST, in_sample, texts_in
from inspector.detectors.sinks.detector import Sinks
from inspector.errors import InputError
from inspector.models import Model
from inspector.stats import poisson_weights, pooled_interval
from inspector.testing import PlantedSink, PlantedSpike, planted_model, random_texts
from inspector.texts import Corpus, entries, expanded

ROWS = ["eins, zwei", "drei\nvier", 'say "five"', "", "sechs"]
SAMPLE = 12


def written(folder: Path, name: str) -> Path:
    """The rows in a file of this kind, in the column `content`."""
    path = folder / name
    table = pd.DataFrame({"id": range(len(ROWS)), "content": ROWS})
    kind = name.split(".")[1]
    if kind == "parquet":
        table.to_parquet(path)
        return path
    lines = "".join(json.dumps({"id": i, "content": row}) + "\n" for i, row in enumerate(ROWS))
    text = lines if kind == "jsonl" else table.to_csv(index=False, sep="\t" if kind == "tsv" else ",")
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith(".zst"):
        path.write_bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "a.csv.zst", "a.jsonl.zst"])
def test_every_kind_of_file_gives_its_rows_in_their_order_and_says_how_far_it_is(tmp_path: Path, name: str) -> None:
    found = list(Corpus((written(tmp_path, name),), "content"))
    assert [one.text for one in found] == [row or None for row in ROWS]
    shares = [one.share for one in found]
    assert shares == sorted(shares) and shares[-1] == 1.0
    with pytest.raises(InputError, match="text"):
        list(Corpus((tmp_path / name,)))


def test_patterns_give_files_by_name_and_one_that_none_has_is_refused(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_text(name)
    assert expanded([tmp_path / "*.txt"]) == (tmp_path / "a.txt", tmp_path / "b.txt")
    with pytest.raises(InputError, match="No file is called"):
        expanded([tmp_path / "*.csv"])


def test_a_file_is_read_no_further_than_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n' * 3 + "no JSON\n")
    reading = iter(Corpus((path,)))
    assert [next(reading).text for _ in range(3)] == ["fine"] * 3
    with pytest.raises(InputError, match="line 4"):
        next(reading)


def test_a_generator_and_a_data_set_are_read_as_they_go() -> None:
    datasets = pytest.importorskip("datasets")
    seen: list[int] = []

    def endless() -> Iterator[str]:
        for number in range(10**9):
            seen.append(number)
            yield f"text {number}"

    reading = iter(entries(endless()))
    assert [next(reading).text for _ in range(2)] == ["text 0", "text 1"] and len(seen) == 2
    made = datasets.Dataset.from_dict({"words": ["one", "two"]})
    for data in (made, made.to_iterable_dataset()):
        assert [one.text for one in entries(data, "words")] == ["one", "two"]


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model([PlantedSpike(2, 5)], [PlantedSink(1, 2)])


TEXTS = [*random_texts(20, 50, 80, trigger=7), *random_texts(1, 90, 91)]  # the last is cut to windows of 64


class Alone(Sinks):
    """Attention sinks without the control inputs, which are most of what a small scan takes."""

    controls = None  # type: ignore[assignment]


HOW = {"detectors": [Massive(), Alone()], "window": 64, "batch_tokens": 1}
"""Rows are fed alone, else they round as their batch does."""


@pytest.fixture(scope="module")
def whole(model: Model) -> Report:
    return examine(model, TEXTS, **HOW)


@pytest.fixture(scope="module")
def sampled(model: Model) -> Report:
    return examine(model, TEXTS, **HOW, sample=SAMPLE)


def test_a_sample_says_of_all_texts_what_their_rows_would(whole: Report, sampled: Report) -> None:
    for name in ("sinks.keys", "sinks.layers", "sinks.received", "sinks.curve", "massive.sizes", "massive.outliers"):
        pd.testing.assert_frame_equal(sampled.frame(name), whole.frame(name), rtol=1e-5, obj=name)
    columns = [
        "layer",
        "head",
        "key",
        "kind",
        "received",
        "sink_rate",
        "early",
        "received_full",
        "entropy",
        "self_rest",
    ]
    heads = [one.frame("sinks.heads")[columns] for one in (sampled, whole)]
    pd.testing.assert_frame_equal(*heads, rtol=1e-5, atol=1e-6)
    columns = ["layer", "max", "dim", "median", "ratio", "n_flagged", "n_entries", "kurtosis"]
    pd.testing.assert_frame_equal(*(one.frame("massive.layers")[columns] for one in (sampled, whole)), rtol=1e-6)
    found = [{(f.kind, f.layer, f.unit) for f in one.findings} for one in (sampled, whole)]
    assert found[0] == found[1] and found[0]
    assert (
        sampled.settings["texts"] == len(TEXTS) and texts_in(sampled.evidence["sinks"]) == sampled.settings["sequences"]
    )


def test_its_intervals_are_of_all_texts_too(whole: Report, sampled: Report) -> None:
    one, other = (report.frame("sinks.controls").iloc[0] for report in (sampled, whole))
    assert (one["sink_rate"], one["n"]) == pytest.approx((other["sink_rate"], other["n"]))
    assert (one["low"], one["high"]) == pytest.approx((other["low"], other["high"]), abs=0.02)
    both = [report.frame("sinks.heads") for report in (sampled, whole)]
    width, as_rows = (table["high"] - table["low"] for table in both)
    sink = both[1]["received"] > 0.9
    assert (width[~sink] / as_rows[~sink]).between(0.6, 1.6).all() and (width[sink] > 0.01).all()


def test_rows_are_of_the_sample_and_of_nothing_else(sampled: Report) -> None:
    numbers = np.arange(sampled.settings["sequences"])
    kept = numbers[in_sample(numbers, SAMPLE)]
    assert len(kept) == SAMPLE and set(range(FIRST)) <= set(kept.tolist())
    assert sorted(set(sampled.tokens["text"].tolist())) == kept.tolist()
    assert all(np.array_equal(sampled.evidence[name]["text"], kept) for name in ("massive", "sinks"))
    assert any("rows are kept of 12" in note for note in sampled.notes)


def test_a_scan_no_larger_than_its_sample_keeps_every_row_and_pools_nothing(model: Model) -> None:
    report = examine(model, TEXTS[:SAMPLE], sample=SAMPLE)
    assert not [name for e in report.evidence.values() for name in e.arrays if name.startswith("pooled")]
    assert len(report.evidence["massive"]["text"]) == SAMPLE


def test_evidence_grows_no_further_than_the_sample(model: Model, sampled: Report) -> None:
    more = random_texts(30, 20, 80, seed=1)
    twice = examine(model, [*TEXTS, *more], **{**HOW, "batch_tokens": 4096}, sample=SAMPLE)
    assert twice.settings["sequences"] > 1.8 * sampled.settings["sequences"]
    for name, evidence in twice.evidence.items():
        assert {k: a.shape[1:] if k == "map" else a.shape for k, a in evidence.arrays.items()} == {
            k: a.shape[1:] if k == "map" else a.shape for k, a in sampled.evidence[name].arrays.items()
        }


def test_merged_shards_have_the_sample_and_the_sums_of_the_whole(model: Model, sampled: Report) -> None:
    merged = merge([examine(model, TEXTS, shard=(number, 3), sample=SAMPLE, **HOW) for number in (3, 1, 2)])
    assert_alike(merged, sampled)
    assert merged.notes[0] == sampled.notes[0] and sum("rows are kept" in note for note in merged.notes) == 1
    for name, evidence in sampled.evidence.items():
        for array, values in evidence.arrays.items():
            if array.startswith("pooled") or values.dtype.kind in "iu":
                assert np.array_equal(values, merged.evidence[name][array], equal_nan=True), array


def test_a_saved_sample_opens_as_it_was(sampled: Report, tmp_path: Path) -> None:
    saved = open_run(sampled.save(tmp_path / "run"))
    for name in sampled.frames():
        pd.testing.assert_frame_equal(saved.frame(name), sampled.frame(name))
    assert saved.evidence["massive"]["map"].shape == sampled.evidence["massive"]["map"].shape


def test_a_spike_in_a_text_outside_the_sample_is_found_still(model: Model) -> None:
    plain = random_texts(30, 20, 40)
    numbers = np.arange(30)
    outside = int(numbers[~in_sample(numbers, SAMPLE)][0])
    plain[outside] = random_texts(1, 30, 31, trigger=7)[0]
    report = examine(model, plain, ["massive"], sample=SAMPLE)
    found = report.findings.of("massive")
    assert {(one.layer, one.unit, one.position) for one in found} == {(layer, 5, None) for layer in range(2, 6)}
    assert (report.frame("massive.layers")["n_flagged"] == [0, 0, 1, 1, 1, 1]).all()
    assert "of a text outside the sample" in str(report.sentences())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60, unique=True), st.integers(1, 20), st.data())
def test_a_sample_of_parts_samples_is_the_samples_of_the_whole(
    numbers: list[int], sample: int, data: st.DataObject
) -> None:
    texts = np.array(numbers)
    mine = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))))
    parts = [part[in_sample(part, sample)] for part in (texts[mine], texts[~mine])]
    again = np.concatenate(parts)
    assert set(again[in_sample(again, sample)].tolist()) == set(texts[in_sample(texts, sample)].tolist())


def test_weights_are_poisson_and_follow_from_a_texts_number_alone() -> None:
    weights = poisson_weights(np.arange(20_000))
    assert weights.mean() == pytest.approx(1.0, abs=0.005) and weights.var() == pytest.approx(1.0, abs=0.02)
    assert np.abs(np.corrcoef(weights) - np.eye(len(weights))).max() < 0.04
    assert np.array_equal(poisson_weights(np.array([17, 3]))[:, 1], weights[:, 3])


def test_pooled_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(0), []
    for study in range(200):
        values = (rng.random(600) < 0.1).astype(float)
        weights = poisson_weights(600 * study + np.arange(600))
        low, high = pooled_interval(np.array(values.mean()), (weights @ values) / weights.sum(axis=1), 600, share=True)
        held.append(low <= 0.1 <= high)
    assert 0.91 <= np.mean(held) <= 0.995


def test_the_command_scans_files_by_a_pattern_and_a_column(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load_model", lambda *names, **options: with_words(planted_model()))
    for name in ("a.csv", "b.parquet"):
        written(tmp_path, name)
    run = tmp_path / "run"
    told = command(
        "examine", "--file", str(tmp_path / "*.*"), "--column", "content", "--sample", "4", "--out", str(run)
    )
    assert told.code == 0, told.err
    settings = open_run(run).settings
    assert (settings["texts"], settings["sequences"], settings["sample"]) == (8, 8, 4)
    assert "2 rows without a text were left out." in open_run(run).notes
    refused = command("examine", "--file", str(tmp_path / "a.csv"), "--out", str(tmp_path / "no"))
    assert (
        refused.code == 2
        and "has no column 'text'; it has id, content" in refused.err
        and not (tmp_path / "no").exists()
    )

"""Runs: bit for bit through the disk, damage is named, and a failed save leaves the old run."""

import json
import os
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures_cli import TEXT, tree

import inspector
from inspector.errors import InputError, InspectorError, RunError
from inspector.records import Effect, Evidence, Finding
from inspector.run import arrays, columns
from inspector.run import disk as runs
from inspector.run.report import Report, open_run

NAN = float("nan")
ODD = [
    "<script>",
    "\0",
    "\n",
    "\r\n",
    "�",
    "😀",
    "",
    " ",
    "\u202e",
    "nan",
    "None",
    "null",
    "\t",
    "'",
    '"',
    ",",
    "a" * 9999,
]
FILES = [
    "tokens.parquet",
    "findings.parquet",
    "effects.parquet",
    "evidence/massive.safetensors",
    "evidence/sinks.safetensors",
    "evidence/sinks.random.safetensors",
    "evidence/sinks.repeated.safetensors",
]


def through_disk(report: Report, folder: Path, **changes: object) -> Report:
    """The report with these changes, saved and opened."""
    return open_run(replace(report, **changes).save(folder / "again"))  # type: ignore[arg-type]


def finding(**fields: object) -> Finding:
    plain = {"detector": "d", "kind": "k", "layer": 0, "unit": None, "position": None, "token": None}
    numbers = {"score": 1.5, "low": 1.0, "high": 2.0, "threshold": 0.0}
    return Finding(**{**plain, **numbers, **fields})  # type: ignore[arg-type]


def evidence(**arrays: np.ndarray) -> Evidence:
    axes = {name: tuple("abcd"[: array.ndim]) for name, array in arrays.items()}
    return Evidence(
        "plugin", arrays, axes, dict.fromkeys(arrays, "sum"), {"grid": [0.1, 0.2], "note": "é", "none": None}
    )


def tokens_of(*texts: str) -> dict[str, np.ndarray]:
    numbers = np.arange(len(texts))
    return {**dict.fromkeys(("text", "source", "position", "id"), numbers), "token": np.array(texts, dtype=object)}


# Bit for bit.


def test_a_scan_survives_the_disk_bit_for_bit(run: Path, report: Report) -> None:
    again = open_run(run)
    assert set(again.evidence) == set(report.evidence)
    for name, one in report.evidence.items():
        other = again.evidence[name]
        assert (other.detector, dict(other.axes), dict(other.combine)) == (
            one.detector,
            dict(one.axes),
            dict(one.combine),
        )
        assert json.dumps(other.facts) == json.dumps(one.facts)
        assert list(other.arrays) and other.arrays.keys() == one.arrays.keys()
        for key, array in one.arrays.items():
            assert (other[key].dtype, other[key].shape) == (array.dtype, array.shape), key
            assert other[key].tobytes() == array.tobytes(), key
    assert len(report.findings) > 2 and repr(again.findings) == repr(report.findings)
    for name, column in report.tokens.items():
        assert again.tokens[name].dtype == column.dtype and again.tokens[name].tolist() == column.tolist()
    assert (again.card, again.settings, again.notes) == (report.card, report.settings, report.notes)
    assert report.notes


@pytest.mark.parametrize(
    "array",
    [
        np.array([NAN, -0.0, np.inf, 5e-324]),
        np.array([0x7FF8000000000001, 1], dtype=np.uint64).view(np.float64),
        np.zeros((0, 3), dtype=np.float32),
        np.array(3.0),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(9, dtype=np.int16)[::2],
        *(np.array([0, 1, 1], dtype=kind) for kind in ("bool", "uint8", "int32", "int64", "uint16", "float16")),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_any_array_of_a_plugin_survives_bit_for_bit(report: Report, tmp_path: Path, array: np.ndarray) -> None:
    one = evidence(x=array)
    again = through_disk(report, tmp_path, evidence={"plugin": one}).evidence["plugin"]
    assert (again["x"].dtype, again["x"].shape) == (array.dtype, array.shape)
    assert again["x"].tobytes() == array.tobytes()
    assert again.facts == one.facts


def test_findings_keep_none_apart_from_nan_and_from_odd_text(report: Report, tmp_path: Path) -> None:
    findings = (
        finding(),
        finding(unit=3, position=0, token=""),
        finding(token="nan"),
        finding(token="\0"),
        finding(score=NAN, low=NAN, high=float("inf"), threshold=-0.0),
        finding(layer=2, verdict="observed"),
    )
    again = through_disk(report, tmp_path, findings=findings).findings
    assert repr(tuple(again)) == repr(findings)
    assert {type(value) for row in again for value in asdict(row).values()} == {str, int, float, type(None)}


def test_effects_survive_the_disk(report: Report, tmp_path: Path) -> None:
    numbers = dict.fromkeys(("change", "low", "high", "twin_change", "twin_low", "twin_high", "p", "q"), 0.25)
    named = partial(Effect, metric="loss", detector="massive")
    effects = (named("t", "zero", n=3, **{**numbers, "q": NAN}), named("u", "set", n=4, **numbers))
    assert repr(through_disk(report, tmp_path, effects=effects).effects) == repr(effects)


def test_no_findings_stay_none(report: Report, tmp_path: Path) -> None:
    assert through_disk(report, tmp_path, findings=()).findings == ()


def test_odd_token_text_survives_the_disk(report: Report, tmp_path: Path) -> None:
    again = through_disk(report, tmp_path, tokens=tokens_of(*ODD))
    assert again.tokens["token"].tolist() == ODD
    assert again.frame("tokens")["token"].tolist() == ODD


def test_a_token_that_is_half_a_surrogate_pair_can_be_saved(report: Report, tmp_path: Path) -> None:
    assert len(through_disk(report, tmp_path, tokens=tokens_of("\ud83d")).tokens["token"]) == 1


def test_opening_and_saving_again_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    again = open_run(run).save(tmp_path / "again")
    first, second = tree(run), tree(again)
    assert json.loads(first.pop("run.json") or "")["files"] == json.loads(second.pop("run.json") or "")["files"]
    assert first == second and set(FILES) <= first.keys()


def test_whoever_may_read_the_run_may_read_all_its_files(run: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in run.rglob("*") if path.is_file()} == {
        (run / "run.json").stat().st_mode & 0o777
    }


def test_evidence_can_not_be_saved_outside_its_folder(report: Report, tmp_path: Path) -> None:
    with pytest.raises(inspector.InspectorError):
        replace(report, evidence={"../../escaped": evidence(x=np.zeros(1))}).save(tmp_path / "place" / "run")
    assert not list(tmp_path.rglob("*escaped*"))


# Damage is named.


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "emptied", "a folder"])
def test_every_damaged_file_is_named(run: Path, name: str, damage: str) -> None:
    path = run / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage == "flipped":
        path.write_bytes(content)
    elif damage in ("truncated", "emptied"):
        path.write_bytes(content[: len(content) - 1 if damage == "truncated" else 0])
    elif damage == "a folder":
        path.mkdir()
    with pytest.raises(RunError, match=name.replace(".", r"\.")) as caught:
        open_run(run)
    assert str(run) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"run"', b"[" * 100_000], ids=range(7))
def test_a_run_json_that_is_not_a_json_object_is_refused(run: Path, content: bytes) -> None:
    (run / "run.json").write_bytes(content)
    with pytest.raises(RunError, match="run"):
        open_run(run)


def test_a_folder_without_run_json_is_no_run(run: Path) -> None:
    (run / "run.json").unlink()
    with pytest.raises(RunError, match="No run in"):
        open_run(run)


def edited(run: Path, **changes: object) -> Path:
    """The run with these values in its run.json; a key set to `...` is taken out."""
    about = {**json.loads((run / "run.json").read_text(encoding="utf-8")), **changes}
    (run / "run.json").write_text(json.dumps({k: v for k, v in about.items() if v is not ...}), encoding="utf-8")
    return run


@pytest.mark.parametrize("number", [0, 2, "1", None, [1]])
def test_another_format_is_refused_with_both_numbers(run: Path, number: object) -> None:
    with pytest.raises(RunError, match=r"format .* reads 1"):
        open_run(edited(run, format=number))


@pytest.mark.parametrize("key", ["model", "settings", "notes", "files", "created", "format"])
def test_a_run_json_without_a_key_is_refused(run: Path, key: str) -> None:
    with pytest.raises(RunError, match="run"):
        open_run(edited(run, **{key: ...}))


@pytest.mark.parametrize(
    "changes",
    [
        {"files": []},
        {"files": None},
        {"files": {}},
        {"files": {"tokens.parquet": {}}},
        {"files": {"tokens.parquet": 3}},
        {"settings": []},
        {"settings": {}},
        {"model": None},
        {"notes": None},
        {"notes": "text"},
    ],
    ids=str,
)
def test_a_run_json_with_a_value_of_the_wrong_kind_is_refused(run: Path, changes: dict[str, object]) -> None:
    with pytest.raises(RunError, match="run"):
        open_run(edited(run, **changes))


def test_a_run_does_not_open_files_outside_itself(run: Path) -> None:
    shutil.copy(run / "evidence" / "sinks.safetensors", run.parent / "outside.safetensors")
    files = json.loads((run / "run.json").read_text())["files"]
    foreign = {"evidence/../../outside.safetensors": files["evidence/sinks.safetensors"]}
    with pytest.raises(RunError, match="outside"):
        open_run(edited(run, files={**files, **foreign}))


# Saving.


def test_an_existing_run_is_replaced_only_on_request(run: Path, report: Report) -> None:
    before = tree(run)
    with pytest.raises(RunError, match="--overwrite"):
        report.save(run)
    assert tree(run) == before
    replace(report, notes=("new",)).save(run, overwrite=True)
    assert open_run(run).notes == ("new",)
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_an_empty_folder_is_a_place_for_a_run(report: Report, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report.save(tmp_path / "empty")
    assert open_run(tmp_path / "empty").notes == report.notes
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_what_is_not_a_run_is_not_touched_even_with_overwrite(report: Report, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "run.json.txt").write_text("x")
    (tmp_path / "file").write_text("y")
    before = tree(tmp_path)
    for name in ("photos", "file"):
        with pytest.raises(RunError, match="not a run"):
            report.save(tmp_path / name, overwrite=True)
    assert tree(tmp_path) == before


def test_a_link_to_a_run_is_followed_not_replaced(run: Path, report: Report) -> None:
    link = run.parent / "latest"
    link.symlink_to(run)
    replace(report, notes=("new",)).save(link, overwrite=True)
    assert link.is_symlink() and open_run(run).notes == ("new",)


@pytest.mark.parametrize("step", ["save_file", "_sha256", "_hash_tokens"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")], ids=repr
)
def test_a_save_that_fails_leaves_the_old_run_and_nothing_else(
    run: Path, report: Report, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    before = tree(run.parent)
    monkeypatch.setattr(arrays if step == "save_file" else runs, step, fail)
    with pytest.raises(RunError if isinstance(error, OSError) else type(error)):
        report.save(run, overwrite=True)
    with pytest.raises((RunError, type(error))):
        report.save(run.parent / "new")
    assert tree(run.parent) == before


@pytest.mark.parametrize("error", [OSError(1, "no"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("failing", [1, 2])
def test_a_rename_that_fails_leaves_the_old_run_and_nothing_else(
    run: Path, report: Report, monkeypatch: pytest.MonkeyPatch, error: BaseException, failing: int
) -> None:
    before = tree(run.parent)
    rename, calls = Path.rename, []

    def fail(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == failing:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises((RunError, type(error))):
        report.save(run, overwrite=True)
    assert len(calls) >= failing and tree(run.parent) == before


# The same again.


def test_the_same_command_twice_gives_the_same_run(tiny_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        model = inspector.load_model(tiny_folder, device="cpu")
        inspector.examine(model, [TEXT, "w5 w6 w7"]).save(tmp_path / name)
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    abouts = [json.loads(files.pop("run.json") or "") for files in (one, two)]
    for about in abouts:
        del about["created"]
    assert one == two and abouts[0] == abouts[1]


def test_another_input_has_another_hash(report: Report, tmp_path: Path) -> None:
    def digest(name: str, tokens: dict[str, np.ndarray]) -> str:
        return str(runs.describe(replace(report, tokens=tokens).save(tmp_path / name))["input_sha256"])

    one, shifted = tokens_of("a", "b"), tokens_of("a", "b")
    shifted["position"] = shifted["position"] + 1
    assert digest("one", one) == digest("same", tokens_of("a", "b")) != digest("other", shifted)


def test_another_threshold_leaves_as_many_layers_to_look_at(report: Report) -> None:
    again = report.judge(massive={"ratio": 500})
    assert len(again.frame("massive.layers")) == len(report.frame("massive.layers"))


def test_a_run_judged_again_after_opening_has_the_same_findings(run: Path, report: Report) -> None:
    again = open_run(run)
    assert repr(again.judge().findings) == repr(report.findings) == repr(again.findings)
    assert again.judge().settings == again.settings


def test_a_changed_threshold_changes_its_own_detectors_findings_only(run: Path, report: Report) -> None:
    def of(name: str, judged: Report) -> list[str]:
        return [repr(f) for f in judged.findings if f.detector == name]

    strict = open_run(run).judge(sinks={"epsilon": 0.95})
    assert of("sinks", report) and not of("sinks", strict)
    assert of("massive", strict) == of("massive", report) != []
    untouched = replace(report, findings=report.findings.of("massive")[:1] + report.findings.of("sinks"))
    assert untouched.judge(sinks={"epsilon": 0.95}).findings == report.findings.of("massive")[:1]
    assert untouched.judge().findings == report.findings
    assert strict.settings["thresholds"]["massive"] == report.settings["thresholds"]["massive"]
    back = strict.judge(sinks={"epsilon": 0.05})
    assert repr(back.findings) == repr(report.findings)


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ({"hneurons": {}}, "hneurons.*massive, sinks"),
        ({"massive": {"ration": 5.0}}, "massive.*ration"),
        ({"massive": {"ratio": "many"}}, "ratio"),
        ({"massive": {"ratio": NAN}}, "ratio"),
        ({"sinks": {"epsilon": 0.31}}, "epsilon is 0.31.*0.05"),
        ({"sinks": {"epsilon": NAN}}, "epsilon is nan"),
        ({"sinks": {"epsilon": float("inf")}}, "epsilon is inf"),
    ],
    ids=str,
)
def test_a_bad_threshold_is_an_input_error(report: Report, thresholds: dict[str, dict[str, float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        report.judge(**thresholds)


def test_a_whole_number_is_a_threshold_too(report: Report) -> None:
    judged = report.judge(massive={"ratio": 3, "magnitude": 0}).findings
    assert [f.score for f in judged] == [f.score for f in report.judge(massive={"ratio": 3.0}).findings] != []


def test_nothing_is_ever_unpickled() -> None:
    home = Path(inspector.__file__).parent
    sources = [*home.rglob("*.py"), *(home.parent / "dashboards").rglob("*.py")]
    words = (
        "import pickle",
        "pickle.",
        "torch.load",
        "allow_pickle",
        "joblib",
        "import dill",
        "to_pickle",
        "read_pickle",
    )
    assert len(sources) > 20
    assert [(path.name, word) for path in sources for word in words if word in path.read_text(encoding="utf-8")] == []


def test_parquet_and_json_are_plain_for_other_tools(run: Path, report: Report) -> None:
    assert pd.read_parquet(run / "findings.parquet")["layer"].tolist() == [f.layer for f in report.findings]
    assert (run / "run.json").read_text(encoding="utf-8").count("NaN") == 0
    assert os.listdir(run / "evidence")


def test_opening_a_run_of_many_files_reads_no_file_that_is_not_listed(run: Path, report: Report) -> None:
    (run / "notes-of-mine.md").write_text("mine")
    assert repr(open_run(run).findings) == repr(report.findings)


def test_a_larger_file_may_hold_more_rows_than_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_TOKENS", 100)
    rng = np.random.default_rng(0)
    told = {name: rng.integers(0, 2**30, 5000) for name in ("source", "id")}
    told |= {"text": np.zeros(5000, np.int64), "position": np.arange(5000), "token": ["a"] * 5000}
    pd.DataFrame(told).to_parquet(tmp_path / "tokens.parquet")
    assert len(columns.read_tokens(tmp_path / "tokens.parquet")["id"]) == 5000
    pd.DataFrame({"x": np.zeros(10**6)}).to_parquet(tmp_path / "small.parquet")
    with pytest.raises(ValueError, match="1,000,000 rows, more than such a file can hold"):
        columns.read_table(tmp_path / "small.parquet", 100)


def test_a_token_of_megabytes_is_refused(run: Path) -> None:
    tokens = pd.read_parquet(run / "tokens.parquet")
    tokens.loc[0, "token"] = "x" * (2 << 20)
    tokens.to_parquet(run / "tokens.parquet", index=False)
    with pytest.raises(ValueError, match="a text of more than 1,048,576 characters"):
        columns.read_tokens(run / "tokens.parquet")


def test_axes_that_a_table_could_not_show_are_refused_when_evidence_is_made() -> None:
    arrays = {"text": np.arange(2), "x": np.zeros((2, 3))}
    for axes in (("text", "text"), ("text", "value")):
        with pytest.raises(InspectorError, match="can't be the columns of a table"):
            Evidence("mine", arrays, {"text": ("text",), "x": axes}, dict.fromkeys(arrays, "text"))

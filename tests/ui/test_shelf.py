"""The folder of runs: nothing outside it is read, written or removed, whatever names and archives say."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_runs import DAMAGED

from dashboards.shelf import Shelf
from inspector.errors import RunError
from inspector.run.report import open_run


@pytest.fixture
def mine(shelf: Path, tmp_path: Path) -> Shelf:
    """A shelf of its own with one run."""
    shutil.copytree(shelf / "planted", tmp_path / "runs" / "first")
    return Shelf(tmp_path / "runs")


def test_a_run_goes_out_and_comes_in_the_same(mine: Shelf) -> None:
    mine.bring_in("second", mine.packed("first"))
    assert {run.name for run in mine.all()} == {"first", "second"}
    a, b = (open_run(mine.find(name).folder) for name in ("first", "second"))
    assert repr(a.findings) == repr(b.findings)


@pytest.mark.parametrize("name", ["../out", "/out", "a/b", "..", ".hidden", "", "a" * 256, "a\n", " a", "a\\\\b"])
def test_a_name_that_is_a_path_is_refused_everywhere(mine: Shelf, name: str) -> None:
    for act in (mine.find, mine.delete, mine.packed, mine.place, lambda n: mine.rename("first", n)):
        with pytest.raises(RunError, match="can't name a run"):
            act(name)
    assert [run.name for run in mine.all()] == ["first"]


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "evidence/../../evil", "a/b/c", "evidence/.x"])
def test_an_archive_that_reaches_outside_is_refused(mine: Shelf, name: str) -> None:
    with pytest.raises(RunError, match="no file of a run"):
        mine.bring_in("evil", zipped(**{name: b"x", "run.json": b"{}"}))
    assert sorted(path.name for path in mine.root.iterdir()) == ["first"]
    assert not (mine.root.parent / "evil").exists()


def test_an_archive_of_too_many_files_is_refused_before_its_list_is_read(
    mine: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = zipped(**{f"{i:0100}": b"" for i in range(8000)})
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda self: pytest.fail("the list was read"))
    with pytest.raises(RunError, match="more files than a run has"):
        mine.bring_in("many", many)


def test_a_runs_folder_that_a_file_manager_packed_comes_in_too(mine: Shelf) -> None:
    with zipfile.ZipFile(io.BytesIO(mine.packed("first"))) as packed:
        files = {f"first run/{name}": packed.read(name) for name in packed.namelist()}
    extra = ("__MACOSX/first run/._run.json", "first run/.DS_Store", "first run/evidence/._massive.safetensors")
    run = mine.bring_in("again", zipped(**files, **dict.fromkeys(extra, b"x")))
    assert run.name == "again" and "massive" in run.about["settings"]["detectors"]
    assert repr(open_run(run.folder).findings) == repr(open_run(mine.find("first").folder).findings)


@pytest.mark.parametrize("content", [b"", b"not a zip", zipped(**{"run.json": b"{}"})])
def test_what_is_no_run_is_not_brought_in(mine: Shelf, content: bytes) -> None:
    with pytest.raises(RunError):
        mine.bring_in("other", content)
    assert sorted(path.name for path in mine.root.iterdir()) == ["first"]


def test_a_damaged_run_is_not_brought_in(mine: Shelf, shelf: Path) -> None:
    with pytest.raises(RunError, match=r"'broken': findings.parquet is damaged"):
        mine.bring_in("broken", Shelf(shelf).packed(DAMAGED))


def test_links_out_of_the_folder_are_not_followed(mine: Shelf, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(mine.root / "first", outside)
    (mine.root / "link").symlink_to(outside)
    assert [run.name for run in mine.all()] == ["first"]
    for act in (mine.find, mine.delete, mine.packed):
        with pytest.raises(RunError, match="No run 'link'"):
            act("link")
    assert (outside / "run.json").exists()


def test_renaming_and_deleting(mine: Shelf) -> None:
    mine.rename("first", "renamed")
    assert [run.name for run in mine.all()] == ["renamed"]
    mine.bring_in("again", mine.packed("renamed"))
    with pytest.raises(RunError, match="'again' exists"):
        mine.rename("renamed", "again")
    mine.delete("renamed")
    assert [path.name for path in mine.root.iterdir()] == ["again"]


def test_a_run_with_a_broken_run_json_is_listed_with_its_fault(mine: Shelf) -> None:
    (mine.root / "first" / "run.json").write_text("{")
    (run,) = mine.all()
    assert "run.json is damaged" in run.fault and str(mine.root) not in run.fault


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "evidence/massive.safetensors is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "evidence/massive.safetensors is damaged"),
    ],
)
def test_a_run_with_a_cut_or_missing_file_is_listed_as_damaged(
    mine: Shelf, harm: Callable[[Path], object], said: str
) -> None:
    assert mine.find("first").fault == ""
    harm(mine.root / "first" / "evidence" / "massive.safetensors")
    (run,) = mine.all()
    assert said in run.fault and run.about["model"]["name"]

"""Saving: whatever step it is stopped at, a whole run is there or found by the next call; nothing else is lost."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_cli import Command, tree

from inspector.errors import RunError
from inspector.places import beside, held, write_whole
from inspector.resume import working_folder
from inspector.run import disk as runs
from inspector.run.report import Report, open_run

STEPS = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "shutil.rmtree", "open")


class Killed(BaseException):
    """In place of a kill: no step of the file system succeeds any more."""


class Steps:
    """Counts steps of the file system in a folder, and lets none happen from a chosen one on."""

    def __init__(self) -> None:
        self.folder, self.done, self.last = "", 0, -1
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: Any) -> None:
        if not self.folder or event not in STEPS or not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and (not isinstance(arguments[1], str) or not set(arguments[1]) & set("wax+")):
            return
        self.done += 1
        if 0 <= self.last < self.done:
            raise Killed

    def run(self, folder: Path, last: int, act: Any) -> bool:
        """Whether the act came to its end in so many steps."""
        self.folder, self.done, self.last = str(folder), 0, last
        try:
            act()
            return True
        except Killed:
            return False
        finally:
            self.folder = ""


STEPPING = Steps()


@pytest.fixture(autouse=True)
def _unheard() -> Iterator[None]:
    yield
    STEPPING.folder = ""


@pytest.mark.parametrize("overwrite", [True, False])
def test_killed_at_any_step_a_save_leaves_a_whole_run_that_the_next_call_finds(
    report: Report, tmp_path: Path, overwrite: bool
) -> None:
    old, new = replace(report, notes=("old",)), replace(report, notes=("new",))
    moved = False
    for last in range(1, 200):
        place = tmp_path / str(last) / "run"
        if overwrite:
            old.save(place)
        else:
            place.parent.mkdir()
        if STEPPING.run(place.parent, last, lambda at=place: new.save(at, overwrite=overwrite)):
            break
        try:
            found = open_run(place).notes
        except RunError:
            assert not overwrite and not moved  # nothing was finished, so there is nothing to find
            found = ()
        moved = moved or found == ("new",)
        assert found in ((("old",), ("new",)) if overwrite else ((), ("new",)))
        again = replace(report, notes=("again",))
        again.save(place, overwrite=True)
        assert open_run(place).notes == ("again",)
        assert [path.name for path in place.parent.iterdir()] == ["run"]
    assert moved and last > 8
    assert open_run(place).notes == ("new",)


def test_of_two_saves_at_once_one_is_refused_and_none_vanishes(report: Report, tmp_path: Path) -> None:
    place, refused = tmp_path / "run", []
    together = threading.Barrier(2)

    def save(name: str) -> None:
        together.wait()
        try:
            replace(report, notes=(name,)).save(place)
        except RunError as error:
            refused.append((name, str(error)))

    threads = [threading.Thread(target=save, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((name, said),) = refused
    assert "exists" in said
    assert open_run(place).notes == ({"one": "two", "two": "one"}[name],)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["notes.txt", "evidence/mine.csv", "plots/a.png", "evidence/.hidden", "extra.parquet"])
def test_a_file_that_is_not_the_runs_is_named_and_never_deleted(
    report: Report, run: Path, command: Command, name: str
) -> None:
    mine = run / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    before = tree(run)
    with pytest.raises(RunError, match="nothing was touched") as refused:
        report.save(run, overwrite=True)
    assert name.partition("/")[0] in str(refused.value)
    done = command("verify", run, "--in-place")
    assert done.code == 2 and done.err.count("\n") == 1
    assert tree(run) == before


def test_a_damaged_run_can_still_be_replaced(report: Report, run: Path) -> None:
    (run / "run.json").write_text("{")
    report.save(run, overwrite=True)
    assert open_run(run).notes == report.notes


def test_a_full_disk_leaves_the_page_that_was_there(
    command: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")

    def full(self: Path, *arguments: Any, **options: Any) -> None:
        with self.open("wb") as out:
            out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = command("export", run, "--html", page)
    assert done.code == 2 and "No space left" in done.err and done.err.count("\n") == 1
    assert page.read_text() == "before" and sorted(p.name for p in tmp_path.iterdir()) == ["page.html", "run"]


def test_a_page_keeps_its_mode_and_a_link_to_it_stays_a_link(tmp_path: Path) -> None:
    page, link = tmp_path / "page", tmp_path / "link"
    page.write_text("before")
    page.chmod(0o640)
    link.symlink_to(page)
    write_whole(link, "after")
    assert link.is_symlink() and page.read_text() == "after" and page.stat().st_mode & 0o777 == 0o640


def test_a_folder_is_held_until_it_is_gone(tmp_path: Path) -> None:
    folder, inside, most = tmp_path / "held", [], [0]

    def work() -> None:
        for _ in range(40):
            try:
                with held(folder):
                    inside.append(1)
                    most[0] = max(most[0], len(inside))
                    inside.pop()
            except RunError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 240, "a" * 255, "模" * 85])
def test_a_long_name_has_room_for_what_is_written_beside_it(report: Report, tmp_path: Path, name: str) -> None:
    place = report.save(tmp_path / name)
    assert open_run(place).notes == report.notes
    with working_folder(place, [1]) as first, working_folder(place, [2]) as second:
        assert first != second
    assert len({beside(tmp_path / f"{name[:-1]}{end}", ".x") for end in "bc"}) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_run_that_a_kill_left_beside_its_place_is_on_the_dashboards_shelf(report: Report, tmp_path: Path) -> None:
    from dashboards.shelf import Shelf

    place = report.save(tmp_path / "run")
    with pytest.raises(Killed), runs.replaced(place, overwrite=True) as made:
        raise Killed
    assert open_run(place) and not made.exists()
    scratch = beside(place, ".writing")
    scratch.mkdir()
    (scratch / "place").write_bytes(b"run")
    place.rename(scratch / "old")
    assert [run.name for run in Shelf(tmp_path).all()] == ["run"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]

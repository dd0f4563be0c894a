"""The folder of long work: found again after a kill, gone when the work is done."""

from pathlib import Path

import pytest

from inspector.errors import RunError
from inspector.resume import working_folder


def test_the_same_work_finds_its_folder_again_and_done_work_leaves_none(tmp_path: Path) -> None:
    run, work = tmp_path / "run", ["model", [1, 2], None]
    with pytest.raises(KeyboardInterrupt), working_folder(run, work) as first, (first / "part").open("w"):
        raise KeyboardInterrupt
    assert first.is_dir()
    with working_folder(run, work) as again:
        assert again == first
        with pytest.raises(RunError, match="Another process"), working_folder(run, work):
            pass
    assert not list(tmp_path.iterdir())


def test_other_work_has_another_folder(tmp_path: Path) -> None:
    with working_folder(tmp_path / "run", [1]) as first, working_folder(tmp_path / "run", [2]) as second:
        assert first != second

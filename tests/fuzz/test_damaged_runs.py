"""A run that is damaged is refused in one line, or all of it works."""

from pathlib import Path

import pytest
from fuzz.runs import earlier, todays_study
from fuzz.trial import trial

from inspector import Report

COUNT = 300
"""`python -m tests.fuzz --count 5000` does more."""


@pytest.fixture(scope="module")
def whole(verified: Report, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs with nothing wrong."""
    folder = tmp_path_factory.mktemp("whole")
    return [*earlier(folder), verified.save(folder / "scan"), todays_study(verified).save(folder / "study")]


def test_a_damaged_run_is_refused_in_one_line_or_all_of_it_works(whole: list[Path], tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outcomes = [trial(whole, seed, scratch, used=0.25) for seed in range(COUNT)]
    assert not [one for one in outcomes if not one.good]
    assert {one.how for one in outcomes} == {"refused", "whole"}

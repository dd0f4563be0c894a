"""Two runs beside each other: the same gives no difference, and what was planted is one."""

from pathlib import Path

import pytest

from inspector.run.differences import headlines
from inspector.run.report import Report, open_run


def opened(shelf: Path, name: str) -> Report:
    return open_run(shelf / name)


def test_a_run_beside_itself_differs_in_nothing(shelf: Path) -> None:
    table = headlines(opened(shelf, "planted"), opened(shelf, "planted"))
    assert len(table) >= 5
    assert (table["second − first"] == 0).all()
    known = table.dropna(subset=["to"])
    assert len(known) == 2 and (known["95 % from"] <= 0).all() and (known["to"] >= 0).all()


def test_a_planted_spike_is_a_difference_with_an_interval_beside_a_model_without(shelf: Path) -> None:
    table = headlines(opened(shelf, "empty"), opened(shelf, "planted")).set_index("number")
    largest = table.loc["largest |x|, mean over texts"]
    assert largest["95 % from"] > 4000 and largest["95 % from"] <= largest["second − first"] <= largest["to"]
    rate = table.loc["sink rate at key 0"]
    assert rate["first"] == pytest.approx(0.0, abs=0.02) and rate["second"] == pytest.approx(2 / 24, abs=0.02)


def test_runs_that_measured_other_things_have_no_common_number(shelf: Path) -> None:
    table = headlines(opened(shelf, "planted"), opened(shelf, "study"))
    assert not len(table)

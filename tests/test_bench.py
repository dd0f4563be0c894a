"""The speed page says what was measured, and a row of the benchmark what it divides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import BEGIN, END, PAGE, Row, load, page, save, table

ABOUT = {"quick": False, "processor": "x86_64", "threads": 1, "cuda": None, "libraries": {"torch": "2.9"}}


def test_the_speed_page_is_what_the_file_of_results_gives() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, *load()) == text and len(load()[0]) >= 10


def test_a_row_has_its_ratios_median_and_spread_and_one_that_was_not_measured_says_so() -> None:
    rows = [Row("a scan", "a forward", (1.1, 1.3, 1.2), 1.2), Row("other", "ours", (), 8, True, note="not installed")]
    said = table(rows, ABOUT)
    assert "| a scan ÷ a forward | 1.20 (1.10–1.30) | ≤ 1.2 |" in said
    assert "| other ÷ ours | not measured | ≥ 8 |  | not installed |" in said


def test_rows_come_back_from_the_file_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    rows = [Row("a", "b", (1.0, 2.0), 1.5, value="3 s")]
    save(rows, ABOUT)
    assert load() == (rows, ABOUT)
    assert page(f"before\n{BEGIN}\nold\n{END}\nafter", rows, ABOUT).startswith(f"before\n{BEGIN}\n\nOn x86_64")


@pytest.mark.slow
def test_a_group_of_rows_is_measured_and_the_others_stay(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from benchmarks import results; "
        f"results.FILE = Path({str(tmp_path / 'results.json')!r}); "
        "results.save([results.Row('other', 'ours', (2.0,))], {'quick': True, **results.machine()}); "
        "import sys; sys.argv = ['bench', '--quick', '--only', 'merge']; from benchmarks.__main__ import main; main()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ}, timeout=300)
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["rows"]
    assert [row["name"] for row in rows] == ["other", "merging 4 shards"] and rows[1]["ratios"][0] > 0

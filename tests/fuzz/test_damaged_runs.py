"""A run that is damaged is refused in one line, or all of it works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNT, USED = 6, 0.2
"""Damaged runs, and the share that is drawn of those that open; `python -m tests.fuzz --count 5000` does more."""


@pytest.mark.slow  # tests/test_runs.py and tests/ui/test_screens.py have damaged runs one by one
def test_a_damaged_run_is_refused_in_one_line_or_all_of_it_works() -> None:
    # In a process of its own, whose memory and time are limited.
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(COUNT), "--used", str(USED), "--trace"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"{COUNT} damaged runs" in done.stdout and " whole" in done.stdout and " refused" in done.stdout

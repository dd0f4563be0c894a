"""A plugin's screen in a real browser, and a broken one's, beside ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.test_browser import expect, says
from fixtures_browser import Visit
from fixtures_cli import TEXT

from benchmarks.served import serving


@pytest.mark.slow  # a minute
def test_a_plugin_has_a_screen_with_slider_figure_and_table_and_a_broken_one_is_named(
    visit: Visit, plugins: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(plugins))
    examine = [sys.executable, "-m", "inspector.cli", "examine", "--model", str(tiny_folder), "--text", TEXT]
    options = ["--threshold", "dead_neurons.share=0.5", "--out", str(tmp_path / "runs" / "one")]
    subprocess.run([*examine, *options], check=True, capture_output=True, env=os.environ)
    with serving(tmp_path / "runs", tmp_path / "log.txt") as own:
        me = visit("/dead_neurons?run=one", address=own.address)
        says(me, re.compile("Dead neurons: .* neurons fire on at most 50.0% of the tokens"))
        says(me, re.compile("Dead: fires on at most this share of the tokens"))
        says(me, re.compile("neurons are dead on these texts"))
        says(me, "Dead neurons by layer")
        me.page.get_by_role("slider").press("ArrowLeft")
        says(me, re.compile("fire on at most 25.0% of the tokens"))
        assert "dead_neurons.share=0.25" in me.page.url
        me.open("/?run=one")
        says(me, re.compile("fire on at most 50.0% of the tokens"))
        expect(me.page.get_by_text("broken_import").first).to_be_visible()
        me.open("/broken_screen?run=one")
        says(me, re.compile(r"failed in its screen \(RuntimeError: broken in its screen\)"))
        me.open("/broken_figures?run=one")
        says(me, re.compile(r"failed in figures \(RuntimeError: broken in figures\)"))
        me.open("/sinks?run=one")
        says(me, re.compile("Attention sinks"))
        assert not me.strangers
    assert "Traceback" not in (tmp_path / "log.txt").read_text(encoding="utf-8")  # a fresh server, on a deep link

"""A plugin installed by pip has every part that a built-in detector has, and a broken one costs its own part only."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_cli import WORDS

Run = Callable[..., subprocess.CompletedProcess[str]]

THRESHOLD = ("--threshold", "dead_neurons.share=0.5")
BROKEN = {
    "broken_import": "failed to load (RuntimeError: broken at import)",
    "broken_reducer": "failed in reducer (RuntimeError: broken in reducer)",
    "broken_update": "failed in update (RuntimeError: broken in update)",
    "broken_judge": "failed in judge (RuntimeError: broken in judge)",
}


@pytest.fixture
def installed(plugins: Path) -> Run:
    """Runs `inspector …` in a process of its own, with the plugins installed."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(plugins), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "inspector.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)

    return run


@pytest.fixture
def scanned(installed: Run, tiny_folder: Path, texts: Path, tmp_path: Path) -> Path:
    """A run of all installed detectors, dead neurons among them."""
    out = tmp_path / "run"
    done = installed("examine", "--model", tiny_folder, "--file", texts, "--out", out, *THRESHOLD)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Twenty texts of 70 words that the tiny tokenizer knows."""
    file = tmp_path / "texts.jsonl"
    rows = [" ".join(WORDS[5 + (start + 3 * i) % 90] for i in range(70)) for start in range(20)]
    file.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    return file


def test_thresholds_of_a_plugin_are_listed_and_are_options(installed: Run) -> None:
    said = installed("detectors").stdout
    assert "dead_neurons" in said and "inspector-dead-neurons" in said
    assert "--threshold dead_neurons.share=0" in said and "--preset nearly-dead" in said
    done = installed("examine", "--out", "nowhere", "--threshold", "dead_neurons.share=2")
    assert done.returncode == 2 and "Threshold dead_neurons.share is 2. Use 0 to 1." in done.stderr


def test_a_run_shows_the_plugins_sentence_table_frame_figure_and_section(installed: Run, scanned: Path) -> None:
    shown = " ".join(installed("show", scanned).stdout.split())
    assert "Dead neurons: " in shown and "On other texts they can fire." in shown
    assert "Dead neurons by layer" in shown
    frame = installed("show", scanned, "--frame", "dead_neurons.neurons").stdout
    assert frame.startswith("layer,neuron,share,tokens,verdict") and ",candidate" in frame
    page = scanned.parent / "page.html"
    assert installed("export", scanned, "--html", page).returncode == 0
    html = page.read_text(encoding="utf-8")
    assert "<h2>Dead neurons</h2>" in html and "neurons are dead on these texts" in html
    assert "<summary>dead_neurons.layers</summary>" in html
    stricter = " ".join(installed("show", scanned, "--threshold", "dead_neurons.share=0").stdout.split())
    assert "fire on at most 0.0% of the tokens" in stricter and "at most 50.0%" in shown


def test_a_plugins_findings_are_tested_by_intervening(
    installed: Run, scanned: Path, tiny_folder: Path, texts: Path
) -> None:
    done = installed("verify", scanned, "--in-place", "--model", tiny_folder, "--file", texts, "--heads", "2")
    assert done.returncode == 0, done.stderr
    shown = " ".join(installed("show", scanned).stdout.split())
    assert "Detector 'broken_trials' of inspector-broken failed in trials (RuntimeError: broken in its trials)" in shown
    assert "Tested: " in shown and "dead neurons of layer" in shown and "as many living neurons" in shown
    effects = json.loads(installed("show", scanned, "--json", "--frame", "effects").stdout)["effects"]
    assert {row["op"] for row in effects if row["detector"] == "dead_neurons"} == {"ablate dead"}


def test_broken_plugins_are_named_and_cost_only_their_own_part(installed: Run, scanned: Path) -> None:
    shown = " ".join(installed("show", scanned).stdout.split())
    page = scanned.parent / "page.html"
    assert installed("export", scanned, "--html", page).returncode == 0
    html = page.read_text(encoding="utf-8")
    for name, fault in BROKEN.items():
        assert f"Detector &#x27;{name}&#x27; of inspector-broken {fault}" in html
        assert f"Detector '{name}' of inspector-broken {fault}" in shown
    assert "Detector &#x27;broken_figures&#x27; of inspector-broken failed in figures" in html
    assert "Massive activations" in shown and "Attention sinks" in shown and "Dead neurons" in shown


def test_only_broken_detectors_are_an_error_that_names_them(installed: Run, tiny_folder: Path, tmp_path: Path) -> None:
    out, text = tmp_path / "run", " ".join(WORDS[5:20])
    asked = ("examine", "--quiet", "--model", tiny_folder, "--text", text, "--out", out, "--detectors")
    done = installed(*asked, "broken_update")
    assert done.returncode == 2 and "failed in update (RuntimeError: broken in update)" in done.stderr
    assert "Traceback" not in done.stderr and not out.exists()
    assert "failed to load" in installed(*asked, "broken_import").stderr

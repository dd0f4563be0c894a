"""A plugin installed by pip has every part that a built-in detector has, and a broken one costs its own part only."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures_cli import WORDS, Command

import inspector

THRESHOLD = ("--threshold", "dead_neurons.share=0.5")
BROKEN = {
    "broken_import": "failed to load (RuntimeError: broken at import)",
    "broken_reducer": "failed in reducer (RuntimeError: broken in reducer)",
    "broken_update": "failed in update (RuntimeError: broken in update)",
    "broken_judge": "failed in judge (RuntimeError: broken in judge)",
}
TEXTS = [" ".join(WORDS[5 + (start + 3 * i) % 90] for i in range(70)) for start in range(20)]
"""Twenty texts of 70 words that the tiny tokenizer knows."""


@pytest.fixture(scope="module", autouse=True)
def _installed(plugins: Path) -> Iterator[None]:
    """For the tests here, what pip installed is on the path."""
    with pytest.MonkeyPatch.context() as here:
        here.syspath_prepend(plugins)
        importlib.invalidate_caches()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("broken", "dead_neurons")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def made(_installed: None, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved scan by all installed detectors, dead neurons among them."""
    model = inspector.load_model(tiny_folder, device="cpu")
    report = inspector.examine(model, TEXTS, thresholds={"dead_neurons": {"share": 0.5}})
    return report.save(tmp_path_factory.mktemp("plugins") / "run")


@pytest.fixture
def scanned(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_thresholds_of_a_plugin_are_listed_and_are_options(command: Command, tiny_folder: Path, tmp_path: Path) -> None:
    said = command("detectors").out
    assert "dead_neurons" in said and "inspector-dead-neurons" in said
    assert "--threshold dead_neurons.share=0" in said and "--preset nearly-dead" in said
    done = command("examine", "--out", "nowhere", "--threshold", "dead_neurons.share=2")
    assert done.code == 2 and "Threshold dead_neurons.share is 2. Use 0 to 1." in done.err
    out = tmp_path / "run"
    done = command("examine", "--model", tiny_folder, "--text", TEXTS[0], "--out", out, *THRESHOLD)
    assert done.code == 0 and inspector.open_run(out).settings["thresholds"] == {"dead_neurons": {"share": 0.5}}


def test_a_run_shows_the_plugins_sentence_table_frame_figure_and_section(command: Command, scanned: Path) -> None:
    shown = " ".join(command("show", scanned).out.split())
    assert "Dead neurons: " in shown and "On other texts they can fire." in shown
    assert "Dead neurons by layer" in shown
    frame = command("show", scanned, "--frame", "dead_neurons.neurons").out
    assert frame.startswith("layer,neuron,share,tokens,verdict") and ",candidate" in frame
    page = scanned.parent / "page.html"
    assert command("export", scanned, "--html", page).code == 0
    html = page.read_text(encoding="utf-8")
    assert "<h2>Dead neurons</h2>" in html and "neurons are dead on these texts" in html
    assert "<summary>dead_neurons.layers</summary>" in html
    stricter = " ".join(command("show", scanned, "--threshold", "dead_neurons.share=0").out.split())
    assert "fire on at most 0.0% of the tokens" in stricter and "at most 50.0%" in shown


def test_a_plugins_findings_are_tested_by_intervening(
    command: Command, scanned: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    done = command("verify", scanned, "--in-place", "--model", tiny_folder, "--file", texts, "--heads", "2")
    assert done.code == 0, done.err
    shown = " ".join(command("show", scanned).out.split())
    assert "Detector 'broken_trials' of inspector-broken failed in trials (RuntimeError: broken in its trials)" in shown
    assert "Tested: " in shown and "dead neurons of layer" in shown and "as many living neurons" in shown
    effects = json.loads(command("show", scanned, "--json", "--frame", "effects").out)["effects"]
    assert {row["op"] for row in effects if row["detector"] == "dead_neurons"} == {"ablate dead"}


def test_broken_plugins_are_named_and_cost_only_their_own_part(command: Command, scanned: Path) -> None:
    shown = " ".join(command("show", scanned).out.split())
    page = scanned.parent / "page.html"
    assert command("export", scanned, "--html", page).code == 0
    html = page.read_text(encoding="utf-8")
    for name, fault in BROKEN.items():
        assert f"Detector &#x27;{name}&#x27; of inspector-broken {fault}" in html
        assert f"Detector '{name}' of inspector-broken {fault}" in shown
    assert "Detector &#x27;broken_figures&#x27; of inspector-broken failed in figures" in html
    assert "Massive activations" in shown and "Attention sinks" in shown and "Dead neurons" in shown


def test_only_broken_detectors_are_an_error_that_names_them(
    command: Command, tiny_folder: Path, tmp_path: Path
) -> None:
    out, text = tmp_path / "run", " ".join(WORDS[5:20])
    asked = ("examine", "--quiet", "--model", tiny_folder, "--text", text, "--out", out, "--detectors")
    done = command(*asked, "broken_update")
    assert done.code == 2 and "failed in update (RuntimeError: broken in update)" in done.err
    assert "Traceback" not in done.err and not out.exists()
    assert "failed to load" in command(*asked, "broken_import").err

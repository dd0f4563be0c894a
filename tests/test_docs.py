"""The documents' commands and code do what they say."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inspector.cli.main import main as cli
from inspector.models import Model, catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


COMMANDS = [line for block in blocks(README, "console") for line in block.splitlines()]


def test_every_make_target_of_the_readme_is_in_the_makefile() -> None:
    targets = {line.split()[1] for line in COMMANDS if line.startswith("make ")} | set(
        re.findall(r"`make (\w+)`", README)
    )
    assert {"demo", "test", "bench", "dashboard", "picture"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE)


def test_ci_runs_the_readmes_test_command_after_the_checks() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    ran = [line.split()[-1] for line in script.splitlines() if line.startswith("make ")]
    assert ran == ["check", "test"]
    assert "make test" in COMMANDS


def test_every_inspector_command_of_the_readme_works(
    smollm2: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = [line for line in COMMANDS if line.startswith("inspector ")]
    assert len(mine) >= 7
    for line in mine:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        assert stop.value.code in (0, None), f"{line}: {err}"
        assert out.strip(), line


def test_the_readmes_python_works(smollm2: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import inspector

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inspector, "load_model", lambda name: smollm2, raising=False)
    (code,) = blocks(README, "python")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "runs" / "second" / "run.json").is_file()


def test_the_readmes_table_is_the_catalogue() -> None:
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", README, flags=re.MULTILINE)
    assert {name: what for name, what in rows if name in catalogue.ARCHITECTURES} == catalogue.ARCHITECTURES


def test_the_detector_of_the_contributing_guide_keeps_the_laws() -> None:
    detector, laws = blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")
    exec(compile(f"{detector}\n{laws}", "CONTRIBUTING.md", "exec"), {})


def test_every_table_and_its_columns_are_documented(tmp_path: Path) -> None:
    from inspector import examine
    from inspector.testing import planted_model, random_texts

    documented = (ROOT / "docs" / "run-format.md").read_text(encoding="utf-8")
    for name in examine(planted_model(), random_texts(4, 64, 70)).frames():
        if not name.startswith("evidence."):
            assert f"`{name}`" in documented or f"{name}.parquet" in documented


def test_an_installed_plugin_is_found_and_run(tmp_path: Path) -> None:
    """A distribution on the path with an entry point is all it takes."""
    detector, _ = blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")
    (tmp_path / "size_plugin.py").write_text(detector, encoding="utf-8")
    about = tmp_path / "size_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: size-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[inspector.detectors]\nsize = size_plugin:Size\nbroken = nowhere:X\n")
    code = (
        "from inspector import examine; from inspector.testing import *\n"
        "r = examine(planted_model([PlantedSpike(2, 5)]), random_texts(4, 64, 70, trigger=7))\n"
        "layers = [f.layer for f in r.findings if f.detector == 'size']\n"
        "print(r.settings['detectors'], len(r.frame('evidence.size.largest')), layers)"
    )
    done = run_python(code, tmp_path)
    assert done.stdout.strip().endswith("['massive', 'sinks', 'size'] 24 [2, 3, 4, 5]")
    assert "Detector 'broken' of size-plugin failed to load" in done.stderr


def run_python(code: str, path: Path) -> Any:
    import os

    env = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)

"""Type hints of the public functions, as a user's strict type checker reads them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import pandas as pd

import inspector
from inspector.interventions.values import zero_ablate
from inspector.sites import Site

model: inspector.Model = inspector.load_model("smollm2-135m-instruct")
report: inspector.Report = inspector.examine(model, ["The capital of France is"], bos=True)
table: pd.DataFrame = report.frame("massive.layers")
again: inspector.Report = report.judge(massive={"ratio": 500})
finding: inspector.Finding = report.findings[0]
spike = zero_ablate(Site("resid_post", 11), units=(507,), positions=(0,))
with inspector.intervene(model, [spike]):
    losses: pd.DataFrame = inspector.loss(model)
effect: inspector.Effect = inspector.effect(model, spike, controls=20)
for seen in inspector.watch(model, [1, 2, 3]):
    risk: float = seen.risk
written: inspector.Generated = inspector.examine_generated(model, ["Why?"], longest=8)
many: inspector.Sweep = inspector.sweep([model], settings={"usual": {}})
numbers: pd.DataFrame = inspector.compare(report, again).numbers
some: pd.DataFrame = (report.findings[:3] + again.findings.of("massive")).in_layer(11).with_verdict("confirmed").frame()
first: inspector.Finding = report.findings.of("massive")[0]
same: bool = report == again and first in again.findings
"""
PAGES = ("README.md", "docs/notebook.md")
WRONG = "import inspector\n\nmodel: int = inspector.load_model()\ninspector.examine(model, window='wide')\n"


def checked(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program, encoding="utf-8")
    options = ["--strict", "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={folder / 'cache'}"]
    config = folder / "mypy.ini"
    config.write_text("[mypy]\n[mypy-torch.*,transformers.*,transformer_lens.*]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy", f"--config-file={config}", *options, "program.py"]
    found = {**os.environ, "MYPYPATH": str(Path(__file__).parents[1])}  # an editable install's finder is none to mypy
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=found)


@pytest.mark.slow
def test_a_user_s_program_passes_a_strict_type_checker_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    pages = [(Path(__file__).parents[1] / page).read_text(encoding="utf-8") for page in PAGES]
    lines = [found for page in pages for found in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    assert len(lines) >= 2
    good = checked("\n".join([PROGRAM, *lines]), tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    bad = checked(WRONG, tmp_path)
    assert bad.returncode == 1 and bad.stdout.count("program.py") >= 3, bad.stdout

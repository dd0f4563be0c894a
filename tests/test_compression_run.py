"""What was tried of quantisation, windows, pruning and another model, kept in one run and shown from it."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from documented import undocumented
from fixtures_cli import Command

from inspector import compare_models, examine, models, open_run
from inspector.detectors.compression.schema import TABLES
from inspector.errors import InputError, RunError
from inspector.eviction.heads import windowable_heads
from inspector.eviction.limits import Window
from inspector.interventions.values import zero_ablate
from inspector.models import Model
from inspector.pruning.removals import removals
from inspector.quantisation.sensitivity import sensitivity
from inspector.show.html import write
from inspector.sites import Site
from inspector.testing import random_texts

TEXTS = [[7, *ids] for ids in random_texts(16, 79, 79, 5)]  # 7 is the planted trigger


@pytest.mark.slow
def test_everything_that_was_tried_is_in_one_run_and_says_and_draws_the_same(
    planted: Model, llama: Model, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tried"
    scheme = sensitivity(planted, "a4-tensor", TEXTS, each="layer", controls=1)
    heads = windowable_heads(planted, TEXTS, window=Window(2, 8), length=80, controls=3)
    parts = removals(planted, TEXTS)
    other = compare_models(planted, planted, TEXTS, interventions=[zero_ablate(Site("resid_post", 2), [5])])
    for found in (scheme, heads, parts, other):
        assert found.save(folder) == folder
    report = open_run(folder)
    said = [one.text for one in report.sentences()]
    every = [*scheme.sentences(), *heads.sentences(), *parts.sentences(), *other.sentences()]
    assert [one for one in every if one not in said] == []
    drawn = {name: report.figure(name) for name in report.figures()}
    assert {name.removeprefix("compression.") for name in drawn} == {
        *("quantisation.a4-tensor", "remedies.a4-tensor", "heads", "windows", "evictions", "removals"),
        *("removed.neurons", "removed.weights", "layers"),
    }
    assert {name: undocumented(name, report.frame(name)) for name in TABLES} == {name: [] for name in TABLES}
    np.testing.assert_allclose(report.frame("remedies")["kl"], scheme.remedies["kl"])
    assert report.frame("windowable_heads")["served"].tolist() == heads.heads["served"].tolist()
    both = {**scheme.recipe(), **heads.recipe()}
    assert (
        report.recipe() == both and both["schemes"]["a4-tensor"]["tokens"]["spare"] == []
    )  # one control shows nothing
    page = write(report, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "costs most" in page and "windowable_heads" in page

    sensitivity(planted, "w4", TEXTS, each="none", controls=1).save(folder)  # another scheme beside the first
    sensitivity(planted, "w4", TEXTS, each="none", controls=0).save(folder)  # and again
    again = open_run(folder)
    assert again.frame("quantisation").groupby("scheme").size().to_dict() == {"a4-tensor": 7, "w4": 1}
    assert set(again.recipe()["schemes"]) == {"a4-tensor", "w4"}
    with pytest.raises(RunError, match="other weights"):
        sensitivity(llama, "w4", TEXTS, each="none", controls=0).save(folder)

    monkeypatch.setattr(models, "load_model", lambda *names, **options: llama)
    refused = command("pruning", "--run", str(folder))
    assert refused.code == 2 and "other weights" in refused.err
    for name, read in (("r.json", json.loads), ("r.yaml", yaml.safe_load)):
        done = command("export", str(folder), "--recipe", str(tmp_path / name))
        assert done.code == 0 and read((tmp_path / name).read_text()) == json.loads(json.dumps(again.recipe()))
    shown = command("show", str(folder))
    assert shown.code == 0 and "Remedies" in shown.out and "a4-tensor" in shown.out
    for wrong, words in ((["--recipe", "x.txt"], "neither .json nor .yaml"), ([], "Nothing to write")):
        told = command("export", str(folder), *wrong)
        assert told.code == 2 and words in told.err


def test_a_scan_keeps_what_was_tried_beside_its_findings(planted: Model, tmp_path: Path) -> None:
    scan = examine(planted, TEXTS[:4])
    scan.save(tmp_path / "scan")
    with pytest.raises(InputError, match="Nothing was tried"):
        open_run(tmp_path / "scan").recipe()
    sensitivity(planted, "w4", TEXTS, each="none", controls=0).save(tmp_path / "scan")
    both = open_run(tmp_path / "scan")
    assert str(both.findings) == str(scan.findings) and {"massive", "compression"} <= set(both.settings["detectors"])
    assert "w4: weights in 4 bits" in " ".join(one.text for one in both.sentences())
    assert both.frame("tokens")["id"].tolist() == scan.frame("tokens")["id"].tolist()

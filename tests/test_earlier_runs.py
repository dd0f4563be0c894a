"""Runs of earlier versions open for good, and read as they did."""

import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inspector import open_run
from inspector.errors import InputError, RunError
from inspector.figures import spike_by_sink
from inspector.hallucination.study import Study
from inspector.show.figures import figures
from inspector.show.html import render
from inspector.show.sentences import paragraphs

FORMAT_1 = Path(__file__).parent / "data" / "format-1"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A verified scan and a verified study, as the version that wrote format 1 first saved them."""
    folder = tmp_path_factory.mktemp("earlier")
    for name in ("scan", "study"):
        with zipfile.ZipFile(FORMAT_1 / f"{name}.zip") as packed:
            packed.extractall(folder / name)
    return folder


def test_a_scan_of_format_1_keeps_its_findings_verdicts_and_effects(earlier: Path) -> None:
    report = open_run(earlier / "scan")
    verdicts = [(one.detector, one.layer, one.unit, one.verdict) for one in report.findings]
    assert ("massive", 4, 9, "refuted") in verdicts and ("sinks", 3, 0, "confirmed") in verdicts
    assert verdicts == [(one.detector, one.layer, one.unit, one.verdict) for one in report.judge().findings]
    assert len(report.verdicts) == 4 and "verified" not in report.settings
    effects = report.frame("effects").groupby("detector")["op"].unique().map(set).to_dict()
    assert effects == {"massive": {"zero", "zero, as far", "mean", "drop"}, "sinks": {"hide", "hide all"}}


def test_a_study_of_format_1_is_a_study_whose_candidate_was_refuted(earlier: Path) -> None:
    study = open_run(earlier / "study")
    assert isinstance(study, Study)
    table = study.frame("hneurons.candidates")
    assert table.loc[table["neuron"] == 3, "verdict"].tolist() == ["refuted"]
    assert set(study.frame("effects")["detector"]) == {"hneurons"}


@pytest.mark.parametrize("name", ["scan", "study"])
def test_every_table_sentence_figure_and_page_of_format_1_works(earlier: Path, name: str) -> None:
    report = open_run(earlier / name)
    for frame in report.frames():
        report.frame(frame)
    assert len(paragraphs(report)) > 5 and len(figures(report)) > 4
    assert "failed in" not in render(report)


def test_what_was_saved_again_opens_the_same(earlier: Path, tmp_path: Path) -> None:
    first = open_run(earlier / "scan")
    again = open_run(first.save(tmp_path / "again"))
    assert (again.verdicts, again.effects, again.findings) == (first.verdicts, first.effects, first.findings) or repr(
        (again.verdicts, again.effects, again.findings)
    ) == repr((first.verdicts, first.effects, first.findings))


def test_old_module_names_work_and_name_the_new_ones() -> None:
    import inspector.records

    with pytest.warns(DeprecationWarning, match=r"inspector\.results is now inspector\.records"):
        from inspector.results import Finding
    assert Finding is inspector.records.Finding


def test_old_names_of_colours_and_figures_are_still_there() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from inspector.figures import MASSIVE, ORANGE, life_cycle, sink_map, top_dims
    assert MASSIVE == ORANGE and callable(life_cycle) and callable(sink_map) and callable(top_dims)


def test_a_study_without_a_headline_risk_keeps_the_probe_s_and_says_so(earlier: Path) -> None:
    study = open_run(earlier / "study")
    assert isinstance(study, Study)
    assert study.risks is None and "hneurons.reliability" not in study.frames()
    assert study._by(None, None) is None
    for asked in ({"by": "headline"}, {"base_rate": 0.5}):
        with pytest.raises(InputError, match="before there was a headline risk"):
            study._by(asked.get("by"), asked.get("base_rate"))


@pytest.mark.parametrize(
    ("run", "detector", "array", "value", "said"),
    [
        ("study", "hneurons", "tested_stability", -1.0, "values below 0"),
        ("study", "hneurons", "tested_stability", float("nan"), "not finite"),
        ("study", "hneurons", "tested_q", 2.0, "values above 1"),
        ("study", "hneurons", "random_auroc", 3.0, "values above 1"),
        ("scan", "massive", "text", 3, "has a number twice"),
    ],
)
def test_numbers_that_can_not_be_are_refused(
    earlier: Path, tmp_path: Path, run: str, detector: str, array: str, value: float, said: str
) -> None:
    whole = open_run(earlier / run)
    evidence = whole.evidence[detector]
    changed = replace(evidence, arrays={**evidence.arrays, array: np.full_like(evidence[array], value)})
    folder = replace(whole, evidence={**whole.evidence, detector: changed}).save(tmp_path / "changed")
    with pytest.raises(RunError, match=f"array '{array}' of '{detector}' .*{said}"):
        open_run(folder)


def test_a_guard_s_curve_without_its_table_is_refused(earlier: Path, tmp_path: Path) -> None:
    study = open_run(earlier / "study")
    empty = {name: column[:0] for name, column in study.tables["guard"].items()}
    folder = replace(study, tables={**study.tables, "guard": empty}).save(tmp_path / "changed")
    with pytest.raises(RunError, match="'guard' lacks a policy"):
        open_run(folder)


def test_a_table_of_the_unmodified_model_alone_is_drawn() -> None:
    alone = pd.DataFrame({"done": [""], "largest": [5000.0], "here": [5000.0], "sink_rate": [0.5], "loss": [3.0]})
    assert "unmodified" in spike_by_sink(alone).layout.title.text


def test_a_bit_that_flipped_in_a_table_s_footer_does_not_end_the_process() -> None:
    """In a process of its own: where it fails nothing can be caught."""
    file = Path(__file__).parent / "data" / "flipped_bit.parquet"
    code = f"from pathlib import Path; from inspector.run.columns import read_table; read_table(Path({str(file)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "OSError: Definition level histogram size mismatch" in done.stderr

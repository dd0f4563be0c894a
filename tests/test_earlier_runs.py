"""Runs of earlier versions open for good, and read as they did."""

import warnings
import zipfile
from pathlib import Path

import pytest

from inspector import open_run
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

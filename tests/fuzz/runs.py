"""Whole runs to be damaged: a verified scan and a tested study, as format 1 first had them and as they are now."""

import zipfile
from dataclasses import replace
from pathlib import Path

from fixtures_runs import made_up_study, tested
from fixtures_tried import tried

from inspector import Report, examine, verify
from inspector.testing import PlantedSink, PlantedSpike, planted_model
from inspector.testing.planted import random_texts

FORMAT_1 = Path(__file__).parents[1] / "data" / "format-1"


def earlier(folder: Path) -> list[Path]:
    """The runs that the version that wrote format 1 first saved."""
    for name in ("scan", "study"):
        with zipfile.ZipFile(FORMAT_1 / f"{name}.zip") as packed:
            packed.extractall(folder / f"earlier-{name}")
    return [folder / "earlier-scan", folder / "earlier-study"]


def todays() -> Report:
    """A small scan of a planted model, verified."""
    model = planted_model((PlantedSpike(layer=2, dim=5),), (PlantedSink(layer=1, head=2),))
    texts = random_texts(16, 64, 70, trigger=7)
    return verify(examine(model, texts, ["massive", "sinks"]), model, texts, twins=20)


def todays_study(scan: Report) -> Report:
    """A study with invented numbers, as if it had been tested."""
    return tested(made_up_study(replace(scan, effects=(), findings=(), verdicts=())))


def every(folder: Path) -> list[Path]:
    """Both runs of format 1, and of today a scan, a study, and a scan with what was tried of compression."""
    scan = todays()
    study = todays_study(scan).save(folder / "study")
    return [*earlier(folder), scan.save(folder / "scan"), study, tried(scan, folder / "tried")]

"""Runs for the dashboard's tests: one with all there is, and ones that something is wrong or odd with."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures_cli import TEXT
from fixtures_hostile import hostile
from fixtures_tiny import loaded
from fixtures_tried import tried
from fuzz.damage import rehashed

from inspector import Evidence, Report, examine, load_model, verify
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.records import Effect, Verdict
from inspector.testing.planted import random_texts

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "**bold** [x](y)",
    "$x^2$",
    "\n",
    "\t",
    " ",
    "‮rtl",
    "<s>",
]
"""Token texts that would break a page that took them for markup."""

DAMAGED = "damaged"
INVALID = "invalid"
"""A run whose files are whole, but hold what no scan writes: that is seen only when it is opened."""
HOSTILE = ("planted", "tried", "tested-study")
QUESTIONS, NEURONS = 60, 8


TEXTS = random_texts(24, 64, 70, trigger=7)


@pytest.fixture(scope="session")
def scanned(planted: Model) -> Report:
    """A scan that finds what was planted."""
    return examine(planted, TEXTS, ["massive", "sinks"])


@pytest.fixture(scope="session")
def verified(planted: Model, scanned: Report) -> Report:
    """The same scan, its findings tested."""
    return verify(scanned, planted, TEXTS, twins=20)


@pytest.fixture(scope="session")
def shelf(
    scanned: Report, verified: Report, unplanted: Model, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Runs: planted and tested-study (verified), tried (of compression), each also hostile, empty, nasty, two-layers,
    study, tiny (with a model), damaged, invalid.
    """
    folder = tmp_path_factory.mktemp("shelf")
    _look_for_components_once()
    verified.save(folder / "planted")
    tried(scanned, folder / "tried")
    examine(unplanted, TEXTS[:8], ["massive", "sinks"]).save(folder / "empty")
    _nasty(scanned).save(folder / "nasty")
    examine(loaded("LlamaForCausalLM"), random_texts(4, 64, 70), ["massive", "sinks"]).save(folder / "two-layers")
    study = made_up_study(scanned)
    study.save(folder / "study")
    tested(study).save(folder / "tested-study")
    examine(load_model(tiny_folder, device="cpu"), [TEXT], ["massive", "sinks"]).save(folder / "tiny")
    _nasty(scanned).save(folder / DAMAGED)
    (folder / DAMAGED / "findings.parquet").write_bytes(b"")
    for name in HOSTILE:
        shutil.copytree(folder / name, folder / f"hostile-{name}")
        hostile(folder / f"hostile-{name}")
    shutil.copytree(folder / "empty", folder / INVALID)
    (folder / INVALID / "evidence" / "sinks.safetensors").unlink()
    shutil.copy(
        folder / "planted" / "evidence" / "massive.safetensors", folder / INVALID / "evidence" / "sinks.safetensors"
    )
    rehashed(folder / INVALID)
    for name in (INVALID, *(f"hostile-{one}" for one in HOSTILE)):  # older than all others, so that no page opens them
        os.utime(folder / name / "run.json", (0, 0))
    yield folder
    if "streamlit" in sys.modules:  # it keeps what it opened of these, from test to test
        sys.modules["streamlit"].cache_resource.clear()


def _look_for_components_once() -> None:
    """Streamlit's AppTest reads what every installed package says of itself, each time that it draws a page."""
    try:
        from streamlit.components.v2 import manifest_scanner
    except ImportError:
        return
    found = manifest_scanner.scan_component_manifests()
    manifest_scanner.scan_component_manifests = lambda *_, **__: found  # type: ignore[assignment]


def _nasty(report: Report) -> Report:
    """The same numbers, with tokens that look like markup."""
    token = np.array([NASTY[i % len(NASTY)] for i in range(len(report.tokens["id"]))], dtype=object)
    return replace(report, tokens={**report.tokens, "token": token})


def made_up_study(report: Report) -> Study:
    """A study with invented numbers: neuron 3 of layer 1 is a candidate, and loudest in question 0."""
    rng = np.random.default_rng(0)
    label = np.arange(QUESTIONS) % 2
    arrays = {
        "text": np.arange(QUESTIONS),
        "label": label,
        "risk": 0.2 + 0.6 * label,
        "split": np.arange(QUESTIONS) % 2,
        "tokens": np.full(QUESTIONS, 3),
        "entropy": rng.random(QUESTIONS),
        "logprob": -rng.random(QUESTIONS),
        "agreeing": np.ones(QUESTIONS),
        "agreements": np.array([1.0]),
        "counts": np.array([[30, 30, 0, 0]]),
        "odds": np.stack([2.0 * label - 1, rng.normal(size=QUESTIONS), rng.normal(size=QUESTIONS)]),
        "random_auroc": np.array([0.5, 0.52]),
        "shuffled_auroc": np.array([0.49, 0.5]),
        "probe_bias": np.zeros(1),
    }
    arrays |= {f"score_{name}": np.array([0.9, 0.6, 0.55]) for name in ("auroc", "low", "high", "accuracy")}
    arrays |= {f"score_{name}": np.full(3, np.nan) for name in ("accuracy_low", "accuracy_high", "brier")}
    arrays |= {"score_calibration_error": np.full(3, np.nan), "score_n": np.full(3, float(QUESTIONS))}
    probe = {"layer": [1, 2], "neuron": [3, 5], "column": [NEURONS + 3, 2 * NEURONS + 5], "weight": [0.5, -0.2]}
    arrays |= {
        f"probe_{name}": np.array(values) for name, values in {**probe, "mean": [0, 0.0], "scale": [1, 1.0]}.items()
    }
    tested = {"stability": [0.9, 0.1], "auroc": [0.8, 0.4], "low": [0.7, 0.3], "high": [0.9, 0.5], "within": [0.7, 0.5]}
    arrays |= {
        f"tested_{name}": np.array(values) for name, values in {**tested, "p": [0.001, 0.5], "q": [0.002, 0.5]}.items()
    }
    facts = {"predictors": ["probe", "length", "entropy"], "neurons_by_fold": [2], "transfers": [], "agreement": 1.0}
    cett = rng.random((QUESTIONS, report.card["layers"], NEURONS)).astype(np.float16) / 2
    cett[0, 1, 3] = 0.95
    answers = pd.DataFrame({"id": [f"q{i}" for i in range(QUESTIONS)]})
    answers["question"] = [f"Question {i} <b>?</b>" for i in range(QUESTIONS)]
    answers["answer"], answers["mark"], answers["accepted"] = "Gold", "wrong", "Iron"
    asked = {
        "samples": 1,
        "temperature": 1.0,
        "top_p": 0.9,
        "top_k": 50,
        "longest": 8,
        "seed": 0,
        "questions": QUESTIONS,
    }
    settings = {"detectors": ["hneurons"], "seed": 0, "study": {**asked, "judge": "whole-words", "agreement": 1.0}}
    settings["study"]["form"] = {"name": "few-shot", "shots": []}
    evidence = {
        "hneurons": _evidence("hneurons", arrays, facts),
        "hneurons.contributions": _evidence("hneurons", {"text": np.arange(QUESTIONS), "answer": cett}, {}),
    }
    tables = {"answers": answers, **neuron_tables()}
    plain = {name: {column: table[column].to_numpy() for column in table} for name, table in tables.items()}
    return Study(report.card, settings, evidence, (), report.tokens, tables=plain).judge()  # type: ignore[return-value]


def tested(study: Study) -> Study:
    """The study as if its candidate had been tested and refuted, and guards compared."""
    effects = [
        Effect("neuron 1.3", op, metric, -0.001, -0.004, 0.001, 0.0, -0.002, 0.003, 60, 0.9, 0.9, "refuted", "none", 20)
        for op in ("scale", "scale alone")
        for metric in ("made_up", "loss")
    ]
    alpha = pd.DataFrame({"alpha": [0.0, 1.0, 3.0], "metric": "made_up", "value": [0.5, 0.5, 0.49], "n": 60})
    alpha = alpha.assign(low=0.4, high=0.6, twin_low=0.45, twin_high=0.55)
    ways = [
        ("greedy", "nothing"),
        ("abstain", "probe"),
        ("abstain", "entropy"),
        ("least", "probe"),
        ("least", "logprob"),
    ]
    guard = pd.DataFrame(ways, columns=["policy", "by"]).assign(coverage=0.4, wrong=0.1)
    curve = guard.merge(pd.DataFrame({"coverage": [0.5, 1.0], "error": [0.1, 0.5]}), how="cross", suffixes=("_", ""))
    tables = {"alpha": alpha, "guard": guard, "guard_curve": curve[["policy", "by", "coverage", "error"]]}
    plain = {name: {column: table[column].to_numpy() for column in table} for name, table in tables.items()}
    verdict = Verdict("hneurons", unit=3, first=1, last=1, position=None, verdict="refuted")
    tables = {**study.tables, **plain}
    return replace(study, effects=tuple(effects), tables=tables, verdicts=(verdict,)).judge()  # type: ignore[return-value]


def neuron_tables() -> dict[str, pd.DataFrame]:
    """What a study says of the state of neuron 3 of layer 1."""
    state = {"layer": [1], "neuron": [3], "fires": [0.025], "bar": [0.4], "positive": [0.5], "mean": [0.1]}
    state |= {
        name: [0.0] for name in ("low", "median", "high", "min", "max", "norm", "writes", "dim_share", "sink_heads")
    }
    state |= {"dim": [5], "spike_share": [float("nan")], "n": [1000]}
    tokens = {"layer": 1, "neuron": 3, "kind": ["activates", "promotes", "suppresses"], "rank": 0}
    tokens |= {"token": NASTY[:3], "value": [4.0, 2.0, -2.0], "text": [0, -1, -1], "position": [3, -1, -1]}
    return {
        "hneurons.states": pd.DataFrame(state),
        "hneurons.tokens": pd.DataFrame({**tokens, "before": "", "after": ""}),
    }


def _evidence(detector: str, arrays: dict[str, np.ndarray], facts: dict[str, object]) -> Evidence:
    axes = {name: tuple(f"axis{i}" for i in range(array.ndim)) for name, array in arrays.items()}
    return Evidence(detector, arrays, axes, dict.fromkeys(arrays, "sum"), facts)

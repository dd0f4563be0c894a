"""The dashboard's one page so far: open a saved run, read it, move its thresholds.

streamlit run dashboards/app.py -- FOLDER_OF_RUNS
"""

import sys
from pathlib import Path

import numpy  # noqa: F401 (numpy, pandas, plotly are imported before Streamlit's threads race for them)
import pandas  # noqa: F401
import plotly.graph_objects  # noqa: F401
import streamlit as st

from inspector.errors import InspectorError
from inspector.figures import figures
from inspector.opening import open_run
from inspector.report import Report
from inspector.summary import paragraphs

TABLES = (
    "findings",
    "massive.plateaus",
    "massive.writers",
    "massive.layers",
    "sinks.heads",
    "sinks.controls",
    "hneurons.scores",
    "hneurons.candidates",
    "hneurons.transfers",
    "hneurons.answers",
    "tokens",
)


@st.cache_resource(max_entries=8)
def opened(folder: str, changed: float) -> Report:
    """The run in this folder, opened once for each time it was written."""
    return open_run(folder)


def folders(root: Path) -> list[Path]:
    """Folders under `root` that hold a run, newest first."""
    found = [path.parent for path in root.glob("*/run.json")]
    return sorted(found, key=lambda path: -(path / "run.json").stat().st_mtime)


def thresholds(report: Report) -> dict[str, dict[str, float]]:
    """What the sliders say, for the detectors of this run."""
    chosen: dict[str, dict[str, float]] = {}
    if "massive" in report.settings["detectors"]:
        ratio = st.sidebar.select_slider("Massive: ratio to the median", [30, 100, 300, 1000, 3000], 1000, key="ratio")
        size = st.sidebar.select_slider("Massive: |x| above", [0, 30, 100, 300, 1000], 100, key="magnitude")
        chosen["massive"] = {"ratio": float(ratio), "magnitude": float(size)}
    if "sinks" in report.settings["detectors"]:
        epsilon = st.sidebar.select_slider("Sinks: ε", [round(0.05 * i, 2) for i in range(1, 20)], 0.3, key="epsilon")
        chosen["sinks"] = {"epsilon": float(epsilon)}
    if "hneurons" in report.settings["detectors"]:
        stability = st.sidebar.slider("Neurons: stability of at least", 0.0, 1.0, 0.5, 0.05, key="stability")
        q = st.sidebar.select_slider("Neurons: q below", [0.01, 0.05, 0.1, 0.2, 1.0], 0.05, key="q")
        chosen["hneurons"] = {"stability": float(stability), "q": float(q)}
    return chosen


def page(root: Path) -> None:
    """Draw the page."""
    st.set_page_config(page_title="inspector", layout="wide")
    st.title("What the inspector found")
    runs = folders(root)
    if not runs:
        st.info(f"No runs in {root}. Make one: inspector examine --out {root / 'first'}")
        return
    chosen = st.sidebar.selectbox("Run", runs, format_func=lambda path: path.name)
    try:
        saved = opened(str(chosen), (chosen / "run.json").stat().st_mtime)
        report = saved.judge(**thresholds(saved))
    except InspectorError as error:
        st.error(str(error))
        return
    st.caption(f"Saved run, model {report.card['name']}, fingerprint {report.card['fingerprint'][:12]}")
    for line in paragraphs(report):
        st.text(line)
    for name, figure in figures(report).items():
        st.plotly_chart(figure, key=name)
    table = st.selectbox("Table", [name for name in TABLES if name in report.frames()])
    st.dataframe(report.frame(table), hide_index=True)


page(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))

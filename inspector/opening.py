"""`open_run`: a saved run as a report, or as a study where it holds one; no model is loaded."""

from pathlib import Path

from inspector.hallucination.study import opened
from inspector.run import report
from inspector.run.report import Report


def open_run(folder: str | Path) -> Report:
    """Open a saved run as a report; one of a hallucination study is a `Study`.

    Raises:
        RunError: it is missing, of another format, or a file of it is missing or damaged.
    """
    return opened(report.open_run(folder))

"""Everything that one does with a run: each table, sentence, figure and page of it, judged again and in a terminal."""

import html
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

from inspector.cli.main import _as_json
from inspector.cli.options import print_json
from inspector.run.report import Report, judged
from inspector.show.html import render
from inspector.show.sentences import of_part, sentences
from inspector.show.terminal import print_report, text_tables


class PartFailed(Exception):
    """A part of a detector failed, and its page says so."""


def everything(report: Report) -> None:
    """Make all of it; raises what any of it raises, and where a part of a detector failed."""
    for name in report.frames():
        report.frame(name)
    for part in report.parts:
        part.frames  # noqa: B018 (it raises)
        for said in of_part(part):
            assert said.section != "fault", said
        for one in text_tables(part):
            one.rows()
        for name in ("tiles", "headlines", "notes"):
            part.ask(name)
        if (suggestion := getattr(part.detector, "suggestion", None)) is not None:
            suggestion(part)
    judged(report, report.parts)
    json.dumps(report.judge().settings)
    sentences(report)
    with redirect_stdout(io.StringIO()):
        print_report(report, Path("run"))
        print_json(_as_json(report, None))
    page = render(report)
    if failed := re.search(r"failed in ([^(]*\(\w*)|Everything else continues", page):
        raise PartFailed(html.unescape(failed[1] or failed[0]))

"""Figures of the documentation: python -m docs.numbers [--measure RUN STUDY], from runs to numbers.json to pages.

`docs/numbers.json` has what the program printed of saved runs, and a few numbers by name; how long scans take is in
`benchmarks/results.json`. Pages have marks:

    <!--printed:study--> … <!--/printed-->     what the program says of the run, as a list
    <!--=probe-->0.908<!--/=-->                a number in a sentence or a table

Without `--measure` the pages are written from the JSON; a test fails where they differ from it.
"""

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks import results
from inspector.run.report import Report, open_run

ROOT = Path(__file__).parents[1]
SAVED = ROOT / "docs" / "numbers.json"
PRINTED = re.compile(r"<!--printed:(\w+)-->.*?<!--/printed-->", re.DOTALL)
NUMBER = re.compile(r"<!--=(\w+)-->.*?<!--/=-->")

SCANS = {"scan_1024": "8 × 1,024", "scan_4096": "1 × 4,096", "scan_8192": "1 × 8,192"}
"""A number's name, and the tokens whose scan it says the time of, beside a bare forward pass."""


def measured(scan: Report, study: Report) -> dict[str, Any]:
    """What pages say of a scan and of a study."""
    printed = {
        name: [one.text for one in run.sentences() if one.section != "model"]
        for name, run in (("scan", scan), ("study", study))
    }
    scores = study.frame("hneurons.scores").set_index("name")
    auroc = scores["auroc"]
    values = {name.replace("-", "_").replace(" ", "_"): f"{auroc[name]:.3f}" for name in auroc.index}
    for name in ("probe", "headline"):
        values[f"{name}_interval"] = f"{auroc[name]:.3f} [{scores['low'][name]:.3f}, {scores['high'][name]:.3f}]"
    risky = study.frame("hneurons.reliability").iloc[-1]
    values |= {"risky": f"{risky['n']:.0f}", "risky_wrong": f"{risky['wrong']:.0f}"}
    return {"model": scan.card["name"], "dtype": study.card["dtype"], "printed": printed, "values": values}


def kept() -> dict[str, Any]:
    """What the two files have."""
    numbers = json.loads(SAVED.read_text(encoding="utf-8"))
    rows = {(row.name, row.beside): row for row in results.load()[0]}
    for name, tokens in SCANS.items():
        ratios = rows[f"scan of {tokens} tokens", "bare forward"].ratios
        numbers["values"][name] = f"{statistics.median(ratios):.1f}"
    return numbers


def written(page: str, numbers: dict[str, Any]) -> str:
    """A page with its marks filled.

    Raises:
        KeyError: a mark of which nothing is known.
    """
    lists = {name: "\n".join(f"- {_plain(text)}" for text in said) for name, said in numbers["printed"].items()}
    page = PRINTED.sub(lambda m: f"<!--printed:{m[1]}-->\n\n{lists[m[1]]}\n\n<!--/printed-->", page)
    return NUMBER.sub(lambda m: f"<!--={m[1]}-->{numbers['values'][m[1]]}<!--/=-->", page)


def _plain(text: str) -> str:
    """Printed text as Markdown: what looks like markup is text."""
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")


def pages() -> list[Path]:
    """Pages that may have marks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        found = measured(*(open_run(folder) for folder in sys.argv[2:4]))
        SAVED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    numbers = kept()
    for path in pages():
        path.write_text(written(path.read_text(encoding="utf-8"), numbers), encoding="utf-8")

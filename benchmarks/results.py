"""What a benchmark's row is, and the file and table that rows are kept in."""

import argparse
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: what is measured.
        beside: what it is divided by.
        ratios: one of each round; empty where it could not be measured.
        target: what the ratio should be at most, or, where `least`, at least; None where nothing is promised.
        least: whether more is better.
        value: the median of what is measured itself, in words.
        note: how it was measured, or why it wasn't.
    """

    name: str
    beside: str
    ratios: tuple[float, ...]
    target: float | None = None
    least: bool = False
    value: str = ""
    note: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as a table has it: name, ratio with its spread, target, value, note."""
        ratio = "not measured"
        if self.ratios:
            spread = f"{min(self.ratios):.2f}–{max(self.ratios):.2f}" if len(self.ratios) > 1 else "one round"
            ratio = f"{statistics.median(self.ratios):.2f} ({spread})"
        target = "" if self.target is None else f"{'≥' if self.least else '≤'} {self.target:g}"
        return f"{self.name} ÷ {self.beside}", ratio, target, self.value, self.note


def machine() -> dict[str, Any]:
    """Where it was measured, as far as numbers depend on it."""
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "libraries": {name: version(name) for name in ("torch", "transformers", "transformer-lens", "numpy")},
    }


def save(rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Write rows to the file."""
    content = {**about, "rows": [asdict(row) for row in rows]}
    FILE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load() -> tuple[list[Row], dict[str, Any]]:
    """The rows that are there, and what the file says of the machine."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    rows = [Row(**{**row, "ratios": tuple(row["ratios"])}) for row in content.pop("rows")]
    return rows, content


def table(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """Rows as Markdown."""
    head = ("measured", "ratio: median (least–most)", "target", "itself", "how")
    lines = [head, ("---",) * len(head), *(row.cells for row in rows)]
    libraries = ", ".join(f"{name} {one}" for name, one in about["libraries"].items())
    threads = f"{about['threads']} thread{'s' * (about['threads'] != 1)}"
    where = f"{about['cuda'] or about['processor']}, {threads}; {libraries}"
    quick = " Rounds were few and small, as with `--quick`: they show that a row works, not how fast." * about["quick"]
    return "\n".join([f"On {where}.{quick}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def page(text: str, rows: Sequence[Row], about: dict[str, Any]) -> str:
    """A page's text with the table between its two comments."""
    return between(text, BEGIN, END, table(rows, about))


def between(text: str, begin: str, end: str, content: str) -> str:
    """A page's text with this content between two of its comments."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write the speed page's table from the file."""
    argparse.ArgumentParser(description="Write docs/speed.md from benchmarks/results.json.").parse_args()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), *load()), encoding="utf-8")
    print(f"{PAGE.name} has the numbers of {FILE.name}")


if __name__ == "__main__":
    main()

"""All benchmarks as one table of ratios, which is also written to `benchmarks/results.json`.

Whoever is compared takes turns, so that a slow minute of the machine hits all of them. `--quick` runs every row once
and small, to see that it works; its numbers mean little.

    python -m benchmarks [--rounds N] [--quick] [--only WORD]
"""

import argparse
import sys

from benchmarks.results import FILE, Row, load, machine, save, table
from benchmarks.rows import ROWS, Size


def measured(name: str, size: Size) -> list[Row]:
    """A group of rows; a row that says why where it can't be measured here."""
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        return ROWS[name](size)
    except Exception as error:  # one row's failure is no reason to lose the others
        print(f"  {type(error).__name__}: {error}", file=sys.stderr)
        return [Row(name, "—", (), note=f"it failed: {type(error).__name__}")]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="every row once and small")
    parser.add_argument("--only", help="rows whose group has this word in its name; the others stay as they are")
    options = parser.parse_args()
    size = Size(1 if options.quick else options.rounds, options.quick)
    known, about = ([], {}) if options.only is None or not FILE.exists() else load()
    about = {**machine(), "quick": options.quick or about.get("quick", False)}
    for name in ROWS:
        if options.only is None or options.only in name:
            fresh = measured(name, size)
            again = {name, *(row.name for row in fresh)}  # `name` is a group's that failed
            known = [row for row in known if row.name not in again] + fresh
            save(known, about)  # what was measured stays, whatever comes next
    print(table(known, about))


if __name__ == "__main__":
    main()

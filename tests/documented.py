"""What docs/run-format.md says of each table's columns."""

import re
from pathlib import Path

import pandas as pd

PAGE = (Path(__file__).parents[1] / "docs" / "run-format.md").read_text(encoding="utf-8")
NAME = re.compile(r"`([\w.() -]+)`")


def undocumented(name: str, table: pd.DataFrame) -> list[str]:
    """Columns of this table that the page doesn't name: in the table's row, its file's line, or for every table."""
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]]
    known = {word for row in rows for word in NAME.findall(row)}
    listed = re.search(rf"^{re.escape(name)}\.parquet (.*(?:\n {{28}}.*)*)", PAGE, re.MULTILINE)
    known |= set(re.findall(r"\w+", listed[1])) if listed else set()
    assert known, f"docs/run-format.md does not have the table {name}"
    everywhere = re.search(r"^These mean the same in every table\. (.*(?:\n.+)*)", PAGE, re.MULTILINE)
    assert everywhere
    known |= set(NAME.findall(everywhere[1]))
    return [column for column in table if not {column, re.sub("_(low|high)$", "", column)} & known]

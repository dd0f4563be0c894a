"""A run on a terminal: sentences, then the two tables a reader asks for first."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.results import Record
from inspector.summary import paragraphs
from inspector.tables import frame, names

MASSIVE, SINK = "#E8590C", "#1971C2"
HEADS_SHOWN, PLATEAUS_SHOWN = 8, 12


def print_report(record: Record, where: Path) -> None:
    """Print the run to stdout, as wide as the terminal, or 100 columns into a pipe."""
    console = Console(soft_wrap=False, width=None if Console().is_terminal else 100)
    for line in paragraphs(record):
        console.print(Text(line))
    known = names(record)
    if "massive.plateaus" in known:
        console.print(_plateaus(frame(record, "massive.plateaus")))
    if "sinks.heads" in known and frame(record, "sinks.heads")["sink_rate"].notna().any():
        console.print(_heads(frame(record, "sinks.heads")))
    console.print(Text(f"Run: {where.absolute()}"), soft_wrap=True)
    console.print(Text(f"All tables: inspector show {where} --frame NAME, or --json."), soft_wrap=True)


def _plateaus(plateaus: pd.DataFrame) -> Table:
    main = plateaus[plateaus["main"]]
    rest = len(plateaus) - len(main)
    table = _table(f"Massive activations: plateaus of the residual stream ({rest} more dims ride on them)", MASSIVE)
    for name, justify in (
        ("dim", "right"),
        ("layers", "left"),
        ("position", "right"),
        ("token", "left"),
        ("mean value", "right"),
        ("peak × median", "right"),
        ("texts", "right"),
        ("layers flagged", "right"),
        ("verdict", "left"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left")
    for row in main.head(PLATEAUS_SHOWN).itertuples():
        table.add_row(
            str(row.dim),
            f"{row.first}–{row.last}",
            "varies" if pd.isna(row.position) else str(row.position),
            _token(row.token),
            f"{row.value:,.1f}",
            f"{row.ratio:,.0f}",
            f"{row.texts:.0%}",
            str(row.flagged),
            "candidate" if row.flagged else "not flagged",
        )
    return table


def _heads(heads: pd.DataFrame) -> Table:
    table = _table(f"Attention sinks: the {HEADS_SHOWN} strongest of {len(heads)} heads", SINK)
    for name in (
        "layer",
        "head",
        "key",
        "token",
        "received",
        "interval",
        "sink rate",
        "entropy",
        "‖v‖ of key / others",
    ):
        table.add_column(name, justify="left" if name == "token" else "right")
    for row in heads.sort_values("received", ascending=False).head(HEADS_SHOWN).itertuples():
        interval = "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}"
        table.add_row(
            str(row.layer),
            str(row.head),
            "moves" if pd.isna(row.key) else str(row.key),
            _token(row.token),
            f"{row.received:.3f}",
            interval,
            f"{row.sink_rate:.2f}",
            f"{row.entropy:.2f}",
            f"{row.value_norm_ratio:.2f}",
        )
    return table


def _table(title: str, colour: str) -> Table:
    return Table(title=Text(title, style=f"bold {colour}"), title_justify="left", header_style="dim")


def _token(token: object) -> Text:
    """A token's text, or "varies"; never read as markup, blanks shown."""
    if not isinstance(token, str):
        return Text("varies", style="dim")
    shown = token.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥")
    return Text("".join(c if c.isprintable() else "�" for c in shown)[:14])

"""What the commands share: options, messages, progress bars, rows for JSON."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspector.errors import InputError
from inspector.printable import obeyed, printable
from inspector.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
    from rich.progress import Progress as Bars

    from inspector.hallucination.study import Study
    from inspector.models import Model
    from inspector.models.observe import Forecast

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (documented in docs/run-format.md).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing run.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps.")]
DeviceMap = Annotated[
    str | None,
    typer.Option(help="For a model that one device can't hold, in place of --device: auto, or JSON {module: device}."),
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")]
TrustRemoteCode = Annotated[bool, typer.Option(help="Run code that comes with the model.")]
KeptIn = Annotated[Path | None, typer.Option("--run", help="Keep it in this run, made where it isn't there.")]
Recipe = Annotated[Path | None, typer.Option(help="Write what to spare, with the measurements (.json, .yaml).")]


def rows_of(table: Any) -> list[dict[str, Any]]:
    """A DataFrame's rows as plain JSON values; NaN is None."""
    return [{key: _plain(value) for key, value in row.items()} for row in table.astype(object).to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def placed(device: str | None, device_map: str | None) -> dict[str, Any]:
    """Where a model goes, as `load_model` takes it.

    Raises:
        InputError: the map begins as JSON does, and is none.
    """
    if device_map is None or not device_map.lstrip().startswith("{"):
        return {"device": device, "device_map": device_map}
    try:
        return {"device": device, "device_map": json.loads(device_map)}
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"--device-map '{printable(device_map)[:40]}' is no JSON: {error}. Use auto, or for example "
            '\'{"model.embed_tokens": 0, "model.layers": "cpu"}\'.'
        ) from error


def load_again(
    card: Mapping[str, Any], model: str | None, where: Mapping[str, Any], trust_remote_code: bool, quiet: bool
) -> "Model":
    """The model that a run was made on, in its dtype; by another name where one is given."""
    name = model or card["name"]
    say(quiet, f"Loading {name} …")
    from inspector.models import load_model

    return load_model(
        name,
        dtype=card["dtype"],
        **where,
        revision=card.get("revision"),
        trust_remote_code=trust_remote_code,
    )


def load_named(
    model: str, dtype: str, where: Mapping[str, Any], revision: str | None, trust_remote_code: bool, quiet: bool
) -> "Model":
    """The model that an option names, said while it loads."""
    say(quiet, f"Loading {model} …")
    from inspector.models import load_model

    return load_model(model, dtype=dtype, **where, revision=revision, trust_remote_code=trust_remote_code)


def load_to_ask(
    model: str, dtype: str, where: Mapping[str, Any], revision: str | None, trust_remote_code: bool, quiet: bool
) -> "Model":
    """A model that is to answer questions: by default in the precision that it answers fastest in."""
    from inspector.models import asking_dtype

    fastest = asking_dtype(**where) if dtype == "auto" else dtype
    return load_named(model, fastest, where, revision, trust_remote_code, quiet)


def as_study(report: Any, path: Path) -> "Study":
    """The report, if it is a hallucination study.

    Raises:
        InputError: it isn't.
    """
    from inspector.hallucination.study import Study

    if not isinstance(report, Study):
        raise InputError(f"Run '{path}' is no hallucination study. Make one: inspector hallucinate --out RUN.")
    return report


def say(quiet: bool, message: str) -> None:
    """A message on stderr, unless quiet; nothing in it is obeyed by a terminal."""
    if not quiet:
        typer.echo(printable(message, kept="\n"), err=True)


def print_line(text: object) -> None:
    """A line on stdout; nothing in it is obeyed by a terminal."""
    typer.echo(printable(text))


def print_csv(table: "pd.DataFrame") -> None:
    """A table on stdout as CSV; control characters other than line ends and tabs are written out."""
    typer.echo(printable(table.to_csv(index=False, lineterminator="\n"), kept="\n\t"), nl=False)


def print_json(value: object) -> None:
    """A value on stdout as JSON that says the same in any encoding; nothing in it is obeyed by a terminal."""
    plain = "utf" in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    written = json.dumps(value, ensure_ascii=not plain, indent=1)
    # JSON's own escapes leave the second set of controls, directions and half pairs.
    typer.echo(written.translate({ord(c): f"\\u{ord(c):04x}" for c in obeyed(written, "\n") if ord(c) < 0x10000}))


def forecast_said(quiet: bool) -> Callable[["Forecast"], None]:
    """Says on stderr what a pass will take, unless quiet."""
    return lambda plan: say(quiet, f"Forecast: {plan}.")


@contextmanager
def bars(quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr for each task."""
    with _bar(quiet) as bar:
        tasks: dict[str, Any] = {}

        def listener(name: str, done: int, total: int | None) -> None:
            if not done:  # it begins, perhaps again
                tasks[name] = bar.add_task(printable(name), total=total)
            bar.advance(tasks[name], done)

        yield Progress(listener)


@contextmanager
def _bar(quiet: bool) -> Iterator["Bars"]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = [TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet, transient=True) as bar:
        yield bar

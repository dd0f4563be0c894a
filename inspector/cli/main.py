"""The `inspector` command. Results go to stdout, messages to stderr; a user's mistake exits 2."""

import errno
import os
import signal
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspector.cli import compare as cli_compare
from inspector.cli import context as cli_context
from inspector.cli import dashboard as cli_dashboard
from inspector.cli import decode as cli_decode
from inspector.cli import examine as cli_examine
from inspector.cli import hallucinate as cli_study
from inspector.cli import heads as cli_heads
from inspector.cli import lens as cli_lens
from inspector.cli import neuron as cli_neuron
from inspector.cli import pruning as cli_pruning
from inspector.cli import runs as cli_runs
from inspector.cli import sensitivity as cli_sensitivity
from inspector.cli import verify as cli_verify
from inspector.cli.detectors import Thresholds, parsed_thresholds
from inspector.cli.files import refuse_data, write_data
from inspector.cli.options import (
    Json,
    Overwrite,
    Quiet,
    Recipe,
    print_csv,
    print_json,
    print_line,
    rows_of,
    say,
)
from inspector.errors import InputError, InspectorError
from inspector.printable import printable
from inspector.resume import KEPT

if TYPE_CHECKING:
    from inspector.run.report import Report

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.command()(cli_examine.examine)
app.command()(cli_study.hallucinate)
app.command()(cli_study.ask)
app.command()(cli_study.score)
app.command()(cli_verify.verify)
app.command()(cli_decode.decode)
app.command()(cli_context.context)
app.command()(cli_sensitivity.sensitivity)
app.command()(cli_heads.heads)
app.command()(cli_pruning.pruning)
app.command()(cli_neuron.neuron)
app.command()(cli_lens.lens)
app.command()(cli_compare.compare)
app.command()(cli_runs.runs)
app.command()(cli_dashboard.dashboard)


def _show_version(asked: bool) -> bool:
    if asked:
        print_line(f"inspector {installed_version('activation-inspector')}")
        raise typer.Exit
    return asked


@app.callback()
def inspector_command(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Find massive activations, attention sinks and candidate hallucination neurons in a language model."""


@app.command()
def merge(
    shards: Annotated[list[Path], typer.Argument(help="Folders of the shards' runs, all of them.", metavar="RUN...")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write the whole run to.")],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Merge the runs of a corpus's shards into the run of the whole; no model is loaded."""
    from inspector.run import disk as runs
    from inspector.run.merging import merge as merged
    from inspector.run.report import open_run

    runs.claim(out, overwrite=overwrite)
    saved = merged(open_run(one) for one in shards).save(out, overwrite=overwrite)
    say(quiet, f"Saved. Look at it: inspector show {out}")
    print_line(saved)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    as_json: Json = False,
    frame: Annotated[str | None, typer.Option(help="Print one table whole; a wrong name lists them.")] = None,
    threshold: Thresholds = None,
) -> None:
    """Print what a run found, by its own thresholds or by others."""
    from inspector.run.report import open_run

    report = open_run(run)
    if threshold:
        report = report.judge(**parsed_thresholds(threshold))
    if as_json:
        print_json(_as_json(report, frame))
    elif frame is not None:
        print_csv(report.frame(frame))
    else:
        from inspector.show.terminal import print_report

        print_report(report, run)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    page: Annotated[Path | None, typer.Option("--html", help="Page to write.")] = None,
    recipe: Recipe = None,
) -> None:
    """Write a run as one HTML page that opens offline, or what to spare when its model is made smaller."""
    from inspector.run.report import open_run

    if page is None and recipe is None:
        raise InputError("Nothing to write. Name a page (--html FILE) or a recipe (--recipe FILE).")
    if recipe is not None:
        refuse_data(recipe, overwrite=True)
    report = open_run(run)
    if recipe is not None:
        print_line(write_data(report.recipe(), recipe))
    if page is not None:
        from inspector.show.html import write

        print_line(write(report, page))


@app.command()
def models(as_json: Json = False) -> None:
    """List the built-in model and the architectures known to work."""
    from inspector.models.catalogue import ARCHITECTURES, built_in_model

    if as_json:
        print_json({"built_in": built_in_model(), "architectures": ARCHITECTURES})
        return
    built_in = built_in_model()
    typer.echo(f"{built_in['name']}  {built_in['state']}")
    typer.echo("Also a hub id, a folder, or a .gguf file of one of these architectures (tested), or any other that")
    typer.echo("TransformerLens wraps; what is missing is said when the model is loaded.")
    for name, what in ARCHITECTURES.items():
        typer.echo(f"  {name:<24}{what}")


@app.command()
def detectors(as_json: Json = False) -> None:
    """List the installed detectors, the packages they come from, and their thresholds."""
    from inspector.cli.detectors import listed, print_listed

    if as_json:
        print_json(listed())
    else:
        print_listed()


def main() -> None:
    """Run the command; mistakes end in one line and exit code 2, Ctrl-C in 130, SIGTERM in 143."""
    ended: list[int] = []  # by SIGTERM
    signal.signal(signal.SIGTERM, lambda number, frame: _end(ended))
    KEPT.clear()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a pipe of Windows may know fewer characters than a model
            stream.reconfigure(errors="backslashreplace")
    if "--quiet" in sys.argv or "-q" in sys.argv:
        os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        code = app(standalone_mode=False)
    except InspectorError as error:
        kept = f" {KEPT[-1][0].upper()}{KEPT[-1][1:]}." if KEPT else ""
        code = _mistake(f"{error}{kept}")
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except SystemExit as stop:  # typer's own answer to a closed pipe
        if not (isinstance(stop.__context__, OSError) and stop.__context__.errno == errno.EPIPE):
            raise
        code = 0
    except OSError as error:
        code = _mistake(_of_the_disk(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # the parser's own errors; typer does not export their class
            raise
        code = _usage(error)
    sys.exit(_stopped(143 if ended else 130) if code == 130 or ended else code)


def _end(ended: list[int]) -> None:
    """SIGTERM: what is open is closed as after Ctrl-C."""
    ended.append(signal.SIGTERM)
    raise KeyboardInterrupt


def _mistake(said: str) -> int:
    print(f"inspector: {printable(said)}", file=sys.stderr)
    return 2


def _of_the_disk(error: OSError) -> str:
    """What the system refused, of which file, in a line."""
    what = f"'{error.filename}'" if error.filename else "A file"
    return f"{what} can't be used: {error.strerror or error}. Look at its permissions and at the disk, or name another."


def _stopped(code: int) -> int:
    """Say what is kept of the work that was stopped, and how to go on."""
    said = f"{KEPT[-1]}; the same command resumes it" if KEPT else "nothing was written"
    print(f"inspector: stopped; {printable(said)}.", file=sys.stderr)
    return code


def _usage(error: Any) -> int:
    """The parser's complaint as one line; the whole help where no command was given."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
    else:
        print(f"inspector: {printable(error.format_message())} Try --help.", file=sys.stderr)
    return 2


def _as_json(report: "Report", frame: str | None) -> dict[str, Any]:
    """The stable JSON of `show`: card, settings, notes, and the main tables as lists of rows."""
    wanted = [frame] if frame else [n for n in report.frames() if n != "tokens" and not n.startswith("evidence.")]
    wanted = [name for name in wanted if frame or not name.endswith(".map")]  # a number for every token and layer
    tables = {name: rows_of(report.frame(name)) for name in wanted}
    return {"model": dict(report.card), "settings": dict(report.settings), "notes": list(report.notes), **tables}


if __name__ == "__main__":
    main()

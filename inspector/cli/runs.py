"""The command `runs`: what is in a folder of runs, finished and stopped."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspector.cli.options import Json, print_json, print_line
from inspector.errors import InputError, RunError

if TYPE_CHECKING:
    from inspector.run.leftovers import Leftover


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="NAME", help="Remove what stopped work left; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the runs of a folder, and what stopped work left there."""
    from inspector.run import leftovers
    from inspector.run.disk import put_back_all

    if not folder.is_dir():
        raise InputError(f"No folder '{folder}'. Give the folder that holds runs.")
    for name in remove or []:
        gone = leftovers.remove(folder, name)
        print_line(f"Removed {gone.name} ({_size(gone.size)}).")
    if remove:
        return
    put_back_all(folder)
    found = [_run(path.parent) for path in sorted(folder.glob("*/run.json")) if path.parent.name[0] != "."]
    left = leftovers.leftovers(folder)
    if as_json:
        rows = [{**asdict(one), "path": str(one.path)} for one in left]
        print_json({"runs": found, "stopped": rows})
        return
    for run in found:
        print_line(f"{run['name']}  {run['fault'] or run['model'] + ', ' + ', '.join(run['detectors'])}")
    if not found:
        print_line(f"No runs in '{folder}'.")
    _print_left(left, folder)


def _run(folder: Path) -> dict[str, Any]:
    """A run's name and what its `run.json` says, or what is wrong with it."""
    from inspector.run.disk import damage, describe

    row: dict[str, Any] = {"name": folder.name, "model": "", "detectors": [], "created": "", "fault": ""}
    try:
        about = describe(folder)
    except RunError as error:
        return {**row, "fault": str(error)}
    row |= {"model": str(about["model"].get("name", "?")), "created": about["created"]}
    detectors = [str(name) for name in about["settings"]["detectors"]]
    return {**row, "detectors": detectors, "fault": damage(folder, about["files"], hashed=False)}


def _print_left(left: "list[Leftover]", folder: Path) -> None:
    if not left:
        return
    print_line("Stopped work:")
    for one in left:
        state = "in use" if one.held else one.what
        print_line(f"  {one.name}  {_size(one.size)}, {one.changed}: {state}")
    print_line(f"Remove what you don't need: inspector runs {folder} --remove NAME")


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

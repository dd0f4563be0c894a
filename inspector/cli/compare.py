"""The command `compare`: two models on the same tokens, or two runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspector.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    Json,
    Quiet,
    TrustRemoteCode,
    bars,
    placed,
    print_json,
    rows_of,
    say,
)
from inspector.errors import InputError

if TYPE_CHECKING:
    from inspector.analyses.model_differences import ModelDifferences


def compare(
    first: Annotated[str, typer.Argument(help="A model (name, hub id, folder, .gguf), or the folder of a run.")],
    second: Annotated[str, typer.Argument(help="Another of the same kind.")],
    file: Annotated[list[Path] | None, typer.Option("--file", help="A UTF-8 file: one text, or .jsonl.")] = None,
    texts: Annotated[int, typer.Option(help="How many built-in texts, where no file is given.", min=1)] = 16,
    run: Annotated[
        Path | None, typer.Option("--run", "--out", help="Keep it in this run, made where it isn't there.")
    ] = None,
    dtype: Dtype = "auto",
    second_dtype: Annotated[str | None, typer.Option(help="The second model's, where it is another.")] = None,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two models on the same tokens, layer by layer; or the numbers that two runs have."""
    runs = [(Path(one) / "run.json").is_file() for one in (first, second)]
    if all(runs):
        if run is not None:
            raise InputError("Two runs are compared here, which is not kept. Give two models to keep a comparison.")
        _runs(Path(first), Path(second), as_json)
        return
    if any(runs):
        raise InputError(f"'{first if runs[0] else second}' is a run, and the other is none. Give two models, or runs.")
    from inspector.analyses.two_models import compare_models
    from inspector.models import load_model
    from inspector.run.measurements import refuse_other
    from inspector.texts import built_in, from_files

    given = from_files(file) if file else built_in(texts)
    say(quiet, f"Loading {first} …")
    where = placed(device, device_map)
    one = load_model(first, dtype=dtype, **where, trust_remote_code=trust_remote_code)
    say(quiet, f"Loading {second} …")
    other = load_model(second, dtype=second_dtype or dtype, **where, trust_remote_code=trust_remote_code)
    if run is not None:
        refuse_other(run, one.current_card())
    with bars(quiet) as progress:
        found = compare_models(one, other, given, progress=progress)
    if as_json:
        print_json(_as_json(found))
    else:
        from inspector.show.terminal import print_differences

        print_differences(found)
    if run is not None:
        found.save(run)


def _as_json(found: "ModelDifferences") -> dict[str, object]:
    tables = {name: rows_of(getattr(found, name)) for name in ("summary", "layers", "dims")}
    tables |= {"worst": rows_of(found.worst()), "findings": rows_of(found.findings)}
    return {"first": dict(found.first), "second": dict(found.second), **tables}


def _runs(first: Path, second: Path, as_json: bool) -> None:
    from inspector.run.differences import headlines, unlike
    from inspector.run.report import open_run
    from inspector.show.terminal import print_run_differences

    one, other = open_run(first), open_run(second)
    table, others = headlines(one, other), unlike(one, other)
    if as_json:
        print_json({"numbers": rows_of(table), "what else differs": others})
    else:
        print_run_differences(table, others)

"""The command `context`: does a model use the passage that it is given?"""

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.files import refuse_table, write_table
from inspector.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    Json,
    Overwrite,
    Quiet,
    Revision,
    TrustRemoteCode,
    as_study,
    bars,
    load_again,
    load_to_ask,
    placed,
    print_json,
    print_line,
    rows_of,
)
from inspector.errors import InputError
from inspector.models.catalogue import BUILT_IN


def context(
    file: Annotated[
        Path | None,
        typer.Argument(help="Rows of question and context, with answers and says where known; built-in if not given."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="A hallucination study: also the risks, on its model.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write a row per answer to this .csv or .parquet file.")
    ] = None,
    count: Annotated[int, typer.Option(help="Built-in questions; each has three passages.", min=1)] = 120,
    model: Annotated[
        str | None, typer.Option(help="Built-in name, hub id, folder or .gguf file; the study's where there is one.")
    ] = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    seed: Annotated[int, typer.Option(help="Seed of the built-in questions and passages.", min=0)] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask questions with a passage and without: does the answer follow the passage or the model's memory?"""
    from inspector.hallucination.passages import as_passages, passages
    from inspector.run.report import open_run

    if out is not None:
        refuse_table(out, overwrite=overwrite)
    if run is not None and (dtype != "auto" or revision is not None):
        raise InputError("--run brings its model's dtype and revision. Leave --dtype and --revision out.")
    rows = passages(count, seed) if file is None else as_passages(file)
    study = None if run is None else as_study(open_run(run), run)
    if study is not None:
        loaded = load_again(study.card, model, placed(device, device_map), trust_remote_code, quiet)
    else:
        loaded = load_to_ask(model or BUILT_IN, dtype, placed(device, device_map), revision, trust_remote_code, quiet)
    from inspector.hallucination.context_use import context_use

    with bars(quiet) as progress:
        found = context_use(loaded, rows, study=study, progress=progress)
    if out is not None:
        write_table(found.rows, out)
    if as_json:
        print_json({"summary": rows_of(found.summary)})
        return
    for sentence in found.sentences():
        print_line(sentence)

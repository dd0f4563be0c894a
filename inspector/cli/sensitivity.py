"""The command `sensitivity`: what would quantisation break, and what is worth sparing?"""

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.files import refuse_data, refuse_table, write_data, write_table
from inspector.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    Json,
    KeptIn,
    Overwrite,
    Quiet,
    Recipe,
    Revision,
    TrustRemoteCode,
    bars,
    load_named,
    placed,
    print_json,
    print_line,
    rows_of,
)
from inspector.models.catalogue import BUILT_IN


def sensitivity(
    scheme: Annotated[str, typer.Option(help="w8a8-tensor, w8a8-token, w4a16-g128, a8-tensor, kv4, and their like.")],
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    each: Annotated[str, typer.Option(help="What is tried alone: matrix (and layers), layer, or none.")] = "matrix",
    controls: Annotated[int, typer.Option(help="Random dims, neurons, … beside each remedy.", min=0)] = 20,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a row per part to this .csv or .parquet file.")
    ] = None,
    recipe: Recipe = None,
    run: KeptIn = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    seed: Annotated[int, typer.Option(help="Seed of the controls.", min=0, max=2**32 - 1)] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try a quantisation scheme without touching a weight: all at once, each part alone, and what helps."""
    from inspector.quantisation.schemes import scheme as scheme_named

    plan = scheme_named(scheme)
    if out is not None:
        refuse_table(out, overwrite=overwrite)
    if recipe is not None:
        refuse_data(recipe, overwrite=overwrite)
    from inspector.quantisation.sensitivity import sensitivity as measure
    from inspector.run.disk import plain
    from inspector.run.measurements import refuse_other

    loaded = load_named(model, dtype, placed(device, device_map), revision, trust_remote_code, quiet)
    if run is not None:
        refuse_other(run, loaded.current_card())
    with bars(quiet) as progress:
        found = measure(loaded, plan, each=each, controls=controls, seed=seed, progress=progress)
    if out is not None:
        write_table(found.parts, out)
    if recipe is not None:
        write_data(found.recipe(), recipe)
    if as_json:
        print_json({"parts": rows_of(found.parts), "remedies": rows_of(found.remedies), "facts": plain(found.facts)})
    else:
        for sentence in found.sentences():
            print_line(sentence)
    if run is not None:
        found.save(run)

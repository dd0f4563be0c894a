"""The command `pruning`: what does each part of a model cost to take out?"""

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.files import refuse_table, write_table
from inspector.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    Json,
    KeptIn,
    Overwrite,
    Quiet,
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


def pruning(
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    each: Annotated[str, typer.Option(help="What is taken out alone: layer, or head (and layers).")] = "layer",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a row per part to this .csv or .parquet file.")
    ] = None,
    run: KeptIn = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    seed: Annotated[int, typer.Option(help="Seed of the random sets.", min=0, max=2**32 - 1)] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take out layers, attention, MLPs, heads, neurons and weights: what it costs, and what spikes and sinks do."""
    if out is not None:
        refuse_table(out, overwrite=overwrite)
    from inspector.pruning.removals import removals
    from inspector.run.disk import plain
    from inspector.run.measurements import refuse_other

    loaded = load_named(model, dtype, placed(device, device_map), revision, trust_remote_code, quiet)
    if run is not None:
        refuse_other(run, loaded.current_card())
    with bars(quiet) as progress:
        found = removals(loaded, each=each, seed=seed, progress=progress)
    if out is not None:
        write_table(found.parts, out)
    if as_json:
        tables = {name: rows_of(getattr(found, name)) for name in ("parts", "neurons", "weights")}
        print_json({**tables, "facts": plain(found.facts)})
    else:
        for sentence in found.sentences():
            print_line(sentence)
    if run is not None:
        found.save(run)

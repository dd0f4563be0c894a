"""The command `heads`: which heads could do with a window over the cache?"""

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


def heads(
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    first: Annotated[int, typer.Option(help="How many of a text's first keys stay.", min=0)] = 4,
    last: Annotated[int, typer.Option(help="How many keys before a query stay.", min=1)] = 64,
    most: Annotated[float, typer.Option(help="Attention elsewhere up to which a head is chosen.", min=0, max=1)] = 0.05,
    length: Annotated[int, typer.Option(help="Tokens of a text.", min=2)] = 256,
    controls: Annotated[int, typer.Option(help="Sets of as many random heads.", min=0)] = 20,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a row per head to this .csv or .parquet file.")
    ] = None,
    recipe: Recipe = None,
    run: KeptIn = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    seed: Annotated[int, typer.Option(help="Seed of the random heads.", min=0, max=2**32 - 1)] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the heads that need only the first keys and the last ones, and test exactly these under that window."""
    if out is not None:
        refuse_table(out, overwrite=overwrite)
    if recipe is not None:
        refuse_data(recipe, overwrite=overwrite)
    from inspector.eviction.heads import windowable_heads
    from inspector.eviction.limits import Window
    from inspector.run.disk import plain
    from inspector.run.measurements import refuse_other

    loaded = load_named(model, dtype, placed(device, device_map), revision, trust_remote_code, quiet)
    asked = {"window": Window(first, last), "most": most, "length": length, "controls": controls, "seed": seed}
    if run is not None:
        refuse_other(run, loaded.current_card())
    with bars(quiet) as progress:
        found = windowable_heads(loaded, progress=progress, **asked)  # type: ignore[arg-type]
    if out is not None:
        write_table(found.heads, out)
    if recipe is not None:
        write_data(found.recipe(), recipe)
    if as_json:
        tables = {name: rows_of(getattr(found, name)) for name in ("heads", "tests", "caches")}
        print_json({**tables, "facts": plain(found.facts)})
    else:
        for sentence in found.sentences():
            print_line(sentence)
    if run is not None:
        found.save(run)

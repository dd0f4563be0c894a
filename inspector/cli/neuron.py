"""The command `neuron`: what one MLP neuron fires on, promotes, suppresses and writes."""

from typing import Annotated

import typer

from inspector.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    Json,
    Quiet,
    Revision,
    TrustRemoteCode,
    bars,
    forecast_said,
    placed,
    print_json,
    rows_of,
    say,
)
from inspector.models.catalogue import BUILT_IN


def neuron(
    layer: Annotated[int, typer.Argument(help="The layer, from 0.", min=0)],
    number: Annotated[int, typer.Argument(metavar="NEURON", help="The neuron's number in it, from 0.", min=0)],
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    texts: Annotated[int, typer.Option(help="How many built-in texts to look through.", min=1)] = 100,
    top: Annotated[int, typer.Option(help="Tokens of each kind.", min=1)] = 10,
    firing_threshold: Annotated[
        float, typer.Option(help="Firing threshold, in multiples of the layer's median |z|.")
    ] = 10.0,
    bar: Annotated[float | None, typer.Option("--bar", help="Old name of --firing-threshold.", hidden=True)] = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Describe a neuron: its top tokens, how often it fires, what its output promotes, the spike it writes."""
    if bar is not None:
        say(False, "--bar is deprecated: use --firing-threshold.")
        firing_threshold = bar
    say(quiet, f"Loading {model} …")
    from inspector.analyses.neurons import describe_neurons
    from inspector.models import load_model
    from inspector.texts import built_in

    loaded = load_model(
        model, dtype=dtype, **placed(device, device_map), revision=revision, trust_remote_code=trust_remote_code
    )
    with bars(quiet) as progress:
        found = describe_neurons(
            loaded,
            [(layer, number)],
            built_in(texts),
            top=top,
            bar=firing_threshold,
            progress=progress,
            on_forecast=forecast_said(quiet),
        )
    for note in found.notes:
        say(quiet, note)
    if as_json:
        described = {"model": dict(loaded.card), "states": rows_of(found.states), "tokens": rows_of(found.tokens)}
        print_json(described)
    else:
        from inspector.show.terminal import print_neuron

        print_neuron(found.states, found.tokens)

"""The command `lens`: what each layer would predict, and how deep each token goes."""

from typing import TYPE_CHECKING, Annotated, Any

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
    load_named,
    placed,
    print_json,
    rows_of,
)
from inspector.models.catalogue import BUILT_IN

if TYPE_CHECKING:
    from inspector.analyses.logit_lens import Lens
    from inspector.models import Model


def lens(
    text: Annotated[str, typer.Argument(help="The text to run the model on.")],
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    g: Annotated[
        float,
        typer.Option(
            help="Jensen-Shannon divergence (bits) to the final layer at which a token counts as settled.", min=0, max=1
        ),
    ] = 0.5,
    rho: Annotated[
        float,
        typer.Option(help="Fraction of depth from which a token that settles counts as deep.", min=0, max=1),
    ] = 0.85,
    calibrate: Annotated[
        int | None,
        typer.Option(help="Calibrate g on this number of built-in texts: half of their tokens are then deep.", min=1),
    ] = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Logit lens: what each layer predicts, where predictions settle, and the deep-thinking ratio."""
    from inspector.analyses.logit_lens import logit_lens, refuse

    refuse(g, rho)
    loaded = load_named(model, dtype, placed(device, device_map), revision, trust_remote_code, quiet)
    refuse(g, rho, None if calibrate is None else loaded.shape.layers)
    with bars(quiet) as progress:
        read = logit_lens(loaded, [text], g=g, rho=rho, progress=progress, on_forecast=forecast_said(quiet))
    how: dict[str, Any] = {"g": g, "rho": rho}
    if calibrate is not None:
        read, how = _calibrated(loaded, read, calibrate, quiet)
    if as_json:
        output = {"model": dict(loaded.card), "settings": how, "ratio": read.ratio, "deep_from": read.deep_from}
        output |= {"depth": rows_of(read.depth), "lens": rows_of(read.lens)}
        print_json(output)
    else:
        from inspector.show.terminal import print_lens

        print_lens(read.lens, read.depth, how, read.deep_from)


def _calibrated(model: "Model", read: "Lens", texts: int, quiet: bool) -> tuple["Lens", dict[str, Any]]:
    """The lens with a g calibrated on built-in texts, and how it was calibrated."""
    from inspector.analyses.logit_lens import SHARE, logit_lens
    from inspector.texts import built_in

    with bars(quiet) as progress:
        ordinary = logit_lens(
            model, built_in(texts), g=read.g, rho=read.rho, progress=progress, on_forecast=forecast_said(quiet)
        )
    g = ordinary.calibrated()
    on = {"texts": texts, "tokens": len(ordinary.tokens), "share": SHARE, "ratio_before": ordinary.ratio}
    return read.judge(g=g), {"g": g, "rho": read.rho, "calibrated": {"g_before": read.g, **on}}

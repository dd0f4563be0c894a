"""The command `decode`: a study's questions under every way to decode."""

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.options import (
    Device,
    DeviceMap,
    Json,
    Overwrite,
    Quiet,
    TrustRemoteCode,
    as_study,
    bars,
    load_again,
    placed,
    print_json,
    rows_of,
    say,
)
from inspector.errors import InputError


def decode(
    run: Annotated[Path, typer.Argument(help="Folder of a hallucination study.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the study with the table in it.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the run by the one with the table.")] = False,
    model: Annotated[str | None, typer.Option(help="The study's model, where its name doesn't find it.")] = None,
    samples: Annotated[int, typer.Option(help="Answers drawn per question; best of k reranks these.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the draws, and of the choice of questions.", min=0)] = 0,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: TrustRemoteCode = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer the same questions greedily, by softmax, top-k, top-p, sparsemax and best of k, and compare."""
    from inspector.hallucination.grading.recorded import judge_of
    from inspector.run import disk as runs
    from inspector.run.report import open_run

    if out is not None and in_place:
        raise InputError("Both --out and --in-place were given. Give one of them, or neither.")
    study = as_study(open_run(run), run)
    judge_of(study.settings)  # refused before the model is loaded
    target = run if in_place else out
    if target is not None:
        runs.claim(target, overwrite=overwrite or in_place)
    loaded = load_again(study.card, model, placed(device, device_map), trust_remote_code, quiet)
    from inspector.hallucination.compare_decoding import compare_decoding

    with bars(quiet) as progress:
        compared = compare_decoding(study, loaded, samples=samples, seed=seed, progress=progress)
    if target is not None:
        say(quiet, f"Saved to {compared.save(target, overwrite=overwrite or in_place)}.")
    family = compared.frame("decoding")
    if as_json:
        print_json({"decoding": rows_of(family)})
    else:
        from inspector.figures.palette import VIOLET
        from inspector.hallucination.compare_decoding import text_table
        from inspector.show.terminal import print_table

        print_table(text_table(compared), VIOLET)

"""The command `verify`: a run's findings, tested by intervening."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.engines import RAY, Address, Cluster, Cpus, Gpus, WorkerCount, refuse_engine
from inspector.cli.options import (
    Device,
    DeviceMap,
    Overwrite,
    Quiet,
    TrustRemoteCode,
    bars,
    load_again,
    placed,
    print_line,
    say,
)
from inspector.errors import InputError


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the verified run.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the run by the verified one.")] = False,
    model: Annotated[str | None, typer.Option(help="The run's model, where its name doesn't find it.")] = None,
    twins: Annotated[
        int | None,
        typer.Option(
            "--controls",
            "--twins",
            help="Matched random controls; by default 24 of each spike, 70 of each head, 20 of each neuron.",
        ),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", help="Texts to measure on, .jsonl: at least 16 of 64 tokens or more. Built-in ones by default."
        ),
    ] = None,
    heads: Annotated[int, typer.Option(help="Most sink heads tested one by one, the strongest first.", min=0)] = 10,
    samples: Annotated[int, typer.Option(help="Sampled answers per question, besides the greedy one.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of controls, questions and samples.", min=0)] = 0,
    engine: Annotated[str, typer.Option(help="local, or ray: the trials' passes over a cluster's workers.")] = "local",
    address: Address = None,
    workers: WorkerCount = 2,
    cpus_per_worker: Cpus = 1.0,
    gpus_per_worker: Gpus = 0.0,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: TrustRemoteCode = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Test a run's findings against matched random controls; add effects and verdicts to the run.

    What was measured so far is kept beside the run: the same command resumes after a kill.
    """
    from inspector.resume import working_folder
    from inspector.run import disk as runs
    from inspector.run.report import open_run
    from inspector.texts import from_files
    from inspector.verification.verify import refuse
    from inspector.verification.verify import verify as test

    refuse_engine(engine)
    if (out is None) != in_place:
        raise InputError("Say where the verified run goes: --out FOLDER, or --in-place.")
    target = run if out is None else out
    report, texts = open_run(run), from_files(file or []) or None
    refuse(report, twins)
    runs.claim(target, overwrite=overwrite or in_place)
    loaded = load_again(report.card, model, placed(device, device_map), trust_remote_code, quiet)
    found = [[one.detector, one.layer, one.unit, one.position] for one in report.findings]
    work = [report.card["fingerprint"], report.settings.get("bos"), found, samples, seed]
    measuring = None
    if engine == RAY:
        from inspector.verification.on_ray import PassesOnRay

        load = partial(load_again, report.card, model, placed(device, device_map), trust_remote_code, True)
        cluster = Cluster(address, workers, cpus_per_worker, gpus_per_worker)
        measuring = cluster.engine(PassesOnRay, load, says=lambda said: say(quiet, f"{said}."))
    with working_folder(target, work) as folder, bars(quiet) as progress:
        verified = test(
            report,
            loaded,
            texts,
            twins=twins,
            heads=heads,
            samples=samples,
            seed=seed,
            folder=folder,
            engine=measuring,
            on_forecast=lambda line: say(quiet, f"Forecast: {line}."),
            progress=progress,
        )
        saved = verified.save(target, overwrite=overwrite or in_place)
    say(quiet, f"Saved. Look at it: inspector show {target}")
    print_line(saved)

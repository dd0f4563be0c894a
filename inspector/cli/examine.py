"""The command `examine`: texts through a model, once, and a run of what was found."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.corpora import scan_corpus
from inspector.cli.detectors import Thresholds, chosen_thresholds
from inspector.cli.engines import RAY, Address, Cluster, Cpus, Gpus, Loading, WorkerCount, refuse_engine
from inspector.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    Overwrite,
    Quiet,
    Revision,
    TrustRemoteCode,
    bars,
    forecast_said,
    placed,
    print_line,
    say,
)
from inspector.errors import InputError
from inspector.models.catalogue import BUILT_IN
from inspector.resume import working_folder

DEFAULT_TEXTS = 100


class Bos(StrEnum):
    """Whether a BOS token is prepended to each text."""

    tokenizer = "tokenizer"
    one = "one"
    none = "none"


def examine(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the run to.")],
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text; may be repeated.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="A file, or a pattern of files: text, .jsonl, .csv, .parquet, also .gz and .zst."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A data set of Hugging Face, streamed: its id or folder; ID:SPLIT, else train.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column or key that holds the texts; else text.")] = None,
    texts: Annotated[int, typer.Option(help="How many built-in texts, where none are given.", min=1)] = DEFAULT_TEXTS,
    detectors: Annotated[str | None, typer.Option(help="Comma-separated names; all where not given.")] = None,
    bos: Annotated[Bos, typer.Option(help="Prepend a BOS: as the tokenizer does, exactly one, none.")] = Bos.tokenizer,
    window: Annotated[
        int | None, typer.Option(help="Cut longer texts into windows of this many tokens.", min=2)
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens per batch.", min=1)] = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    threshold: Thresholds = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(help="Thresholds that have a name, 'scale-free' for example; `inspector detectors` lists them."),
    ] = None,
    scale_free: Annotated[bool, typer.Option(help="The same as --preset scale-free.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the control inputs.", min=0)] = 0,
    shard: Annotated[
        str | None,
        typer.Option(help="3/16: the third of 16 parts of the texts only; see `inspector merge`."),
    ] = None,
    sample: Annotated[int, typer.Option(help="Sequences whose rows the run keeps; sums are of all.", min=1)] = 256,
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Minutes between checkpoints, from which the same command goes on.", min=0)
    ] = 3.0,
    engine: Annotated[str, typer.Option(help="local, or ray: this scan's blocks over a cluster's workers.")] = "local",
    address: Address = None,
    workers: WorkerCount = 2,
    cpus_per_worker: Cpus = 1.0,
    gpus_per_worker: Gpus = 0.0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Scan texts in one streaming pass and save what was found as a run."""
    from inspector.run import disk as runs

    target = runs.claim(out, overwrite=overwrite)
    part = None if shard is None else _shard(shard)
    corpus = scan_corpus(text, file, dataset, column, texts)
    names = None if detectors is None else [name.strip() for name in detectors.split(",") if name.strip()]
    thresholds = chosen_thresholds(names, [*(preset or []), *(["scale-free"] if scale_free else [])], threshold or [])
    options = Loading(model, dtype, placed(device, device_map), revision, trust_remote_code)
    cluster = Cluster(address, workers, cpus_per_worker, gpus_per_worker)
    refuse_engine(engine)
    chosen = None
    if engine == RAY:
        from inspector.scan.on_ray import OnRay

        chosen = cluster.engine(OnRay, options)
    say(quiet, f"Loading {model} …")
    from inspector.models import load_model
    from inspector.scan import Checkpoints
    from inspector.scan import examine as scan

    loaded = load_model(
        model, dtype=dtype, **placed(device, device_map), revision=revision, trust_remote_code=trust_remote_code
    )
    how = [names, bos, window, batch_tokens, part, sample, seed]
    what = [loaded.card["fingerprint"], loaded.card["dtype"], corpus.state, how]
    with working_folder(target, what) as folder, bars(quiet) as progress:
        report = scan(
            loaded,
            corpus.texts,
            names,
            column=corpus.column,
            thresholds=thresholds,
            bos={Bos.tokenizer: None, Bos.one: True, Bos.none: False}[bos],
            window=window,
            batch_tokens=batch_tokens,
            shard=part,
            sample=sample,
            seed=seed,
            checkpoints=Checkpoints(folder, checkpoint_minutes),
            engine=chosen,
            progress=progress,
            on_forecast=forecast_said(quiet),
            on_message=lambda said: say(quiet, f"{said}."),
        )
        saved = report.save(out, overwrite=overwrite)
    say(quiet, f"Saved. Look at it: inspector show {out}")
    print_line(saved)


def _shard(given: str) -> tuple[int, int]:
    number, slash, of = given.partition("/")
    if not (slash and number.strip().isdecimal() and of.strip().isdecimal()):
        raise InputError(f"--shard {given} is not NUMBER/OF. Write --shard 3/16, for example.")
    return int(number), int(of)

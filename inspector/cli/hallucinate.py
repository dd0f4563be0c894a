"""The commands of hallucination studies: `hallucinate` and `ask`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspector.cli.engines import RAY, Address, Cluster, Cpus, Gpus, Loading, WorkerCount, refuse_engine
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
    print_csv,
    print_json,
    print_line,
    rows_of,
    say,
)
from inspector.errors import InputError
from inspector.models.catalogue import BUILT_IN

if TYPE_CHECKING:
    from inspector.hallucination.answers.own import OwnAnswer
    from inspector.hallucination.study import Study


class FormName(StrEnum):
    """How questions are put."""

    few_shot = "few-shot"
    chat = "chat"


class PolicyName(StrEnum):
    """What a guard does with a risky answer."""

    abstain = "abstain"
    again = "again"
    least = "least"


class JudgeName(StrEnum):
    """What marks answers."""

    whole_words = "whole-words"
    token_f1 = "token-f1"
    endpoint = "endpoint"


class OneIsName(StrEnum):
    """What label 1 means."""

    right = "right"
    wrong = "wrong"


Column = Annotated[
    list[str] | None,
    typer.Option(help="A column that is named otherwise: question=prompt_text; may be repeated."),
]
OneIs = Annotated[OneIsName | None, typer.Option(help="What label 1 means, where labels are 0 and 1.")]


def hallucinate(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the run to.")],
    model: Annotated[str, typer.Option(help="Built-in name, hub id, folder or .gguf file.")] = BUILT_IN,
    questions: Annotated[
        str | None,
        typer.Option(
            help="world_facts (where not given), a .jsonl, .csv or .parquet file, or triviaqa, nq_open, popqa (hub)."
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="Instead of asking: a file of answers with labels, .jsonl, .json, .csv, .tsv or .parquet."),
    ] = None,
    column: Column = None,
    one_is: OneIs = None,
    count: Annotated[int | None, typer.Option(help="Take only this many, drawn at random by --seed.", min=1)] = None,
    samples: Annotated[
        int, typer.Option(help="Sampled answers per question, besides the greedy one.", min=0, max=10_000)
    ] = 10,
    form: Annotated[FormName, typer.Option(help="How questions are put.")] = FormName.few_shot,
    judge: Annotated[JudgeName, typer.Option(help="What marks answers.")] = JudgeName.whole_words,
    judge_url: Annotated[str | None, typer.Option(help="Of the endpoint judge: an OpenAI-compatible server.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Of the endpoint judge: its model.")] = None,
    agreement: Annotated[
        float | None,
        typer.Option(help="Share of samples that must agree; if not given, the strictest possible.", min=0, max=1),
    ] = None,
    every_score: Annotated[
        bool, typer.Option("--every-score", help="Also P(True), RAUQ and others that take passes of their own.")
    ] = False,
    entailment: Annotated[
        str | None,
        typer.Option(help="Entailment model for semantic entropy, folder or hub id; words if not given."),
    ] = None,
    transfer: Annotated[
        list[Path] | None, typer.Option(help="Another study: its probe is tried here, and this one's there.")
    ] = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    seed: Annotated[int, typer.Option(help="Seed of questions, samples, splits and bootstraps.", min=0)] = 0,
    engine: Annotated[
        str, typer.Option(help="local, or ray: a cluster's workers ask, and measure the answers.")
    ] = "local",
    address: Address = None,
    workers: WorkerCount = 2,
    cpus_per_worker: Cpus = 1.0,
    gpus_per_worker: Gpus = 0.0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Find the neurons whose contribution predicts that an answer is incorrect; save the study as a run.

    The model is asked questions, or --answers gives answers that exist already, marked right or wrong.
    What was asked so far is kept beside the run: the same command resumes after a kill.
    """
    from inspector.hallucination.grading.graders import judge_named
    from inspector.hallucination.questions import sets
    from inspector.run import disk as runs
    from inspector.run.report import open_run

    runs.claim(out, overwrite=overwrite)
    refuse_engine(engine)
    if answers is not None and questions is not None:
        raise InputError("--questions are asked, and --answers exist already. Give one of them.")
    if answers is None and (column or one_is is not None):
        raise InputError("--column and --one-is are for --answers. Give a file of answers, or leave them out.")
    own = None if answers is None else _drawn(_own(answers, column, one_is), count, seed)
    asked = sets.load(questions or "world_facts", count=count, seed=seed) if own is None else []
    given = {"url": judge_url, "model": judge_model}
    options = {name: value for name, value in given.items() if value is not None}
    marker = judge_named(judge.value, **options)
    others = {str(path): as_study(open_run(path), path) for path in transfer or []}
    loaded = load_to_ask(model, dtype, placed(device, device_map), revision, trust_remote_code, quiet)
    from inspector.hallucination.answers.ask import Sampling
    from inspector.hallucination.found import say_the_same
    from inspector.hallucination.pipeline import study_hallucination
    from inspector.hallucination.questions.prompts import Form
    from inspector.hallucination.transfer_studies import with_transfers
    from inspector.models import Entailment
    from inspector.resume import working_folder

    _refuse_others(loaded.card, others)
    put, sampling = Form(form.value), Sampling(samples=samples, seed=seed)
    helping = None
    if engine == RAY:
        from inspector.hallucination.answers.engine import AnswersOnRay

        loading = Loading(model, loaded.card["dtype"], placed(device, device_map), revision, trust_remote_code)
        cluster = Cluster(address, workers, cpus_per_worker, gpus_per_worker)
        helping = cluster.engine(AnswersOnRay, loading, says=lambda said: say(quiet, f"{said}."))
    say(quiet, _forecast(loaded, len(own or asked), samples if own is None else None))
    work = [loaded.card["fingerprint"], asdict(put), asdict(sampling), [[q.id, q.question] for q in asked]]
    if own is not None:
        work.append([asdict(one) for one in own])
    with working_folder(out, work) as folder, bars(quiet) as progress:
        study = study_hallucination(
            loaded,
            asked,
            answers=own,
            sampling=sampling,
            form=put,
            judge=marker,
            agreement=agreement,
            every_score=every_score,
            same=say_the_same if entailment is None else Entailment(entailment),
            seed=seed,
            folder=folder,
            engine=helping,
            progress=progress,
        )
        saved = with_transfers(study, str(out), others).save(out, overwrite=overwrite)
    say(quiet, f"Saved. Look at it: inspector show {out}")
    print_line(saved)


def score(
    run: Annotated[Path, typer.Argument(help="Folder of a hallucination study.")],
    file: Annotated[Path, typer.Argument(help="Answers: .jsonl, .json, .csv, .tsv or .parquet.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the risks to this .csv or .parquet file; printed if not given.")
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option(help="Also write each token's risk to this .csv or .parquet file.")
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(
            help="Also write each sentence's, date's, number's and name's risk to this .csv or .parquet file."
        ),
    ] = None,
    column: Column = None,
    model: Annotated[str | None, typer.Option(help="The study's model, where its name doesn't find it.")] = None,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: TrustRemoteCode = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Score answers in bulk: the risk of each that it is incorrect."""
    from inspector.run.report import open_run

    places = [path.resolve() for path in (out, tokens, parts, file) if path is not None]
    if len(set(places)) < len(places):
        raise InputError("FILE, --out, --tokens and --parts name one file twice. Give each a place of its own.")
    for path in filter(None, (out, tokens, parts)):
        refuse_table(path, overwrite=overwrite)
    study = as_study(open_run(run), run)
    own = _own(file, column, None, labels=False)
    loaded = load_again(study.card, model, placed(device, device_map), trust_remote_code, quiet)
    with bars(quiet) as progress:
        scored = study.score_all(loaded, own, tokens=tokens is not None, progress=progress)
        by_part = study.explain_parts(loaded, own, progress=progress) if parts is not None else None
    if tokens is not None:
        write_table(scored.tokens, tokens)
    if by_part is not None and parts is not None:
        write_table(by_part, parts)
    if out is None:
        print_csv(scored.answers)
    else:
        write_table(scored.answers, out)
        print_line(out)


def _own(
    file: Path, column: Sequence[str] | None, one_is: OneIsName | None, *, labels: bool = True
) -> "list[OwnAnswer]":
    from inspector.hallucination.answers.own import own_answers

    columns = dict[str, str]()
    for pair in column or []:
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs):
            raise InputError(f"--column {pair} is not NAME=THEIRS. Write --column question=prompt_text, for example.")
        columns[ours.strip()] = theirs.strip()
    return own_answers(file, columns=columns, one_is=one_is.value if one_is else None, labels=labels)


def _drawn(answers: "list[OwnAnswer]", count: int | None, seed: int) -> "list[OwnAnswer]":
    """As many of the answers, drawn at random and in their order."""
    if count is None or count >= len(answers):
        return answers
    import numpy as np

    chosen = np.random.default_rng(seed).choice(len(answers), size=count, replace=False)
    return [answers[number] for number in sorted(chosen.tolist())]


def _refuse_others(card: Mapping[str, Any], others: Mapping[str, "Study"]) -> None:
    for path, other in others.items():
        if other.card["fingerprint"] != card["fingerprint"]:
            raise InputError(
                f"Study '{path}' was made on {other.card['name']} in {other.card['dtype']}, this one would be on "
                f"{card['name']} in {card['dtype']}. Use one model and dtype."
            )


def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    run: Annotated[Path, typer.Option("--run", help="Folder of a hallucination study.")],
    model: Annotated[str | None, typer.Option(help="The study's model, where its name doesn't find it.")] = None,
    answer: Annotated[str | None, typer.Option(help="Score this answer instead of the model's own.")] = None,
    guard: Annotated[
        PolicyName | None,
        typer.Option(help="What to do with a risky answer: abstain, answer again, take a sample."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Risk that is too much; chosen on held-out answers if not given.", min=0, max=1),
    ] = None,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask a question; see the risk that the answer is incorrect, token by token."""
    from inspector.run.report import open_run

    study = as_study(open_run(run), run)
    if not question.strip():
        raise InputError("The question is empty. Ask something.")
    if answer is not None and (not answer.strip() or "\n" in answer.strip()):
        raise InputError(f"Answer {answer[:40]!r} is not one line of text. Give one line.")
    if answer is not None and guard is not None:
        raise InputError("--guard watches the model's own answer, and --answer gives another. Use one of them.")
    if threshold is not None and guard is None:
        raise InputError("--threshold is for --guard. Say what to do above it: abstain, again or least.")
    loaded = load_again(study.card, model, placed(device, device_map), trust_remote_code, quiet)
    if guard is not None:
        _guarded(study, loaded, question, guard, threshold, as_json)
        return
    from inspector.hallucination.answers.resume import greedy_answer
    from inspector.show.terminal import print_scored

    explained = answer if answer is not None else greedy_answer(loaded, question, study.form)
    scored = study.explain(loaded, question, explained)
    if as_json:
        output: dict[str, Any] = {"question": scored.question, "answer": scored.answer, "risk": scored.risk}
        output |= {"probe": scored.probe, "reliability": scored.reliability}
        output |= {"scores": None if scored.scores is None else rows_of(scored.scores)}
        output |= {"tokens": rows_of(scored.tokens), "neurons": rows_of(scored.neurons)}
        print_json(output)
    else:
        print_scored(study, scored)


def _guarded(
    study: "Study", model: Any, question: str, policy: PolicyName, threshold: float | None, as_json: bool
) -> None:
    """Ask under a guard, and print what it did."""
    from inspector.hallucination.guard import guard
    from inspector.show.terminal import print_guarded

    watching = guard(model, study, policy=policy.value, threshold=threshold)
    given = watching.answer(question)
    if as_json:
        print_json({**asdict(given), "threshold": watching.threshold})
    else:
        print_guarded(given, watching.threshold)


def _forecast(model: Any, questions: int, samples: int | None) -> str:
    width = len(model.shape.layers_of("neuron")) * model.shape.d_mlp
    disk, memory = 4 * questions * width / 1e9, 16 * questions * width / 1e9
    counted = "answers" if samples is None else f"questions, {questions * (1 + samples):,} answers"
    return (
        f"Forecast: {questions:,} {counted}; about {disk:.1f} GB on disk while "
        f"it runs, {disk / 2:.1f} GB in the run, {memory:.1f} GB of memory beside the model while selecting."
    )

"""What the worker does on the page of measurements: each ends in a run of the shelf, or in tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dashboards.jobs import Job
from dashboards.work import model_of, model_of_run, refuse_long, stoppable

if TYPE_CHECKING:
    from inspector.models import Model


TEXTS = 32
"""Built-in texts that a neuron is looked for in."""


@dataclass(frozen=True)
class Saved:
    """The name of a run in which a measurement was kept, and what it says."""

    run: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layers:
    """A logit lens: its tables, the layer from which a token is deep, and how many layers there are."""

    lens: pd.DataFrame
    depth: pd.DataFrame
    deep_from: int
    layers: int


@dataclass(frozen=True)
class Neuron:
    """One neuron described."""

    layer: int
    number: int
    states: pd.DataFrame
    tokens: pd.DataFrame


RESULTS = (Saved, Layers, Neuron)
"""What these jobs end with, beside tables; written to the disk."""


def verify(job: Job, report: Any, where: str | None, target: Path, options: Mapping[str, Any]) -> Saved:
    """Test a run's findings, and keep the verified run."""
    from inspector.verification.verify import verify as test

    model = model_of_run(job, report.card, where)
    with model.lock, stoppable(job, model):
        verified = test(report, model, **options, progress=job.progress)
    verified.save(target)
    return Saved(target.name, tuple(str(one) for one in verified.sentences() if one.tested))


def study(
    job: Job, name: str, questions: Sequence[Any], answers: Sequence[Any] | None, samples: int, seed: int, target: Path
) -> Saved:
    """Ask questions, or take answers that exist already, and look for neurons that predict incorrect ones."""
    from inspector.hallucination.answers.ask import Sampling
    from inspector.hallucination.pipeline import study_hallucination
    from inspector.models import asking_dtype

    model = model_of(job, name, asking_dtype(None))
    with model.lock, stoppable(job, model):
        found = study_hallucination(
            model,
            questions if answers is None else (),
            answers=answers,
            sampling=Sampling(samples=samples, seed=seed),
            seed=seed,
            progress=job.progress,
        )
    found.save(target)
    return Saved(target.name, tuple(str(one) for one in found.sentences()[1:4]))


def decode(job: Job, study: Any, where: str | None, target: Path, samples: int, seed: int) -> Saved:
    """Put a study's questions again under every way to decode, and keep the study with the table."""
    from inspector.hallucination.compare_decoding import compare_decoding

    model = model_of_run(job, study.card, where)
    with model.lock, stoppable(job, model):
        compared = compare_decoding(study, model, samples=samples, seed=seed, progress=job.progress)
    compared.save(target)
    return Saved(target.name)


def compress(job: Job, card: Mapping[str, Any], where: str | None, what: str, target: Path, options: Any) -> Saved:
    """Try a quantisation scheme, smaller caches or removals on a run's model, and keep it in a copy of the run."""
    model = model_of_run(job, card, where)
    with model.lock, stoppable(job, model):
        found = _compressed(model, what, {**options, "progress": job.progress})
    found.save(target)
    return Saved(target.name, tuple(map(str, found.sentences())))


def _compressed(model: "Model", what: str, options: dict[str, Any]) -> Any:
    from inspector.eviction.heads import windowable_heads
    from inspector.pruning.removals import removals
    from inspector.quantisation.sensitivity import sensitivity

    if what == "heads":
        return windowable_heads(model, **options)
    if what == "removals":
        return removals(model, **options)
    return sensitivity(model, what, **options)


def lens(job: Job, name: str, text: str) -> Layers:
    """What each layer would predict after each token of a text."""
    from inspector.analyses.logit_lens import logit_lens

    model = model_of(job, name)
    refuse_long(job, model, [text])
    with model.lock, stoppable(job, model):
        read = logit_lens(model, [text], progress=job.progress)
    return Layers(read.lens, read.depth, read.deep_from, model.shape.layers)


def neuron(job: Job, name: str, layer: int, number: int) -> Neuron:
    """What one neuron fires on, on built-in texts, and what it promotes."""
    from inspector.analyses.neurons import describe_neurons
    from inspector.texts import built_in

    model = model_of(job, name)
    with model.lock, stoppable(job, model):
        found = describe_neurons(model, [(layer, number)], built_in(TEXTS), progress=job.progress)
    return Neuron(layer, number, found.states, found.tokens)


def search(job: Job, name: str, text: str) -> pd.DataFrame:
    """The neurons that promote a token most."""
    from inspector.analyses.promoters import promoters

    model = model_of(job, name)
    with model.lock:
        job.step("Looking through all neurons")
        return promoters(model, text)

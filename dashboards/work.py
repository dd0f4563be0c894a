"""What the worker does with a model: scan, measure a pattern or a token, ask.

Each function takes the job that it reports to. It stops within a layer's time once the job is cancelled,
and leaves no hook behind.
"""

import gc
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.jobs import Job
from inspector.errors import InputError
from inspector.hallucination.guarded import Guarded
from inspector.hallucination.scored import Scored
from inspector.interventions.values import Intervention

if TYPE_CHECKING:
    from inspector.models import Model
    from inspector.run.report import Report

MODELS_KEPT = 2
BATCH_TOKENS = 512
"""Small batches, so that progress moves."""

_models: OrderedDict[tuple[str, str, str | None], "Model"] = OrderedDict()
"""Loaded models, the latest used last; only the worker's thread looks here."""


_controls: dict[tuple[str, str], dict[str, Any]] = {}
"""Evidence of control inputs, by a model's weights and dtype: it is the same in every scan, and takes longest."""


def model_of(job: Job, name: str, dtype: str = "auto", revision: str | None = None) -> "Model":
    """The model of this name, loaded unless it was used lately."""
    key = (name, dtype, revision)
    if key not in _models:
        job.step(f"Loading {name}")
        from inspector.models import load_model

        _models[key] = load_model(name, dtype=dtype, revision=revision)
        _forget(len(_models) - MODELS_KEPT)
    _models.move_to_end(key)
    job.check()
    return _models[key]


def _forget(models: int) -> None:
    """Let go of the models used longest ago, and of their memory."""
    if models > 0:
        gc.unfreeze()  # a model is full of circles, and what is frozen is never collected
        for _ in range(models):
            _models.popitem(last=False)
        gc.collect()
    gc.freeze()  # Streamlit collects garbage after every script, and torch's objects would be walked each time


def model_of_run(job: Job, card: Mapping[str, Any], where: str | None = None) -> "Model":
    """The model that a run was made on: one that is loaded, else from `where`, else by its name.

    Raises:
        InputError: what is loaded has other weights.
    """
    for loaded in _models.values():
        if loaded.card["fingerprint"] == card["fingerprint"]:
            return loaded
    model = model_of(job, where or card["name"], card["dtype"], card.get("revision"))
    if model.card["fingerprint"] != card["fingerprint"]:
        raise InputError(
            f"The run was made on other weights than '{where or card['name']}' has. Say where its model is."
        )
    return model


@contextmanager
def stoppable(job: Job, model: "Model") -> Iterator[None]:
    """For the length of the context, a cancelled job ends at the next layer of whatever pass runs."""
    from inspector.models.changes import known_hook

    with ExitStack() as stack:
        for site, point in model.hooks.items():
            if site.kind == "resid_post":
                handle = point.register_forward_pre_hook(lambda *_: job.check())
                stack.callback(handle.remove)
                stack.enter_context(known_hook(handle.id))  # it changes nothing, so what was found without it holds
        yield


@dataclass(frozen=True)
class Scanned:
    """A report, and the name or place that its model was asked for by."""

    report: "Report"
    place: str


def scan(
    job: Job,
    name: str,
    texts: Sequence[str],
    detectors: Sequence[str],
    *,
    bos: bool | None,
    dtype: str,
    window: int | None = None,
) -> Scanned:
    """Scan texts as `inspector examine` does."""
    from inspector.scan import examine

    model = model_of(job, name, dtype)
    known = (model.card["fingerprint"], model.card["dtype"])
    refuse_long(job, model, texts)
    with model.lock, stoppable(job, model):
        job.step("Reading the texts")
        report = examine(
            model,
            list(texts),
            list(detectors),
            bos=bos,
            window=window,
            batch_tokens=BATCH_TOKENS,
            controls=_controls.get(known),
            progress=job.progress,
        )
    measured = {key: one for key, one in report.evidence.items() if key != one.detector}
    _controls[known] = _controls.get(known, {}) | measured
    return Scanned(report, name)


def refuse_long(job: Job, model: "Model", texts: Sequence[str]) -> None:
    """Refuse texts that are longer together than a job's may be.

    Raises:
        InputError: they are.
    """
    counts = (
        len(model.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts if isinstance(text, str)
    )
    count = sum(counts)
    if count > job.limits.tokens:
        raise InputError(
            f"The texts have {count:,} tokens, and a job here may have {job.limits.tokens:,}. Give fewer, or run them "
            "on the command line: inspector examine --file"
        )


def pattern(
    job: Job, card: Mapping[str, Any], where: str | None, ids: Sequence[int], layer: int, head: int
) -> np.ndarray:
    """One head's attention on one text of a run."""
    from inspector.analyses.attention_pattern import attention_pattern

    model = model_of_run(job, card, where)
    with model.lock, stoppable(job, model):
        job.step(f"Measuring head {head} of layer {layer}")
        return attention_pattern(model, ids, layer, head)


GRID_SIDE = 32
"""Queries and keys of a small pattern: as many as its few pixels can show."""


def patterns(
    job: Job, card: Mapping[str, Any], where: str | None, ids: Sequence[int], heads: Sequence[tuple[int, int]]
) -> np.ndarray:
    """Many heads' attention on one text of a run, small, `[head, query, key]`."""
    from inspector.analyses.attention_pattern import attention_patterns

    model = model_of_run(job, card, where)
    with model.lock, stoppable(job, model):
        job.step(f"Measuring {len(heads)} heads")
        return attention_patterns(model, ids, heads, side=GRID_SIDE)


def token_dims(job: Job, card: Mapping[str, Any], where: str | None, ids: Sequence[int], position: int) -> pd.DataFrame:
    """The largest dims of one token of a run's text, after each layer."""
    from inspector.analyses.token_dims import token_dims as measure

    model = model_of_run(job, card, where)
    with model.lock, stoppable(job, model):
        job.step(f"Measuring token {position}")
        return measure(model, ids, position)


@dataclass(frozen=True)
class Query:
    """A question; an answer to it if one is given, a factor on the candidates for a second one, a guard's policy."""

    question: str
    answer: str | None = None
    factor: float | None = None
    neurons: tuple[tuple[int, int], ...] = ()
    policy: str | None = None


@dataclass(frozen=True)
class Asked:
    """A question, the factor on the candidates, and the answers explained: unmodified, and under the factor.

    `guarded` is what a guard did, where one was asked for.
    """

    question: str
    factor: float | None
    answers: list[Any]
    guarded: Guarded | None = None


def ask(job: Job, study: Any, where: str | None, query: Query) -> Asked:
    """The given answer or the model's own explained; with a factor, also the answer with the neurons scaled by it."""
    from inspector.hallucination.answers.resume import greedy_answer
    from inspector.interventions.apply import intervene

    model = model_of_run(job, study.card, where)
    changes = scaled(query.neurons, query.factor) if query.factor is not None else ()
    found = []
    with model.lock, stoppable(job, model):
        if query.answer is not None:
            job.step("Reading the answer")
            return Asked(query.question, None, [study.explain(model, query.question, query.answer)])
        for what, interventions in (("unmodified", ()), ("changed", changes))[: 1 + bool(changes)]:
            job.step(f"Answering, {what}")
            with intervene(model, interventions):
                ids = greedy_answer(model, query.question, study.form)
            job.step(f"Reading the answer, {what}")
            found.append(study.explain(model, query.question, ids))  # both judged by the model as it is
        return Asked(query.question, query.factor, found, _guarded(job, model, study, query))


def _guarded(job: Job, model: "Model", study: Any, query: Query) -> Guarded | None:
    """What a guard of this policy does with the question."""
    if query.policy is None:
        return None
    from inspector.hallucination.guard import guard

    job.step("Asking under the guard")
    return guard(model, study, policy=query.policy).answer(query.question)


def explained(job: Job, study: Any, where: str | None, row: Mapping[str, Any]) -> Any:
    """One of the study's own answers, token by token."""
    from inspector.hallucination.questions.prompts import with_context

    model = model_of_run(job, study.card, where)
    with model.lock, stoppable(job, model):
        job.step("Reading the answer")
        return study.explain(model, with_context(row["question"], row.get("context") or ""), row["answer"])


def scaled(neurons: Sequence[tuple[int, int]], factor: float) -> tuple[Intervention, ...]:
    """These neurons multiplied by a factor, one intervention per layer."""
    from inspector.interventions.values import scale
    from inspector.sites import Site

    layers: dict[int, list[int]] = {}
    for layer, neuron in neurons:
        layers.setdefault(layer, []).append(neuron)
    return tuple(scale(Site("neuron", layer), units, factor) for layer, units in sorted(layers.items()))


RESULTS = (Scanned, Asked, Scored, Guarded)
"""What these jobs end with, beside runs, tables and arrays; written to the disk."""

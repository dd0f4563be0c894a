"""What the worker does for an intervention: a change beside its matched random control, on a prompt and on texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.jobs import Job
from dashboards.work import model_of_run, stoppable
from inspector.interventions.change import Change, said_of, sizes_of, width
from inspector.interventions.values import Intervention

if TYPE_CHECKING:
    from inspector.models import Model

TEXTS = 4
"""Built-in texts, of 64 tokens, on which loss and sink rate are measured: enough to see, too few to prove."""

METRICS = ("loss", "kl", "sink_rate")

LONGEST = 16
"""Tokens that a text is continued by."""


@dataclass(frozen=True)
class Way:
    """What the model does under some interventions: on a prompt, and on texts."""

    name: str
    next_tokens: pd.DataFrame
    continuation: str
    loss: float
    kl: float
    sink_rate: float


@dataclass(frozen=True)
class Compared:
    """A prompt, what the model does with it unmodified, changed and under the control, and what the control is."""

    prompt: str
    ways: list[Way]
    control: str


def compare(
    job: Job,
    card: Mapping[str, Any],
    where: str | None,
    prompt: str,
    change: Change,
    seed: int,
    largest: Sequence[float] | None,
) -> Compared:
    """Unmodified, changed, and with the control changed: a prompt's next tokens, and loss and sink rate on texts."""
    from inspector.batches import tokenise
    from inspector.verification.text_bench import TextBench

    model = model_of_run(job, card, where)
    with model.lock, stoppable(job, model):
        job.step("Measuring the unmodified model", 0, 7)
        (row,) = tokenise(model.tokenizer, [prompt], bos=None, window=model.shape.context)
        bench = TextBench(model, _rows(model))
        sizes = sizes_of(model, change, largest)
        control = change.control(width(change.kind, card) or card["layers"], sizes, seed)
        ways: dict[str, tuple[Intervention, ...]] = {"baseline": ()}
        ways |= {one.name: one.interventions(model) for one in (change, control)}
        found = []
        for number, (name, interventions) in enumerate(ways.items()):
            job.step(f"Measuring: {name}", 1 + 2 * number, 7)
            outcome = bench.outcome(interventions, METRICS)
            job.step(f"Continuing the prompt: {name}", 2 + 2 * number, 7)
            tokens, text = _continued(model, row.ids, interventions)
            found.append(Way(name, tokens, text, **{metric: _mean(outcome[metric]) for metric in METRICS}))
    return Compared(prompt, found, said_of(change, control, sizes))


def _rows(model: "Model") -> list[Any]:
    """The beginnings of a few built-in texts."""
    from inspector.batches import tokenise
    from inspector.texts import built_in

    rows = tokenise(model.tokenizer, built_in(TEXTS), bos=None, window=64)
    return [row for row in rows if row.start == 0]


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _continued(model: "Model", ids: tuple[int, ...], interventions: Sequence[Intervention]) -> tuple[Any, str]:
    """The five likeliest next tokens with their probabilities, and the greedy continuation."""
    import torch

    from inspector.interventions.apply import intervene
    from inspector.models import Decoder
    from inspector.token_text import text_of, token_texts

    input_ids = torch.tensor([ids], device=model.device)
    ends = torch.zeros(model.shape.vocab, dtype=torch.bool, device=model.device)
    ends[[i for i in model.tokenizer.all_special_ids if i < model.shape.vocab]] = True
    with intervene(model, interventions):
        shares = model.logits(input_ids)[0, -1].float().softmax(dim=-1)
        greedy = partial(torch.argmax, dim=-1)
        (chosen,) = Decoder(model).generate([ids], 1, lambda logits, rows, step: greedy(logits), ends, LONGEST)
    top = shares.topk(5)
    names = token_texts(model.tokenizer, top.indices.tolist())
    return pd.DataFrame({"token": names, "probability": top.values.tolist()}), text_of(model.tokenizer, list(chosen))


RESULTS = (Way, Compared)
"""What these jobs end with; written to the disk."""

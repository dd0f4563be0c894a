"""CETT of answers, beside the function of hprobes that measures them: same weights, tokens, dtype and spans.

hprobes takes an answer at a time unless told otherwise, and has a function for batches too. Both give the answer's mean
and that over every other token; ours gives the answer's, the question's, and what else a study keeps.

    pip install --no-deps hprobes
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.scan import weights
from inspector import load_model
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import load

BATCH = 16
APART = 2e-3
"""How far CETTs may be apart, over the largest one: ours are kept in float16."""

Measure = Callable[[], np.ndarray]
"""Gives mean CETTs over the answers, `[answer, layer and neuron]`."""


def contenders(count: int) -> dict[str, Measure]:
    """Ours, and hprobes' answer by answer and in batches, on so many questions with the answers they want.

    Raises:
        ImportError: hprobes isn't installed.
    """
    from hprobes import cett

    meter = Meter(load_model(dtype="float32", device="cpu"), Form())
    questions = load("world_facts", count=count)
    texts = [question.question for question in questions]
    tokenizer = meter.model.tokenizer
    answers = [Form().answer_ids(tokenizer, one.question, one.answers[0]) for one in questions]
    whole = meter.feed(texts, answers).in_full()
    hf, layers = _plain_model(), list(range(meter.model.shape.layers))
    norms = cett.precompute_col_norms(hf, layers)

    def ours() -> np.ndarray:
        return meter.measure(meter.feed(texts, answers)).answer.reshape(len(texts), -1)

    def one_by_one() -> np.ndarray:
        rows = []
        for row in whole.rows:
            tokens = {"input_ids": torch.tensor([row.ids])}
            rows.append(cett.forward_cett_dual_span(hf, tokens, *whole.spans[row.text].answer, layers, norms)[0])
        return torch.stack(rows).numpy()

    def in_batches() -> np.ndarray:
        found: dict[int, torch.Tensor] = {}
        for part in whole.parts(BATCH):  # of about one length, so that little is padded
            ids = {"input_ids": [list(row.ids) for row in part.rows]}
            tokens = dict(tokenizer.pad(ids, padding_side="right", return_tensors="pt"))
            spans = [part.spans[row.text].answer for row in part.rows]
            means = cett.forward_cett_dual_span_batch(hf, tokens, spans, layers, norms)[0]
            found |= {row.text: mean for row, mean in zip(part.rows, means, strict=True)}
        return torch.stack([found[row.text] for row in whole.rows]).numpy()

    return {"ours": ours, "one by one": one_by_one, "in batches": in_batches}


def check_alike(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Both measured the same.

    Raises:
        AssertionError: they did not.
    """
    assert ours.shape == theirs.shape
    apart = np.abs(ours.astype(np.float32) - theirs).max() / theirs.max()
    assert apart < APART, f"CETTs are {apart:.1e} of the largest one apart"


def _plain_model() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(weights(), dtype=torch.float32, attn_implementation="sdpa").eval()

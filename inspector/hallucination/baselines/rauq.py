"""RAUQ: token probabilities carried on along the heads that attend to the token before."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.batches import Batch
from inspector.hallucination.answers.cett import Span, answer_logp
from inspector.hallucination.baselines.contract import MeasuredScore, Passes
from inspector.models.attention import AttentionBlock
from inspector.sites import Site

CARRIED = {"few-shot": 0.2, "chat": 0.5}
"""a by the form of asking: the paper's for base models, its code's for instruction-tuned ones."""

LEAST = 1e-300
"""A confidence that is less counts as this one: its logarithm is finite."""


def middle_third(layers: int) -> Sequence[int]:
    """The layers that the authors' code looks at."""
    return range(layers // 3, min(ceil(2 * layers / 3) + 1, layers))


def rauq(
    probabilities: Float[np.ndarray, " token"], attention: Float[np.ndarray, "layer head link"], carried: float
) -> float:
    """How undecided a model was about an answer, in nats.

    In each layer the head that attends most to the token before carries confidence on: c of a token is
    `carried` · its probability + (1 − `carried`) · attention · c of the one before. The least confident layer counts.

    Args:
        probabilities: of the answer's tokens.
        attention: A[j, j − 1] for each of its tokens but the first.
        carried: a.
    """
    heads = attention.mean(axis=-1).argmax(axis=1) if attention.shape[-1] else np.zeros(len(attention), int)
    links = attention[np.arange(len(attention)), heads]
    confidence = np.full(len(attention), probabilities[0], np.float64)
    confidences = [confidence]
    for token, probability in enumerate(probabilities[1:]):
        confidence = carried * probability + (1 - carried) * links[:, token] * confidence
        confidences.append(confidence)
    return float(-np.log(np.maximum(confidences, LEAST)).mean(axis=0).min())


class _Links:
    """Attention of each answer's tokens to the ones before, `[layer, head, link]`, and the tokens' probabilities."""

    kinds: tuple[str, ...] = ("attention", "logits")

    def __init__(self, spans: Mapping[int, Span], layers: Sequence[int]) -> None:
        self.spans, self.rows = spans, {layer: row for row, layer in enumerate(layers)}
        self.attention: dict[int, np.ndarray] = {}
        self.probabilities: dict[int, np.ndarray] = {}

    def update(self, batch: Batch, site: Site, x: AttentionBlock | Tensor) -> None:
        """Take in a block of attention, or the logits."""
        for row, text in enumerate(batch.text.tolist()):
            span = self.spans[text]
            if isinstance(x, Tensor):
                self.probabilities[text] = answer_logp(x[row], batch.ids[row], span)[1].exp().cpu().numpy()
            elif site.layer in self.rows:
                start, stop = span.answer
                self._keep(text, self.rows[site.layer], x.start, x.log_pattern[row], (start + 1, stop))

    def _keep(self, text: int, layer: int, first: int, log_pattern: Tensor, span: tuple[int, int]) -> None:
        """What a block of queries from `first` on, `[head, query, key]`, has of an answer's links."""
        heads, queries, _ = log_pattern.shape
        if text not in self.attention:
            self.attention[text] = np.zeros((len(self.rows), heads, span[1] - span[0]), np.float32)
        begin, end = max(span[0], first), min(span[1], first + queries)
        if begin >= end:
            return  # none of the answer's tokens is in this block
        tokens = torch.arange(begin, end, device=log_pattern.device)
        links = log_pattern[:, tokens - first, tokens - 1].exp().cpu().numpy()
        self.attention[text][layer, :, tokens.cpu().numpy() - span[0]] = links.T


def measure(passes: Passes) -> np.ndarray | None:
    """RAUQ of every answer; None of a model whose attention can't be read."""
    shape, fed = passes.meter.model.shape, passes.fed.in_full()
    layers = [layer for layer in middle_third(shape.layers) if layer in shape.layers_of("attention")]
    if not layers:
        return None
    links = _Links(fed.spans, layers)
    passes.meter.watch(fed, [links])
    carried = CARRIED[passes.meter.form.name]
    return np.array([rauq(links.probabilities[text], links.attention[text], carried) for text in fed.spans])


BASELINE = MeasuredScore(
    "RAUQ",
    "largest over the layers of the middle third of mean −log c; c₁ = p₁, cⱼ = a·pⱼ + (1 − a)·A[j, j − 1]·cⱼ₋₁, of the "
    "head that attends most to the token before; a = 0.2, or 0.5 in a chat",
    "Vazhentsev et al. 2025, arXiv 2505.20045; layers as in the authors' code",
    cost="a pass over prompts and answers in full, which reads attention",
    measure=measure,
)

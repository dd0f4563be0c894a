"""Lookback ratio: how much an answer's tokens attend to the passage that was given, beside the answer itself."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from inspector.batches import Batch
from inspector.hallucination.answers.cett import Span
from inspector.hallucination.answers.context import context_places
from inspector.hallucination.baselines.contract import MeasuredScore, Passes
from inspector.models.attention import AttentionBlock
from inspector.sites import Site


class Lookback:
    """Of each text `ratio`, its heads' lookback ratios `[layer, head]`, and `mass`, the attention to the passage.

    Ratios are means over the answer's tokens, the mass over layers and heads too. The ratio of a token is its mean
    attention to the passage's tokens ÷ (that + its mean attention to the answer's tokens so far, itself among them);
    0.5 where it attends to neither.

    Args:
        spans: where question and answer stand.
        passages: where the passage stands, half-open.
        layers: those that have attention.
    """

    kinds: tuple[str, ...] = ("attention",)

    def __init__(
        self, spans: Mapping[int, Span], passages: Mapping[int, tuple[int, int]], layers: tuple[int, ...]
    ) -> None:
        self.spans, self.passages, self.rows = spans, passages, {layer: row for row, layer in enumerate(layers)}
        self.ratio: dict[int, np.ndarray] = {}
        self.mass: dict[int, float] = dict.fromkeys(spans, 0.0)

    def update(self, batch: Batch, site: Site, x: AttentionBlock) -> None:
        """Take in a block of attention."""
        for row, text in enumerate(batch.text.tolist()):
            start, stop = self.spans[text].answer
            first, last = max(start, x.start), min(stop, x.stop)
            if first >= last:
                continue
            pattern = x.log_pattern[row, :, first - x.start : last - x.start].exp()
            if text not in self.ratio:
                self.ratio[text] = np.zeros((len(self.rows), len(pattern)), np.float64)
            passage = pattern[:, :, slice(*self.passages[text])]
            self.mass[text] += float(passage.sum(dim=-1).mean(dim=0).sum()) / (stop - start) / len(self.rows)
            own = torch.arange(first - start + 1, last - start + 1, device=pattern.device)  # tokens so far
            ratio = _ratio(passage.mean(dim=-1), pattern[:, :, start:last].sum(dim=-1) / own)
            self.ratio[text][self.rows[site.layer]] += ratio.sum(dim=-1).cpu().numpy() / (stop - start)


def _ratio(passage: Tensor, own: Tensor) -> Tensor:
    both = passage + own
    return (passage / both).where(both > 0, 0.5)


def measure(passes: Passes) -> np.ndarray | None:
    """Every head's ratio, a row an answer; None where no answer, or not every one, was given with a passage."""
    model = passes.meter.model
    layers = model.shape.layers_of("attention")
    if not layers or not all(one.context for one in passes.answers):
        return None
    fed = passes.fed.in_full()
    lookback = Lookback(fed.spans, context_places(passes.meter, passes.answers), layers)
    passes.meter.watch(fed, [lookback])
    return np.stack([lookback.ratio[text].ravel() for text in fed.spans])


BASELINE = MeasuredScore(
    "lookback ratio",
    "logistic regression on each head's mean over the answer of c / (c + a), c its mean attention to the passage's "
    "tokens, a to the answer's so far",
    "Chuang et al. 2024 (Lookback Lens), arXiv 2407.07071; of the passage alone, without the question",
    cost="a pass over prompts and answers in full, which reads attention",
    caveat="a probe of attention, fitted on this study's answers",
    measure=measure,
)

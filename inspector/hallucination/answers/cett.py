"""What is measured of an answer: CETT of every neuron, the residual stream, the model's own uncertainty.

CETT (Gao et al. 2025, "H-Neurons", arXiv 2512.01797) of neuron j at token t is its share in the
length of the MLP's output, |z_j| · ‖W_out[j]‖ / ‖z · W_out‖, where z is the input of the MLP's last
matrix; the denominator has no bias in it and is taken before any norm after the MLP. An answer's
CETT is the mean over exactly its tokens.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inspector.batches import Batch
from inspector.models import Model
from inspector.sites import Site


@dataclass(frozen=True)
class Span:
    """Where an input row's question and answer stand, as half-open positions."""

    question: tuple[int, int]
    answer: tuple[int, int]

    def moved(self, by: int) -> "Span":
        """The same with so many tokens more before it."""
        (asked, end), (start, stop) = self.question, self.answer
        return Span((asked + by, end + by), (start + by, stop + by))


def cett(
    z: Float[Tensor, "token neuron"], w_out: Float[Tensor, "neuron d_model"], norms: Float[Tensor, " neuron"]
) -> Float[Tensor, "token neuron"]:
    """CETT of every neuron at every token, in float32; 0 where the MLP's output is 0.

    `norms` are the rows' lengths ‖W_out[j]‖; they are given because they are the same for all tokens.
    """
    return z.float().abs() * norms * inverse_lengths(z, w_out).unsqueeze(1)


def inverse_lengths(
    z: Float[Tensor, "token neuron"], w_out: Float[Tensor, "neuron d_model"]
) -> Float[Tensor, " token"]:
    """1 / ‖z · W_out‖ of every token, in float32; 0 where the MLP's output is 0."""
    length = (z @ w_out).float().norm(dim=-1)
    return torch.where(length > 0, 1 / length, 0.0)


class Contributions:
    """Mean CETT over each row's answer and, apart, over its question, into float16 arrays `[text, layer, neuron]`.

    Args:
        model: from `load_model`.
        spans: where question and answer stand, by the rows' numbers.
        answer, question: arrays to write to (memory-mapped, say), one row per text in the order of `spans`.
    """

    kinds: tuple[str, ...] = ("neuron",)

    def __init__(self, model: Model, spans: Mapping[int, Span], answer: np.ndarray, question: np.ndarray) -> None:
        self.layers = model.shape.layers_of("neuron")
        self.matrices = _Matrices(model, self.layers)
        self.spans, self.answer, self.question = spans, answer, question
        self.row_of = {text: row for row, text in enumerate(spans)}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in one layer's neurons."""
        segments = _segments(batch, self.spans)
        counted = segments >= 0
        means = self.matrices.means(x[counted], segments[counted], 2 * len(batch.text), site.layer).half().cpu().numpy()
        rows, layer = [self.row_of[text] for text in batch.text.tolist()], self.layers.index(site.layer)
        self.answer[rows, layer] = means[0::2]
        self.question[rows, layer] = means[1::2]


def _segments(batch: Batch, spans: Mapping[int, Span]) -> Int[Tensor, "batch pos"]:
    """2 · row at the answer's tokens, 2 · row + 1 at the question's, −1 elsewhere."""
    segments = torch.full(batch.ids.shape, -1, dtype=torch.int64, device=batch.ids.device)
    for row, text in enumerate(batch.text.tolist()):
        segments[row, slice(*spans[text].answer)] = 2 * row
        segments[row, slice(*spans[text].question)] = 2 * row + 1
    return segments


class NeuronContributions:
    """Mean CETT of chosen neurons over each row's answer: `answer[text, neuron]`, float16.

    Layers without any of them are not looked at. Args as of `Contributions`; `neurons` are `(layer, neuron)`.
    """

    kinds: tuple[str, ...] = ("neuron",)

    def __init__(self, model: Model, spans: Mapping[int, Span], neurons: Int[np.ndarray, "neuron 2"]) -> None:
        self.spans, self.neurons = spans, neurons
        self.matrices = _Matrices(model, tuple(np.unique(neurons[:, 0]).tolist()))
        self.row_of = {text: row for row, text in enumerate(spans)}
        self.answer = np.zeros((len(spans), len(neurons)), np.float16)

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in one layer's neurons."""
        mine = np.flatnonzero(self.neurons[:, 0] == site.layer)
        if not len(mine):
            return
        segments = _segments(batch, self.spans)
        counted = segments >= 0
        # Of all the layer's neurons, and then some are taken: a product of fewer columns is rounded otherwise.
        means = self.matrices.means(x[counted], segments[counted], 2 * len(batch.text), site.layer).half()
        rows = np.array([self.row_of[text] for text in batch.text.tolist()])
        self.answer[rows[:, None], mine] = means[0::2].cpu().numpy()[:, self.neurons[mine, 1]]


class TokenContributions:
    """CETT of chosen neurons at each token of each row's answer: `by_text[text]` is `[token, neuron]`, float32."""

    kinds: tuple[str, ...] = ("neuron",)

    def __init__(self, model: Model, spans: Mapping[int, Span], neurons: Int[np.ndarray, "neuron 2"]) -> None:
        self.spans, self.chosen = spans, ChosenNeurons(model, neurons)
        self.by_text = {
            text: np.zeros((span.answer[1] - span.answer[0], len(neurons)), np.float32) for text, span in spans.items()
        }

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in one layer's neurons."""
        mine = self.chosen.of(site.layer)
        if not mine.any():
            return
        for row, text in enumerate(batch.text.tolist()):
            self.by_text[text][:, mine] = self.chosen.cett(x[row, slice(*self.spans[text].answer)], site.layer)


class ChosenNeurons:
    """CETT of chosen neurons, `(layer, neuron)` each, at single tokens."""

    def __init__(self, model: Model, neurons: Int[np.ndarray, "neuron 2"]) -> None:
        self.neurons = neurons
        self.matrices = _Matrices(model, tuple(np.unique(neurons[:, 0]).tolist()))

    def of(self, layer: int) -> Bool[np.ndarray, " neuron"]:
        """Which of them are this layer's."""
        return self.neurons[:, 0] == layer

    def cett(self, z: Float[Tensor, "token d_mlp"], layer: int) -> Float[np.ndarray, "token chosen"]:
        """Those of a layer's, in their order, from the input of its last matrix."""
        return self.matrices.cett(z, layer).cpu().numpy()[:, self.neurons[self.of(layer), 1]]


class _Matrices:
    """The MLPs' last matrices of some layers, and the lengths of their rows."""

    def __init__(self, model: Model, layers: tuple[int, ...]) -> None:
        self.model = model
        self.norms = {layer: self._w_out(layer).float().norm(dim=1) for layer in layers}

    def _w_out(self, layer: int) -> Float[Tensor, "neuron d_model"]:
        return self.model.w_out(layer).detach()  # of experts a copy, so it isn't kept

    def cett(self, z: Float[Tensor, "token neuron"], layer: int) -> Float[Tensor, "token neuron"]:
        return cett(z, self._w_out(layer), self.norms[layer])

    def means(
        self, z: Float[Tensor, "token neuron"], segments: Int[Tensor, " token"], count: int, layer: int
    ) -> Float[Tensor, "segment neuron"]:
        """Mean CETT of each segment's tokens, 0 for one without any; one product instead of CETTs token by token."""
        share = torch.zeros(count, len(z), device=z.device)
        tokens = torch.bincount(segments, minlength=count)
        each = inverse_lengths(z, self._w_out(layer)) / tokens[segments]
        share[segments, torch.arange(len(z), device=z.device)] = each
        return (share @ z.float().abs()) * self.norms[layer]


LARGEST = 65504.0
"""What float16 holds: a spike's dim may be larger, and counts as this."""


class ResidualMeans:
    """Mean of the residual stream over each row's answer, after every layer.

    Args:
        model: from `load_model`.
        spans: where the answers stand, by the rows' numbers.
        means: an array `[text, layer, dim]` to write to (memory-mapped, say), a row per text in the order of `spans`.
    """

    kinds: tuple[str, ...] = ("resid_post",)

    def __init__(self, model: Model, spans: Mapping[int, Span], means: np.ndarray) -> None:
        self.spans, self.means = spans, means
        self.layers = {layer: place for place, layer in enumerate(model.shape.layers_of("resid_post"))}
        self.row_of = {text: row for row, text in enumerate(spans)}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in one layer's stream."""
        for row, text in enumerate(batch.text.tolist()):
            mean = x[row, slice(*self.spans[text].answer)].float().mean(dim=0)
            self.means[self.row_of[text], self.layers[site.layer]] = mean.clamp(-LARGEST, LARGEST).cpu().numpy()


class Uncertainty:
    """The model's own uncertainty about each row's answer.

    Entropy (nats) at its first token, mean log-probability, and mean KL divergence (nats) from the uniform one.
    """

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, spans: Mapping[int, Span]) -> None:
        self.spans = spans
        self.row_of = {text: row for row, text in enumerate(spans)}
        self.entropy, self.logprob, self.certainty = (np.full(len(spans), np.nan, np.float32) for _ in range(3))

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits."""
        for row, text in enumerate(batch.text.tolist()):
            logp, chosen = answer_logp(x[row], batch.ids[row], self.spans[text])
            index = self.row_of[text]
            self.entropy[index] = float(-(logp[0].exp() * logp[0]).sum())
            self.logprob[index] = float(chosen.mean())
            self.certainty[index] = float(-logp.mean()) - math.log(logp.shape[-1])


class TokenUncertainty:
    """The model's uncertainty about each token of each row's answer: `by_text[text]` is `[token, 3]`, float64.

    Its columns: entropy (nats) of the distribution that the token is drawn from, the token's log-probability, and the
    distribution's KL divergence (nats) from the uniform one.
    """

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, spans: Mapping[int, Span]) -> None:
        self.spans = spans
        self.by_text: dict[int, np.ndarray] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits."""
        for row, text in enumerate(batch.text.tolist()):
            logp, chosen = answer_logp(x[row], batch.ids[row], self.spans[text])
            entropy = -(logp.exp() * logp).sum(dim=-1)
            certainty = -logp.mean(dim=-1) - math.log(logp.shape[-1])
            self.by_text[text] = torch.stack((entropy, chosen, certainty), dim=1).double().cpu().numpy()


def answer_logp(
    logits: Float[Tensor, "pos vocab"], ids: Int[Tensor, " pos"], span: Span
) -> tuple[Float[Tensor, "token vocab"], Float[Tensor, " token"]]:
    """Log-probabilities of the vocabulary before each of an answer's tokens, and those of the tokens themselves."""
    start, stop = span.answer
    logp = logits[start - 1 : stop - 1].float().log_softmax(dim=-1)
    return logp, logp.gather(1, ids[start:stop].unsqueeze(1)).squeeze(1)

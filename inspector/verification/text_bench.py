"""Texts as a bench: loss, divergence from the untouched model, and sink rate under interventions."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
from torch import Tensor

from inspector.batches import Batch, Text, TokenSequence, batches, tokenise
from inspector.detectors.sinks import frames as sinks_judge
from inspector.detectors.sinks.detector import Sinks
from inspector.errors import InputError
from inspector.interventions.apply import intervene
from inspector.interventions.values import Intervention
from inspector.models import Model
from inspector.models.observe import Observer, observe
from inspector.records import Evidence
from inspector.resume import digest
from inspector.sites import Site
from inspector.texts import built_in
from inspector.verification.trials import Outcome

TEXTS, LENGTH = 16, 64
"""Texts that effects are measured on, and tokens of each; as many others give reference means."""

BATCH_TOKENS = 1024
"""Tokens a batch: the logits of more would crowd a CPU's caches."""

EPSILON = sinks_judge.Thresholds().epsilon
"""Received attention above which a head's key is a sink."""


class TextBench:
    """Texts on which outcomes are measured.

    Its metrics, a number a text: `loss`, the mean negative log-likelihood a token (nats); `kl`, the mean divergence
    of the untouched model's next-token distributions from those under the interventions (nats); `sink_rate`, the share
    of heads whose first key receives more than 0.3 of the attention (NaN where attention can't be read, or where a
    text is under 64 tokens).

    Args:
        model: from `load_model`.
        rows: texts as they are fed.
    """

    def __init__(self, model: Model, rows: Sequence[TokenSequence]) -> None:
        self.model, self.rows = model, rows
        self.name = f"texts {digest([model.card['fingerprint'], [row.ids for row in rows]])}"

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> Outcome:
        """One pass over the texts under these interventions."""
        predictions = _Predictions(self.reference if "kl" in metrics else None)
        observers: list[Observer] = [predictions]
        sinks = Sinks().reducer(self.model) if "sink_rate" in metrics and self.model.shape.has("attention") else None
        if sinks is not None:
            observers.append(sinks)
        with intervene(self.model, interventions):
            self._watch(observers)
        found = {"loss": predictions.loss, "kl": predictions.kl}
        found["sink_rate"] = {} if sinks is None else _sink_rates(sinks.evidence())
        return {
            metric: np.array([found[metric].get(row.text, np.nan) for row in self.rows], dtype=np.float64)
            for metric in metrics
        }

    @cached_property
    def reference(self) -> Mapping[int, Tensor]:
        """The untouched model's log-probabilities `[pos, vocab]`, by text."""
        keep = _Reference()
        self._watch([keep])
        return keep.by_text

    def _watch(self, observers: Sequence[Observer]) -> None:
        observe(self.model, batches(self.rows, BATCH_TOKENS, self.model.pad_id), observers)


def rows_to_measure(
    model: Model, texts: Sequence[Text] | None, bos: bool | None
) -> tuple[list[TokenSequence], list[TokenSequence]]:
    """Texts to measure on, and others for reference means, cut to 64 tokens; shorter ones are left out.

    Raises:
        InputError: fewer than 16 texts are long enough.
    """
    chosen = built_in(2 * TEXTS) if texts is None else texts
    rows = [row for row in tokenise(model.tokenizer, chosen, bos=bos, window=LENGTH) if row.start == 0]
    rows = [row for row in rows if len(row.ids) == LENGTH]
    if len(rows) < TEXTS:
        raise InputError(
            f"{len(rows)} texts have {LENGTH} tokens or more. Give at least {TEXTS}: half are for reference means."
        )
    return rows[0::2], rows[1::2]


class _Reference:
    """Keeps each text's log-probabilities of the next token."""

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self) -> None:
        self.by_text: dict[int, Tensor] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits of a batch."""
        for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
            self.by_text[text] = x[row, : length - 1].float().log_softmax(dim=-1)


class _Predictions:
    """Each text's loss and, where there is a reference, its divergence from it."""

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, reference: Mapping[int, Tensor] | None) -> None:
        self.reference = reference
        self.loss: dict[int, float] = {}
        self.kl: dict[int, float] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits of a batch."""
        for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
            logp = x[row, : length - 1].float().log_softmax(dim=-1)
            chosen = logp.gather(1, batch.ids[row, 1:length].unsqueeze(1))
            self.loss[text] = float(-chosen.mean())
            if self.reference is not None:
                before = self.reference[text]
                self.kl[text] = float((before.exp() * (before - logp)).sum(dim=-1).mean())


def _sink_rates(evidence: Evidence) -> dict[int, float]:
    """Share of heads whose first key is a sink, by text."""
    received = evidence["received"][..., 0]
    heads = np.where(np.isfinite(received), received > EPSILON, np.nan).reshape(len(received), -1)
    return dict(zip(evidence["text"].tolist(), heads.mean(axis=1).tolist(), strict=True))

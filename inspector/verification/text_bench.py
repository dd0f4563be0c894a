"""Texts as a bench: loss, divergence from the unmodified model, and what detectors bring, under interventions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from inspector.batches import Batch, TokenSequence, batches, tokenise
from inspector.detectors.base import Detector, load_detectors
from inspector.detectors.trials import Outcome
from inspector.errors import InputError
from inspector.interventions.apply import intervene
from inspector.interventions.values import Intervention
from inspector.models import Model
from inspector.models.observe import Observer, observe
from inspector.resume import digest
from inspector.sites import Site
from inspector.stats import mean_interval
from inspector.texts import Text, built_in

TEXTS, LENGTH = 16, 64
"""Texts that effects are measured on, and tokens of each; as many others give reference means."""
MORE_TEXTS = 64
"""Built-in texts that a claim of no change is measured on."""

BATCH_TOKENS = 1024
"""Tokens per batch: the logits of more would crowd a CPU's caches."""


class TextBench:
    """Texts on which outcomes are measured.

    Its metrics, a number for each text: `loss`, the mean negative log-likelihood a token (nats); `kl`, the mean
    divergence of the unmodified model's next-token distributions from those under the interventions (nats); and what
    detectors bring, NaN where it can't be measured on this model.

    Args:
        model: from `load_model`.
        rows: input sequences.
        detectors: whose metrics can be asked for; all that are installed where None.
        more: more input sequences, for claims that need them.
        start: loss and kl are of the predictions from this position on.
    """

    def __init__(
        self,
        model: Model,
        rows: Sequence[TokenSequence],
        detectors: Sequence[Detector] | None = None,
        more: Sequence[TokenSequence] = (),
        start: int = 0,
    ) -> None:
        self.model, self.rows, self.more, self.start = model, rows, more, start
        self.name = f"texts {digest([model.current_card()['fingerprint'], [row.ids for row in rows]])}"
        every = load_detectors() if detectors is None else detectors
        self.brought = {name: one for one in every for name in getattr(one, "metrics", {})}
        self.metrics = ("loss", "kl", *self.brought)

    @cached_property
    def wider(self) -> "TextBench | None":
        """The bench of more texts, where there are any."""
        every = list(self.brought.values())
        return TextBench(self.model, self.more, every, start=self.start) if len(self.more) > len(self.rows) else None

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> Outcome:
        """One pass over the texts under these interventions."""
        predictions = _Predictions(self.reference if "kl" in metrics else None, self.start)
        reducers = {
            one.name: one.reducer(self.model)
            for one in {one.name: one for name, one in self.brought.items() if name in metrics}.values()
            if all(map(self.model.shape.has, one.kinds))
        }
        with intervene(self.model, interventions):
            self._watch([predictions, *reducers.values()])
        measured = {name: reducer.evidence() for name, reducer in reducers.items()}
        found: dict[str, Mapping[int, float]] = {"loss": predictions.loss, "kl": predictions.kl}
        for name, one in self.brought.items():
            if one.name in measured:
                found[name] = one.metrics[name](measured[one.name])  # type: ignore[attr-defined]
        return {
            metric: np.array([found.get(metric, {}).get(row.text, np.nan) for row in self.rows], dtype=np.float64)
            for metric in metrics
        }

    @cached_property
    def reference(self) -> Mapping[int, Tensor]:
        """The unmodified model's log-probabilities `[pos, vocab]`, by text."""
        keep = _Reference(self.start)
        self._watch([keep])
        return keep.by_text

    def _watch(self, observers: Sequence[Observer]) -> None:
        observe(self.model, batches(self.rows, BATCH_TOKENS, self.model.pad_id), observers)


def over_texts(outcome: Outcome) -> dict[str, float]:
    """Each metric's mean over texts, and its 95 % interval (NAME_low, NAME_high); NaN where a text's isn't finite."""
    found: dict[str, float] = {}
    for name, values in outcome.items():
        low, high = mean_interval(values, share=False) if np.isfinite(values).all() else (np.nan, np.nan)
        found |= {name: float(values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


@dataclass(frozen=True)
class Rows:
    """Texts cut to `LENGTH` tokens.

    Args:
        measured: what effects are measured on.
        reference: others, for means.
        more: as many or more, that a claim of no change is measured on.
    """

    measured: list[TokenSequence]
    reference: list[TokenSequence]
    more: list[TokenSequence]


def rows_to_measure(model: Model, texts: Sequence[Text] | None, bos: bool | None) -> Rows:
    """Texts to measure on, and others for reference means, cut to 64 tokens; shorter ones are left out.

    Raises:
        InputError: fewer than 16 texts are long enough.
    """
    rows = _cut(model, built_in(2 * TEXTS) if texts is None else texts, bos)
    if len(rows) < TEXTS:
        raise InputError(
            f"{len(rows)} texts have {LENGTH} tokens or more. Give at least {TEXTS}: half are for reference means."
        )
    more = rows if texts is not None else _cut(model, built_in(2 * MORE_TEXTS), bos)
    return Rows(rows[0::2], rows[1::2], more[0::2])


def _cut(model: Model, texts: Sequence[Text], bos: bool | None) -> list[TokenSequence]:
    """The texts that are long enough, cut."""
    rows = [row for row in tokenise(model.tokenizer, texts, bos=bos, window=LENGTH) if row.start == 0]
    return [row for row in rows if len(row.ids) == LENGTH]


class _Reference:
    """Keeps each text's log-probabilities of the next token."""

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, start: int) -> None:
        self.start = start
        self.by_text: dict[int, Tensor] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits of a batch."""
        for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
            self.by_text[text] = x[row, self.start : length - 1].float().log_softmax(dim=-1)


class _Predictions:
    """Each text's loss and, where there is a reference, its divergence from it."""

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, reference: Mapping[int, Tensor] | None, start: int) -> None:
        self.reference, self.start = reference, start
        self.loss: dict[int, float] = {}
        self.kl: dict[int, float] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits of a batch."""
        for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
            logp = x[row, self.start : length - 1].float().log_softmax(dim=-1)
            chosen = logp.gather(1, batch.ids[row, self.start + 1 : length].unsqueeze(1))
            self.loss[text] = float(-chosen.mean())
            if self.reference is not None:
                before = self.reference[text]
                self.kl[text] = float((before.exp() * (before - logp)).sum(dim=-1).mean())

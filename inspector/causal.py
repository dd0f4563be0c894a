"""Effects of interventions, each beside random twins of it, on the same texts.

A change of a metric means little by itself: zeroing anything does something. A `Trial` names an
intervention and its twins, the same op on random units like the target's; the target's effect is the
paired change over texts, with a bootstrap interval, and it is compared with the twins' changes:
p = (1 + twins that change as much) / (1 + twins), adjusted over the targets by Benjamini–Hochberg.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from inspector.batching import Batch, TokenSequence, batches
from inspector.detectors import sinks_judge
from inspector.detectors.base import Listener
from inspector.detectors.sinks import Sinks
from inspector.intervening import intervene
from inspector.interventions import Intervention
from inspector.models import Model
from inspector.observe import observe
from inspector.results import Effect, Verdict
from inspector.sites import Site
from inspector.stats import bootstrap_mean

BATCH_TOKENS = 1024
"""Tokens a batch: the logits of more would crowd a CPU's caches."""

EPSILON = sinks_judge.Thresholds().epsilon
"""Received attention above which a head's key is a sink."""

Step = Callable[[int], object]


@dataclass(frozen=True)
class Outcome:
    """What a pass over the texts showed, a number a text.

    `loss` is the mean negative log-likelihood a token (nats), `kl` the mean divergence of the
    untouched model's next-token distributions from this pass's (nats), `sink_rate` the share of heads whose
    first key receives more than 0.3 of the attention (NaN where attention can't be read).
    """

    loss: Float[np.ndarray, " text"]
    kl: Float[np.ndarray, " text"]
    sink_rate: Float[np.ndarray, " text"]


@dataclass(frozen=True)
class Trial:
    """An intervention to be tested, and its twins.

    Args:
        target: what is changed, in words.
        op: what is done to it, in one word or two.
        interventions: the change.
        twins: the same done to random others.
        expected: whether the claim is that this changes the model; else that it is harmless.
        metrics: names of `Outcome`'s numbers to report.
    """

    target: str
    op: str
    interventions: tuple[Intervention, ...]
    twins: tuple[tuple[Intervention, ...], ...]
    expected: bool
    metrics: tuple[str, ...] = ("loss", "kl", "sink_rate")


class Bench:
    """Texts on which outcomes are measured, with the untouched model's outcome and distributions.

    Args:
        model: from `load_model`.
        rows: texts as they are fed; those under 64 tokens have no sink rate.
    """

    def __init__(self, model: Model, rows: Sequence[TokenSequence]) -> None:
        self.model, self.rows = model, rows
        self.reference: dict[int, Tensor] = {}
        keep = _Predictions({}, keep=self.reference)
        self._watch([keep])
        self.untouched = self.outcome(())

    def outcome(self, interventions: Sequence[Intervention]) -> Outcome:
        """One pass over the texts under these interventions."""
        predictions = _Predictions(self.reference)
        listeners: list[Listener] = [predictions]
        sinks = Sinks().reducer(self.model) if self.model.shape.has("attention") else None
        if sinks is not None:
            listeners.append(sinks)
        with intervene(self.model, interventions):
            self._watch(listeners)
        numbers = [row.text for row in self.rows]
        rate = np.full(len(numbers), np.nan)
        if sinks is not None:
            e = sinks.evidence()
            received = e["received"][..., 0]
            heads = np.where(np.isfinite(received), received > EPSILON, np.nan).reshape(len(e["text"]), -1)
            by_text = dict(zip(e["text"].tolist(), heads.mean(axis=1), strict=True))
            rate = np.array([by_text[number] for number in numbers])
        loss, kl = (np.array([part[number] for number in numbers]) for part in (predictions.loss, predictions.kl))
        return Outcome(loss, kl, rate)

    def _watch(self, listeners: Sequence[Listener]) -> None:
        observe(self.model, batches(self.rows, BATCH_TOKENS, self.model.pad_id), listeners)


class _Predictions:
    """Each text's loss and divergence from the reference; or, with `keep`, the reference itself."""

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, reference: Mapping[int, Tensor], keep: dict[int, Tensor] | None = None) -> None:
        self.reference, self.keep = reference, keep
        self.loss: dict[int, float] = {}
        self.kl: dict[int, float] = {}

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits of a batch."""
        for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
            logp = x[row, : length - 1].float().log_softmax(dim=-1)
            if self.keep is not None:
                self.keep[text] = logp
                continue
            chosen = logp.gather(1, batch.ids[row, 1:length].unsqueeze(1))
            self.loss[text] = float(-chosen.mean())
            before = self.reference[text]
            self.kl[text] = float((before.exp() * (before - logp)).sum(dim=-1).mean())


def run(bench: Bench, trials: Sequence[Trial], *, seed: int = 0, step: Step = lambda done: None) -> list[Effect]:
    """Effects of all trials, each with q (see `judged`) and a verdict."""
    effects = []
    for trial in trials:
        mine = bench.outcome(trial.interventions)
        step(1)
        twins = []
        for twin in trial.twins:
            twins.append(bench.outcome(twin))
            step(1)
        effects += [_effect(trial, metric, bench.untouched, mine, twins, seed) for metric in trial.metrics]
    return judged(effects, {(trial.target, trial.op): trial.expected for trial in trials})


def _effect(
    trial: Trial, metric: str, untouched: Outcome, mine: Outcome, twins: Sequence[Outcome], seed: int
) -> Effect:
    """The change of one metric, beside the twins' changes."""
    base = getattr(untouched, metric)
    change = getattr(mine, metric) - base
    known = np.isfinite(change)
    low, high = bootstrap_mean(change[known], seed=seed) if known.any() else (np.nan, np.nan)
    others = (
        np.array([np.mean((getattr(twin, metric) - base)[known]) for twin in twins]) if known.any() else np.array([])
    )
    mean = float(change[known].mean()) if known.any() else float("nan")
    p = float((1 + (np.abs(others) >= abs(mean)).sum()) / (1 + len(others))) if len(others) else float("nan")
    ends = np.quantile(others, [0.025, 0.975]) if len(others) else (np.nan, np.nan)
    return Effect(
        target=trial.target,
        op=trial.op,
        metric=metric,
        change=mean,
        low=float(low),
        high=float(high),
        twin_change=float(others.mean()) if len(others) else float("nan"),
        twin_low=float(ends[0]),
        twin_high=float(ends[1]),
        n=int(known.sum()),
        p=p,
        q=float("nan"),
        twins=len(others),
    )


LEVEL = 0.05


def judged(effects: Sequence[Effect], expected: Mapping[tuple[str, str], bool]) -> list[Effect]:
    """The effects with q, and what each says about its claim, in a word and in a sentence.

    q is p adjusted over all targets of one metric and one kind of claim.
    """
    from scipy.stats import false_discovery_control

    families: dict[tuple[str, bool], list[int]] = {}
    for i, effect in enumerate(effects):
        if np.isfinite(effect.p):
            families.setdefault((effect.metric, expected[effect.target, effect.op]), []).append(i)
    q = np.full(len(effects), np.nan)
    for family in families.values():
        q[family] = false_discovery_control([effects[i].p for i in family])
    found = []
    for effect, value in zip(effects, q.tolist(), strict=True):
        verdict, reason = _verdict(replace(effect, q=value), expected[effect.target, effect.op])
        found.append(replace(effect, q=value, verdict=verdict, reason=reason))
    return found


def _verdict(effect: Effect, expected: bool) -> tuple[Verdict, str]:
    """Whether the change is there and the target's own; the claim is that it is, or (not `expected`) that it isn't."""
    if not np.isfinite(effect.low) or not np.isfinite(effect.q) or 1 / (1 + effect.twins) >= LEVEL:
        return "undecided", f"insufficient data: {effect.n} texts, {effect.twins} twins"
    said = f"{effect.metric} changes by {effect.change:+.3g}"
    if effect.p >= LEVEL:
        said += f", no more than random twins do (p = {effect.p:.2g})"
        return ("refuted", said) if expected else ("confirmed", f"harmless: {said}")
    apart = effect.low > 0 or effect.high < 0
    if apart and effect.q < LEVEL:
        said += f", more than twins do (q = {effect.q:.2g})"
        return ("confirmed", said) if expected else ("refuted", f"not harmless: {said}")
    why = "its interval holds 0" if not apart else f"q = {effect.q:.2g} over all targets"
    return "undecided", f"{said}, more than twins do, but {why}"

"""How a detector's findings are tested by intervening: what it brings (`Trials`), and what it is given (`Case`)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from inspector.detectors.measured import Measured
from inspector.interventions.trial import Trial
from inspector.interventions.values import Intervention
from inspector.progress import Progress
from inspector.records import Evidence

if TYPE_CHECKING:
    from inspector.batches import TokenSequence
    from inspector.models import Model
    from inspector.texts import Text

Outcome = Mapping[str, Float[np.ndarray, " _input"]]
"""Metric → its value on every input (text, question); NaN where it isn't known."""

Table = Mapping[str, np.ndarray]
"""Columns of a table by name."""


@runtime_checkable
class Bench(Protocol):
    """Inputs on which outcomes are measured."""

    @property
    def name(self) -> str:
        """Tells it from other benches: the same name, the same inputs and model."""
        ...

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> Outcome:
        """One pass over the inputs under these interventions."""
        ...


@dataclass(frozen=True)
class Settings:
    """What a user chooses of a verification.

    Args:
        twins: matched random controls of each intervention; each detector has its own number where None.
        heads: most single findings that are tested one by one, the strongest first.
        samples: sampled answers to each question beside the greedy one.
        seed: chooses controls, questions and samples.
    """

    twins: int | None = None
    heads: int = 10
    samples: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Removal:
    """A phenomenon taken away: in words, and how."""

    words: str
    interventions: tuple[Intervention, ...]


@dataclass(frozen=True)
class Case:
    """What a detector's trials are made from.

    Args:
        measured: the detector's part of the run.
        model: the run's.
        claims: what is tested, of those that the detector's `claims` gave.
        bench: the texts on which effects are measured.
        metrics: what can be measured on them.
        texts: those texts as the model gets them.
        reference: other texts, for mean values.
        settings: what the user chose.
        given: texts of the user's, None where built-in ones are used.
        bos: whether a BOS is prepended; None is as the tokenizer does.
        removals: how other detectors' phenomena are taken away.
        gauges: what all detectors measure on the texts under interventions, a number each.
        evidence: what the detector measured on those texts; None where it doesn't scan texts.
    """

    measured: Measured
    model: "Model"
    claims: Sequence[Any]
    bench: Bench
    metrics: tuple[str, ...]
    texts: Sequence["TokenSequence"]
    reference: Sequence["TokenSequence"]
    settings: Settings
    given: Sequence["Text"] | None = None
    bos: bool | None = None
    removals: tuple[Removal, ...] = ()
    gauges: Callable[[tuple[Intervention, ...]], Mapping[str, float]] = lambda interventions: {}
    evidence: Evidence | None = None

    def inputs(self, shows: Bool[np.ndarray, " text"]) -> tuple[int, ...] | None:
        """The numbers of the texts for which this is so, in the order of the evidence; None where it is for all."""
        assert self.evidence is not None  # whoever calls it scans texts
        chosen = set(self.evidence["text"][shows].tolist())
        numbers = tuple(i for i, row in enumerate(self.texts) if row.text in chosen)
        return None if len(numbers) == len(self.texts) else numbers

    @property
    def rng(self) -> np.random.Generator:
        """A generator of the user's seed, the same for each detector."""
        return np.random.default_rng(self.settings.seed)


@dataclass(frozen=True)
class Extras:
    """What a detector measures beside its trials: tables of the record, and notes on them."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


OutcomeOf = Callable[[Sequence[Intervention], Collection[str]], Outcome]
"""Interventions and metrics → the outcome; each is measured once."""


def no_extras(outcome: OutcomeOf, progress: Progress) -> Extras:
    """Nothing beside the trials."""
    return Extras()


@dataclass(frozen=True)
class Planned:
    """What a detector tests.

    Args:
        trials: each with its controls; `Trial.on` says which findings its verdict is on.
        bench: where their outcomes are measured; the case's texts where None.
        extras: measures tables beside the effects, once all trials are done.
        later: what `extras` does, in words, for the forecast.
        notes: what to know of the trials.
    """

    trials: Sequence[Trial] = ()
    bench: Bench | None = None
    extras: Callable[[OutcomeOf, Progress], Extras] = no_extras
    later: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Trials:
    """How a detector's findings are tested. Only `planned` must be written; a detector brings a subclass of this."""

    claims_are = "findings"
    """What its claims are called, in the plural."""

    def claims(self, measured: Measured) -> Sequence[Any]:
        """What there is to test in a run; no model is needed."""
        return measured.findings

    def present(self, measured: Measured, claim: Any, evidence: Evidence) -> bool:
        """Whether a claim shows in any text that effects are measured on, given the detector's evidence of them.

        Those that don't are not tested. Effects are over all texts, unless a trial names its `inputs`.
        """
        return True

    def planned(self, case: Case) -> Planned:
        """The interventions that are tried for the claims of the case, each beside its controls."""
        raise NotImplementedError

    def removals(self, claims: Sequence[Any]) -> Sequence[Removal]:
        """How the phenomenon is taken away, for other detectors' tables."""
        return ()

    def gauge(self, evidence: Evidence, claims: Sequence[Any], measured: Measured) -> Mapping[str, float]:
        """Numbers of the detector's evidence, measured under an intervention, for tables beside the effects."""
        return {}

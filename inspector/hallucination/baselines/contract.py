"""What a baseline is, and what it may look at."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from inspector.hallucination.answers.measure import Fed, Meter
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.probe.nested_cv import out_of_fold
from inspector.hallucination.probe.splits import Folds


@dataclass(frozen=True)
class Seen:
    """What is known of answers beside their neurons; a row an answer.

    Args:
        questions, answers: as text.
        samples: the other answers drawn to each question; none where none were.
        relation: what kind of fact is asked for; empty where that isn't known.
        tokens: of the answer.
        entropy: of the first token's distribution, in nats.
        logprob: mean log-probability of the answer's tokens.
        certainty: mean KL divergence of the tokens' distributions from the uniform one, in nats.
        same: whether two answers to a question say the same.
        measured: what baselines with passes of their own measured, by their names; none where they weren't asked for.
    """

    questions: Sequence[str]
    answers: Sequence[str]
    samples: Sequence[Sequence[str]]
    relation: Sequence[str]
    tokens: Float[np.ndarray, " row"]
    entropy: Float[np.ndarray, " row"]
    logprob: Float[np.ndarray, " row"]
    certainty: Float[np.ndarray, " row"]
    same: Callable[[str, str, str], bool]
    measured: Mapping[str, Float[np.ndarray, "row *columns"]] = field(default_factory=dict)

    @property
    def sampled(self) -> bool:
        """Whether there are two samples or more of every answer."""
        return all(len(row) > 1 for row in self.samples)


@dataclass(frozen=True)
class Passes:
    """What a baseline that takes passes of its own may run.

    Args:
        meter: runs the model.
        answers: with their samples, contexts and prompts.
        fed: the answers as the model receives them.
    """

    meter: Meter
    answers: Sequence[Answered]
    fed: Fed


@dataclass(frozen=True)
class Baseline(ABC):
    """A score of answers that needs no neuron.

    Args:
        name: as in the table of scores.
        formula: what it is.
        source: the paper or where it is from.
        cost: what it takes beside the pass over question and answer that a study makes anyway.
        caveat: what to know before it is compared; empty for nothing.
    """

    name: str
    formula: str
    source: str
    cost: str = "none"
    caveat: str = ""

    def words(self) -> dict[str, str]:
        """What it is, for a table."""
        return {name: getattr(self, name) for name in ("name", "formula", "source", "cost", "caveat")}

    @abstractmethod
    def odds(self, seen: Seen, made_up: Bool[np.ndarray, " row"], folds: Folds) -> Float[np.ndarray, " row"] | None:
        """Out-of-fold log-odds that an answer is incorrect; None where it can't be known of these answers."""


@dataclass(frozen=True)
class Score(Baseline):
    """A baseline that is a number of each answer, or a few; a logistic regression turns it into log-odds.

    Args:
        values: the numbers; None where they can't be known of these answers.
    """

    values: Callable[[Seen], Float[np.ndarray, "row *columns"] | None] = field(kw_only=True)

    def odds(self, seen: Seen, made_up: Bool[np.ndarray, " row"], folds: Folds) -> Float[np.ndarray, " row"] | None:
        """By a ridge on these numbers alone, in which both kinds of answers weigh the same."""
        return _odds(self.values(seen), made_up, folds)


@dataclass(frozen=True)
class MeasuredScore(Baseline):
    """A score that takes passes of its own, so that it is known only where it was asked for.

    Args:
        measure: runs them: the numbers of each answer, None where they can't be known of these.
    """

    measure: Callable[[Passes], Float[np.ndarray, "row *columns"] | None] = field(kw_only=True)

    def odds(self, seen: Seen, made_up: Bool[np.ndarray, " row"], folds: Folds) -> Float[np.ndarray, " row"] | None:
        """As a `Score`'s, by what was measured."""
        return _odds(seen.measured.get(self.name), made_up, folds)


def _odds(
    values: Float[np.ndarray, "row *columns"] | None, made_up: Bool[np.ndarray, " row"], folds: Folds
) -> Float[np.ndarray, " row"] | None:
    if values is None:
        return None
    return out_of_fold(np.asarray(values, np.float64).reshape(len(made_up), -1), made_up, folds)

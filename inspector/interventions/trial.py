"""`Trial`: an intervention to be tested, with what is claimed of it, beside the same done to others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inspector.interventions.values import Intervention
from inspector.records import Claim, Verdict

Doses = Mapping[float, tuple[Intervention, ...]]
"""Dose → what is done at it."""

MARGIN = 0.05
"""What is too small to matter, from one end of the doses to the other: 0.05 nats, which is 5 % of perplexity, or 5
points of a share."""


@dataclass(frozen=True)
class Trial:
    """An intervention to be tested, and its matched random controls.

    Args:
        target: what is changed, in words.
        op: what is done to it, in one word or two.
        doses: the change; `once` makes one of interventions.
        twins: the matched random controls: the same done to random others.
        claims: metric → what is claimed of it.
        untouched: the dose that leaves the model as it is.
        on: the findings that the verdict is on (its word is filled in); None where it is on none.
        by: the metric whose verdict it is.
        inputs: the inputs of the bench that it is about, by number: those that have what is tested. All where None.
        elsewhere: by an input's number, the target's change there, where it isn't `doses`: what moves is changed at
            each input's own place.
    """

    target: str
    op: str
    doses: Doses
    twins: tuple[Doses, ...]
    claims: Mapping[str, Claim]
    untouched: float = 0.0
    on: Verdict | None = None
    by: str = "loss"
    inputs: tuple[int, ...] | None = None
    elsewhere: Mapping[int, Doses] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """What is too small to matter, per unit of dose."""
        doses = (self.untouched, *self.doses)
        return MARGIN / (max(doses) - min(doses))

    @property
    def passes(self) -> int:
        """Outcomes that are measured for it."""
        return sum(map(len, self.every))

    @property
    def every(self) -> tuple[Doses, ...]:
        """All that is done: to the target, at each input's own place, and to the controls."""
        return (self.doses, *self.elsewhere.values(), *self.twins)


def once(*interventions: Intervention) -> Doses:
    """A change without doses."""
    return {1.0: interventions}

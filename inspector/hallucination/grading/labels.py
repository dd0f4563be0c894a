"""From marks of single answers to what a question's answers show: correct, incorrect, inconsistent, abstained."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from inspector.errors import InputError
from inspector.hallucination.grading.graders import Mark

FEWEST = 40
"""Fewer correct or incorrect answers than this give no numbers."""
COMFORTABLE = 100
"""This many of each kind are wanted when the agreement is chosen."""
AGREEMENTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)


class Label(IntEnum):
    """What a question's answers show together."""

    right = 0
    wrong = 1
    mixed = 2
    abstained = 3


@dataclass(frozen=True)
class Labelled:
    """Labels of all questions, and the agreement they were made with."""

    labels: tuple[Label, ...]
    agreement: float

    def count(self, label: Label) -> int:
        """How many questions have this label."""
        return sum(one == label for one in self.labels)

    @property
    def usable(self) -> int:
        """Questions that are answered correctly or incorrectly."""
        return self.count(Label.right) + self.count(Label.wrong)


def label(marks: Sequence[Mark], agreement: float = 1.0) -> Label:
    """The label of one question: its greedy answer's mark, if so large a share of the samples agrees.

    Args:
        marks: of the greedy answer, then of the samples.
        agreement: 1 is the paper's rule (correct in all samples, or incorrect in all); 0 looks at the greedy
            answer alone. A sample that abstains agrees with neither.
    """
    greedy, samples = marks[0], Counter(marks[1:])
    if greedy == "abstained":
        return Label.abstained
    # Rounded: 0.7 × 10 is 7.000000000000001 in floating point for some shares.
    enough = samples[greedy] >= round(agreement * (len(marks) - 1), 9)
    return Label[greedy] if enough else Label.mixed


def label_all(marks: Sequence[Sequence[Mark]], agreement: float | None = None) -> Labelled:
    """Labels of all questions.

    Without an `agreement` the strictest that leaves 100 of each kind is taken, or else the strictest
    that leaves 40: a small model is seldom correct ten times in ten. It is chosen by these counts alone.

    Raises:
        InputError: the agreement isn't a share, or even the laxest leaves fewer than 40 of a kind.
    """
    if agreement is not None and not 0 <= agreement <= 1:
        raise InputError(f"agreement is {agreement}. Use a share from 0 (the greedy answer alone) to 1 (all samples).")
    tried = [
        Labelled(tuple(label(one, share) for one in marks), share)
        for share in (AGREEMENTS if agreement is None else (agreement,))
    ]
    for wanted in (COMFORTABLE, FEWEST):
        for labelled in tried:
            if min(labelled.count(Label.right), labelled.count(Label.wrong)) >= wanted:
                return labelled
    last = tried[-1]
    right, wrong = last.count(Label.right), last.count(Label.wrong)
    raise InputError(
        f"insufficient data: {last.usable} usable of {len(marks)} ({right} correct, {wrong} incorrect, "
        f"{last.count(Label.mixed)} inconsistent, {last.count(Label.abstained)} abstained); at least {FEWEST} of each "
        "kind are needed. Ask more questions, or easier or harder ones."
    )

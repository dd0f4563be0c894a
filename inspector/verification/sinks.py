"""Attention sinks, tested: head by head with the sink key hidden, and by windows over the cache."""

from collections.abc import Sequence

import numpy as np

from inspector.interventions.values import knock_out_attention
from inspector.records import Claim, Effect, Finding
from inspector.run.report import Report
from inspector.verification.text_bench import LENGTH
from inspector.verification.trials import Doses, Outcomes, Trial, once

MATTERS: dict[str, Claim] = {"kl": "rise", "loss": "change"}

HEAD_TWINS, SET_TWINS = 70, 20
"""Twins of a single head, shared by all of them, and of all heads together."""

EARLY = (0, 1, 2, 3)
"""Keys hidden from twins: the first, then, where there are fewer heads than twins, the next ones."""


class SinkTest:
    """The trials of a scan's sink heads: the sink key hidden, attention renormalised over the others.

    Head by head, twins are heads that are no sinks, an early key hidden from them. A head that parks its attention,
    because it must put it somewhere, has to put it elsewhere now and says something else; one that looks elsewhere
    loses little. For all sink heads at once, twins are other keys hidden from the same heads. Less attention is moved
    in the twins: that it is much is what makes a sink, so no key of theirs could match it.

    Args:
        report: of a scan with the `sinks` detector.
        outcomes: of texts.
        every: the sink heads, the strongest first.
        heads: most of them tested one by one.
        twins: of each trial; of single heads, which share theirs, `HEAD_TWINS` where None.
        rng: chooses the twins.
    """

    def __init__(
        self,
        report: Report,
        outcomes: Outcomes,
        every: Sequence[Finding],
        heads: int,
        twins: int | None,
        rng: np.random.Generator,
    ) -> None:
        self.outcomes = outcomes
        self.heads = every[:heads]
        others = _others(report)
        drawn = [(*others[i], key) for key in EARLY for i in rng.permutation(len(others))][: twins or HEAD_TWINS]
        self.trials = [
            Trial(_name(head), "hide", _hide([_place(head)]), tuple(_hide([twin]) for twin in drawn), MATTERS)
            for head in self.heads
        ]
        keys = 1 + rng.permutation(LENGTH - 2)[: twins or SET_TWINS]
        moved = [[(layer, unit, int(key)) for layer, unit, _ in map(_place, every)] for key in keys]
        together = _hide([_place(head) for head in every])
        self.trials.append(
            Trial(
                f"the keys of all {len(every)} sink heads that have one place",
                "hide all",
                together,
                tuple(map(_hide, moved)),
                MATTERS,
            )
        )

    def verified(self, effects: Sequence[Effect]) -> list[dict[str, object]]:
        """A head's verdict is that of hiding its key, by the divergence."""
        of = {effect.target: effect.verdict for effect in effects if (effect.op, effect.metric) == ("hide", "kl")}
        return [
            {
                "detector": "sinks",
                "unit": head.unit,
                "first": head.layer,
                "last": head.layer,
                "position": head.position,
                "verdict": of[_name(head)],
            }
            for head in self.heads
        ]

    def tables(self) -> dict[str, dict[str, np.ndarray]]:
        """None beside the effects; see `inspector.verification.cache_windows`."""
        return {}


def sink_heads(report: Report) -> list[Finding]:
    """The heads that the run calls sinks and whose key is at one position, the strongest first."""
    found = [
        one for one in report.findings if one.detector == "sinks" and one.unit is not None and one.position is not None
    ]
    return sorted(found, key=lambda one: (-one.score, one.layer, one.unit))


def _others(report: Report) -> list[tuple[int, int]]:
    """Heads that the run doesn't call sinks."""
    sinks = {(one.layer, one.unit) for one in report.findings if one.detector == "sinks"}
    table = report.frame("sinks.heads")
    every = zip(table["layer"].tolist(), table["head"].tolist(), strict=True)
    return [head for head in every if head not in sinks]


def _place(head: Finding) -> tuple[int, int, int]:
    """Layer, head and key."""
    assert head.unit is not None and head.position is not None  # see `sink_heads`
    return head.layer, head.unit, head.position


def _hide(places: Sequence[tuple[int, int, int]]) -> Doses:
    """These keys taken from these heads, `(layer, head, key)`."""
    by_key: dict[tuple[int, int], list[int]] = {}
    for layer, unit, key in places:
        by_key.setdefault((layer, key), []).append(unit)
    return once(*(knock_out_attention(layer, units, (key,)) for (layer, key), units in sorted(by_key.items())))


def _name(head: Finding) -> str:
    return f"key {head.position} of head {head.unit} of layer {head.layer}"

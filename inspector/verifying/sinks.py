"""Attention sinks, tested: head by head with the sink key hidden, and by windows over the cache."""

from collections.abc import Sequence

import numpy as np

from inspector.causal import Claim, Doses, Outcomes, Trial, once
from inspector.interventions import unattend
from inspector.report import Report
from inspector.results import Effect, Finding

MATTERS: dict[str, Claim] = {"kl": "rise", "loss": "change"}


class SinkTest:
    """The trials of a scan's sink heads: the sink key hidden from the head, its attention renormalised over the rest.

    Twins are heads that are no sinks, the same key hidden from them. A head that parks its attention there, because it
    must put it somewhere, has to put it elsewhere now and says something else; one that looks elsewhere loses little.

    Args:
        report: of a scan with the `sinks` detector.
        heads: most heads tested, the strongest first.
        twins: heads that are no sinks.
        rng: chooses the twins.
    """

    def __init__(self, report: Report, outcomes: Outcomes, heads: int, twins: int, rng: np.random.Generator) -> None:
        self.outcomes = outcomes
        self.heads = sink_heads(report)[:heads]
        pool = _others(report)
        chosen = [pool[i] for i in rng.choice(len(pool), min(twins, len(pool)), replace=False)] if pool else []
        self.trials = [
            Trial(
                _name(head),
                "hide",
                _hide(head.layer, head.unit, head.position),
                tuple(_hide(layer, unit, head.position) for layer, unit in chosen),
                MATTERS,
            )
            for head in self.heads
        ]

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
        """None beside the effects; see `inspector.verifying.windows`."""
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


def _hide(layer: int, head: int | None, key: int | None) -> Doses:
    return once(unattend(layer, (head,), (key,)))  # type: ignore[arg-type]  # findings of `sink_heads` have both


def _name(head: Finding) -> str:
    return f"head {head.layer}.{head.unit}'s key {head.position}"

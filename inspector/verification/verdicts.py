"""What a tested change says about its claim: one of five words, each with its rule.

Of a claim of a change, a rise or a fall:

- confirmed: the interval is on the claimed side of 0 and not all within the margin, and p and q beside the controls are
  below 0.05;
- not specific: the same, but the controls change as much (p ≥ 0.05);
- negligible: the interval excludes 0, and there is *no change* worth the name;
- refuted: there is *no change* and the interval holds 0; or the interval is on the other side of 0;
- undecided: all else, and fewer inputs or controls than an answer needs.

Of a claim that nothing changes: confirmed where there is *no change*, refuted where the interval is beyond the margin,
else undecided.

*No change* has to be shown: the whole interval lies within the margin; there are `ENOUGH` independent inputs, so that
inputs of which one in twenty is hit would have shown one with 95 % probability; and the single worst input changes
so little that the mean would stay within the margin if one input in twenty were like it.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inspector.records import Claim, Effect, VerdictWord

LEVEL = 0.05
"""Largest q, and p, at which a change counts as the target's own."""

TAIL = 0.05
"""Share of inputs that a claim of no change allows to be otherwise."""

ENOUGH = math.ceil(math.log(0.05) / math.log(1 - TAIL))
"""Inputs of which, were `TAIL` of all otherwise, one would be seen to be so with 95 % probability: 59."""

SAID = {"kl": "divergence", "sink_rate": "sink rate", "made_up": "the share of incorrect answers"}
"""A metric in a reason, where its name isn't said so."""


def judged(effects: Sequence[Effect]) -> list[Effect]:
    """The effects with q, and what each says about its claim, in a word and in a sentence.

    q is p adjusted over all targets of one op, metric and claim.
    """
    from scipy.stats import false_discovery_control

    families: dict[tuple[str, str, Claim], list[int]] = {}
    for i, effect in enumerate(effects):
        if np.isfinite(effect.p):
            families.setdefault((effect.op, effect.metric, effect.claim), []).append(i)
    q = np.full(len(effects), np.nan)
    for family in families.values():
        q[family] = false_discovery_control([effects[i].p for i in family])
    return [with_verdict(replace(effect, q=value)) for effect, value in zip(effects, q.tolist(), strict=True)]


def with_verdict(effect: Effect) -> Effect:
    """The effect with its verdict and reason; q is there."""
    verdict, reason = _verdict(effect)
    return replace(effect, verdict=verdict, reason=reason)


def needs_more(effect: Effect) -> bool:
    """Whether more inputs could show that nothing changes, which so few never do.

    Where that is claimed, the change itself need be within the margin, elsewhere its whole interval.
    """
    near = abs(effect.change) < effect.margin if effect.claim == "none" else _within_margin(effect)
    return _enough_to_judge(effect) and near and effect.n < ENOUGH


def _enough_to_judge(effect: Effect) -> bool:
    return bool(np.isfinite(effect.low) and np.isfinite(effect.q) and 1 / (1 + effect.twins) < LEVEL)


def _within_margin(effect: Effect) -> bool:
    return max(abs(effect.low), abs(effect.high)) < effect.margin


def _verdict(effect: Effect) -> tuple[VerdictWord, str]:
    if not _enough_to_judge(effect):
        return "undecided", f"insufficient data: {effect.n} inputs, {effect.twins} matched random controls"
    said = f"{SAID.get(effect.metric, effect.metric)} changes by {effect.change:+.3g}"
    if effect.claim == "none":
        return _of_no_change(effect, said)
    sure = effect.low > 0 or effect.high < 0
    if sure and effect.claim in ("rise", "fall") and (effect.change > 0) != (effect.claim == "rise"):
        return "refuted", f"{said}, the other way than claimed"
    if _within_margin(effect):
        missing = _missing(effect)
        within = f"{said}, its whole interval within ±{effect.margin:.2g}, too small to matter"
        return ("undecided", f"{within}, but {missing}") if missing else ("negligible" if sure else "refuted", within)
    if sure and effect.p >= LEVEL:
        return "not specific", f"{said}, no more than the controls change it (p = {effect.p:.2g})"
    if sure and effect.q < LEVEL:
        return "confirmed", f"{said}, more than the controls (q = {effect.q:.2g})"
    if effect.p >= LEVEL:
        return "undecided", f"{said}, not significantly different from the controls (p = {effect.p:.2g})"
    why = f"q = {effect.q:.2g} over all targets" if sure else "its interval holds 0"
    return "undecided", f"{said}, more than the controls, but {why}"


def _of_no_change(effect: Effect, said: str) -> tuple[VerdictWord, str]:
    margin = f"±{effect.margin:.2g}"
    if _within_margin(effect):
        missing = _missing(effect)
        if missing:
            return "undecided", f"{said}, its whole interval within {margin}, but {missing}"
        return "confirmed", f"harmless: {said}, its whole interval within {margin}"
    if effect.low > effect.margin or effect.high < -effect.margin:
        return "refuted", f"not harmless: {said}, its whole interval beyond {margin}"
    return "undecided", f"{said}, an interval neither within {margin} nor beyond"


def _missing(effect: Effect) -> str:
    """What a claim of no change still lacks, although its interval lies within the margin; empty for nothing."""
    if effect.n < ENOUGH:
        return f"{effect.n} inputs can't rule out that more than {TAIL:.0%} of all are hit: that takes {ENOUGH}"
    if np.isinf(effect.worst):
        return "some inputs have no finite value after the change"
    if effect.worst * TAIL > effect.margin + 1e-9:
        return (
            f"one input changes by {effect.worst:.2g}: were {TAIL:.0%} of all like it, the mean would leave "
            f"±{effect.margin:.2g}"
        )
    return ""

"""Attention sinks, tested: head by head with the sink key hidden, and by windows over the cache."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool

from inspector.detectors.measured import Measured
from inspector.detectors.sinks.cache_windows import TEXTS as WINDOW_TEXTS
from inspector.detectors.sinks.cache_windows import windows
from inspector.detectors.sinks.kinds import DORMANT, SINK, strongest_by_text
from inspector.detectors.sinks.thresholds import DEFAULTS
from inspector.detectors.trials import Case, Extras, OutcomeOf, Planned, Removal, Trials
from inspector.interventions.trial import Doses, Trial, once
from inspector.interventions.values import knock_out_attention
from inspector.models.attention import UnsupportedAttention
from inspector.progress import Progress
from inspector.records import Claim, Evidence, Finding, Verdict

MATTERS: dict[str, Claim] = {"kl": "rise", "loss": "change"}

HEAD_CONTROLS, SET_CONTROLS = 70, 20
"""Matched random controls of a single head, shared by all of them, and of all heads together."""

EARLY = (0, 1, 2, 3)
"""Keys hidden from controls: the first, then, where there are fewer heads than controls, the next ones."""

MOSTLY = 0.5
"""Of the share of texts in which the run has a sink, how much the texts must have that it is tested on."""


class SinkTrials(Trials):
    """The trials of a scan's sink heads: the sink key hidden, attention renormalised over the others.

    Head by head, controls are heads that are no sinks, an early key hidden from them. A head that attends to its sink
    because it must attend somewhere has to attend elsewhere now and says something else; one that looks elsewhere
    loses little. For all sink heads at once, controls are other keys hidden from the same heads. Less attention is
    moved in the controls: that it is much is what makes a sink, so no key of theirs could match it.
    """

    claims_are = "sink heads"

    def claims(self, measured: Measured) -> Sequence[Finding]:
        """The heads that the run calls sinks of a token, those that are in most texts first, then the strongest."""
        found = [one for one in measured.findings if one.unit is not None and one.kind in (SINK, DORMANT)]
        return sorted(found, key=lambda one: (one.kind != SINK, -one.score, one.layer, one.unit or 0))

    def present(self, measured: Measured, claim: Finding, evidence: Evidence) -> bool:
        """Whether the head is a sink in at least half the share of texts that it was one in, in the run.

        In some texts chance makes one of any head.
        """
        share, before = (_shows(e, claim, measured.thresholds.epsilon).mean() for e in (evidence, measured.evidence))
        return bool(share > 0 and share >= MOSTLY * before)

    def planned(self, case: Case) -> Planned:
        """The strongest heads one by one, on the texts in which they are sinks, and all together; then windows."""
        every, rng, count = case.claims, case.rng, case.settings.twins
        others = _others(case.measured)
        drawn = [(*others[i], key) for key in EARLY for i in rng.permutation(len(others))][: count or HEAD_CONTROLS]
        controls = tuple(_hide([one]) for one in drawn)
        trials = [_alone(case, head, controls) for head in every[: case.settings.heads]]
        placed = [_place(head) for head in every if head.position is not None and head.kind == SINK]
        if placed:
            keys = 1 + rng.permutation(len(case.texts[0].ids) - 2)[: count or SET_CONTROLS]
            moved = [[(layer, unit, int(key)) for layer, unit, _ in placed] for key in keys]
            target = f"the keys of all {len(placed)} sink heads that have one place"
            trials.append(Trial(target, "hide all", _hide(placed), tuple(map(_hide, moved)), MATTERS))
        return Planned(trials, extras=partial(_windows, case), later=("cache windows",))

    def removals(self, claims: Sequence[Finding]) -> Sequence[Removal]:
        """Key 0 hidden from every head that has its sink there."""
        first = [_place(one) for one in claims if one.position == 0 and one.kind == SINK]
        return (Removal("key 0 hidden from sink heads", _hide(first)[1.0]),) if first else ()

    def gauge(self, evidence: Evidence, claims: Sequence[Finding], measured: Measured) -> dict[str, float]:
        """The share of heads with a sink at any key: one that is hidden can come up at another."""
        best = evidence["best"]
        return {"any_sink": float(np.nanmean(np.where(np.isfinite(best), best > DEFAULTS.epsilon, np.nan)))}


def _alone(case: Case, head: Finding, controls: tuple[Doses, ...]) -> Trial:
    """One head's key hidden, in the texts in which it is a sink; where it moves each text's own key."""
    assert case.evidence is not None and head.unit is not None  # sinks are found by scanning
    inputs = case.inputs(_shows(case.evidence, head, case.measured.thresholds.epsilon))
    if head.position is not None:
        hidden = _hide([_place(head)])
        return Trial(_name(head), "hide", hidden, controls, MATTERS, on=_findings(head), by="kl", inputs=inputs)
    row_of = {int(text): row for row, text in enumerate(case.evidence["text"])}
    _, key = strongest_by_text(case.evidence)
    own = {
        number: _hide([(head.layer, head.unit, int(key[row_of[case.texts[number].text], head.layer, head.unit]))])
        for number in (range(len(case.texts)) if inputs is None else inputs)
    }
    name, on = _name(head), _findings(head)
    return Trial(name, "hide", once(), controls, MATTERS, on=on, by="kl", inputs=inputs, elsewhere=own)


def _shows(evidence: Evidence, head: Finding, epsilon: float) -> Bool[np.ndarray, " text"]:
    """In which texts the head's key is a sink; any key where it moves."""
    if head.position is not None and head.position < evidence["received"].shape[-1]:
        return np.asarray(evidence["received"][:, head.layer, head.unit, head.position] > epsilon)
    alpha, key = (part[:, head.layer, head.unit] for part in strongest_by_text(evidence))
    return np.asarray((alpha > epsilon) & ((key == head.position) | (head.position is None)))


def _windows(case: Case, outcome: OutcomeOf, progress: Progress) -> Extras:
    """The table of windows, or a note that says why there is none."""
    try:
        task = progress.task("windows", WINDOW_TEXTS)
        table = windows(case.model, case.given, case.bos, case.settings.seed, task)
    except UnsupportedAttention as reason:
        return Extras(notes=(f"Windows over the cache were not tried: {reason}.",))
    return Extras({"windows": table})


def _others(measured: Measured) -> list[tuple[int, int]]:
    """Heads that the run doesn't call sinks of any kind."""
    sinks = {(one.layer, one.unit) for one in measured.findings}
    table = measured.frame("heads")
    every = zip(table["layer"].tolist(), table["head"].tolist(), strict=True)
    return [head for head in every if head not in sinks]


def _place(head: Finding) -> tuple[int, int, int]:
    """Layer, head and key."""
    assert head.unit is not None and head.position is not None  # see `claims`
    return head.layer, head.unit, head.position


def _findings(head: Finding) -> Verdict:
    """The finding that a verdict on the head is on."""
    return Verdict("sinks", head.unit, head.layer, head.layer, head.position, "undecided")


def _hide(places: Sequence[tuple[int, int, int]]) -> Doses:
    """These keys taken from these heads, `(layer, head, key)`."""
    by_key: dict[tuple[int, int], list[int]] = {}
    for layer, unit, key in places:
        by_key.setdefault((layer, key), []).append(unit)
    return once(*(knock_out_attention(layer, units, (key,)) for (layer, key), units in sorted(by_key.items())))


def _name(head: Finding) -> str:
    key = "the key that moves" if head.position is None else f"key {head.position}"
    return f"{key} of head {head.unit} of layer {head.layer}"

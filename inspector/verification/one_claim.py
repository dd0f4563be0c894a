"""One claim at a time: a model's loss, and what one change does to it beside matched random controls."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd

from inspector.arguments import Number, meant, takes
from inspector.batches import TokenSequence, batches, tokenise
from inspector.errors import InputError
from inspector.interventions.apply import check_target
from inspector.interventions.means import means
from inspector.interventions.trial import Trial, once
from inspector.interventions.values import UNIT_OF, Intervention, Target, mean_ablate
from inspector.models import Model, refuse_ids
from inspector.models.conversations import texts_for
from inspector.progress import Reported, progress_of
from inspector.records import Claim, Effect
from inspector.texts import Given, built_in
from inspector.verification.text_bench import BATCH_TOKENS, TextBench, rows_to_measure
from inspector.verification.trials import Outcomes, run

CONTROLS, DRAWS, WINDOW = 20, 50, 512
"""Controls, as many as it takes for p < 0.05; draws for each that is to be another one than those before; tokens of a
window of a text whose loss is measured."""
CLAIMS = ("change", "none", "rise", "fall")


@takes
def loss(
    model: Model, texts: Given | None = None, *, bos: bool | None = None, window: int | None = None
) -> pd.DataFrame:
    """A model's loss on each text, or on each window of a longer one; under interventions, the changed model's.

    Texts of one token, in which nothing is predicted, are left out. Columns: text, source (the text's number), tokens
    (predicted ones), loss (mean negative log-likelihood, nats), perplexity.

    Args:
        model: from `load_model`.
        texts: see `inspector.texts.Given`; 16 built-in ones where None.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        window: longer texts are cut into windows of this many tokens; 512 where None.

    Raises:
        InputError: no texts, none with a second token, an id that the model doesn't have, a window below 2.
    """
    if window is not None and window < 2:
        raise InputError(f"window is {window}. Use 2 or more, or leave it out.")
    given = texts_for(model.tokenizer, built_in(16) if texts is None else texts)
    rows = tokenise(model.tokenizer, given, bos=bos, window=min(window or WINDOW, model.shape.context))
    refuse_ids(model, rows)
    rows = [row for row in rows if len(row.ids) > 1]
    if not rows:
        raise InputError("No text has a second token, so nothing is predicted. Give longer texts.")
    found = TextBench(model, rows, []).outcome((), ("loss",))["loss"]
    table = {"text": [row.text for row in rows], "source": [row.source for row in rows]}
    table |= {"tokens": [len(row.ids) - 1 for row in rows]}
    return pd.DataFrame(table).assign(loss=found, perplexity=np.exp(found))


@takes
def effect(
    model: Model,
    interventions: Intervention | Sequence[Intervention],
    texts: Given | None = None,
    *,
    controls: Number = CONTROLS,
    metric: str = "loss",
    claim: str = "change",
    bos: bool | None = None,
    seed: Number = 0,
    progress: Reported = None,
) -> Effect:
    """What a change of the model does, beside the same done to random others: `verify` for one claim, in a minute.

    A control does the same to as many random dims, neurons or heads of the same layers, at the same positions; where a
    layer's whole output is changed, to other layers'. They are matched in number and place, not in size: what zeroing
    a spike does should also be seen beside other large dims, as `verify` does. Means are the controls' own.

    Args:
        model: from `load_model`.
        interventions: the change, all of it at once.
        texts: 16 of 64 tokens or more, of which half are for reference means; built-in ones where None.
        controls: how many different ones, or as many as there are; fewer than 20 can't give p < 0.05; 0 for none.
        metric: `loss`, `kl` (from the unmodified model), or what a detector brings, such as `sink_rate`.
        claim: what is claimed of it: `change`, `none` (that it doesn't change), `rise` or `fall`.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        seed: of the controls and of the interval.
        progress: hears of the task `testing`, in passes.

    Returns:
        The effect with interval, p, verdict and reason; `inspector.figures.effect_intervals(effect.frame())` draws it.

    Raises:
        InputError: nothing to change, too few texts, no other unit or layer to be a control, an unknown metric.
    """
    changed = (interventions,) if isinstance(interventions, Intervention) else tuple(interventions)
    _refuse(model, changed, claim)
    given = None if texts is None else texts_for(model.tokenizer, texts)
    rows = rows_to_measure(model, given, bos)
    _refuse_unseen(changed, max(len(row.ids) for row in rows.measured))
    bench = TextBench(model, rows.measured, [] if metric in ("loss", "kl") else None, more=rows.more)
    if metric not in bench.metrics:
        raise InputError(f"No metric '{metric}'.{meant(metric, bench.metrics)}")
    rng = np.random.default_rng(seed)
    others = _different(model, changed, controls, rng)
    twins = tuple(once(*each) for each in _with_means(model, others, rows.reference))
    named = " and ".join(dict.fromkeys(map(str, changed)))
    trial = Trial(named, changed[0].op, once(*changed), twins, {metric: cast(Claim, claim)})
    task = progress_of(progress).task("testing", trial.passes)
    (found,) = run(Outcomes(bench), [trial], seed=seed, task=task)
    return found


def _refuse(model: Model, changed: Sequence[Any], claim: str) -> None:
    if not changed or not all(isinstance(one, Intervention) for one in changed):
        raise InputError("Give an intervention, such as zero_ablate makes, or a list of them.")
    if claim not in CLAIMS:
        raise InputError(f"No claim '{claim}'.{meant(claim, CLAIMS)}")
    for one in changed:
        check_target(model, one)


def _refuse_unseen(changed: Sequence[Intervention], longest: int) -> None:
    """Check that each change touches a text: one that touches none would seem to have no effect."""
    for one in changed:
        if one.positions is not None and min(one.positions) >= longest:
            raise InputError(
                f"No text has position {min(one.positions)}: the longest has {longest} tokens. Give longer texts."
            )


def _different(
    model: Model, changed: Sequence[Intervention], count: int, rng: np.random.Generator
) -> list[tuple[Intervention, ...]]:
    """So many controls, no two the same, or as many as there are: a head has only its layer's others."""
    found: dict[tuple[Intervention, ...], None] = {}
    for _ in range(DRAWS * count):
        if len(found) < count:
            found[_control(model, changed, rng)] = None
    return list(found)


def _control(model: Model, changed: Sequence[Intervention], rng: np.random.Generator) -> tuple[Intervention, ...]:
    """The same done to random others: one unit stands for another throughout, and so does one layer."""
    units = {kind: _others(_named(changed, kind), _width(model, kind), rng) for kind in UNIT_OF}
    layers = {
        kind: _others({one.site.layer for one in changed if one.site.kind == kind and one.units is None}, count, rng)
        for kind, count in ((kind, list(model.shape.layers_of(kind))) for kind in UNIT_OF)
    }
    made = []
    for one in changed:
        if one.units is None:
            made.append(replace(one, site=replace(one.site, layer=layers[one.site.kind][one.site.layer])))
        else:
            made.append(replace(one, units=tuple(units[one.site.kind][unit] for unit in one.units)))
    return tuple(made)


def _named(changed: Sequence[Intervention], kind: str) -> set[int]:
    return {unit for one in changed if one.site.kind == kind for unit in one.units or ()}


def _width(model: Model, kind: str) -> list[int]:
    shape = model.shape
    return list(range({"neuron": shape.d_mlp, "attention": shape.heads}.get(kind, shape.d_model)))


def _others(mine: set[int], every: Sequence[int], rng: np.random.Generator) -> dict[int, int]:
    """For each of these another, all different."""
    left = [one for one in every if one not in mine]
    if len(left) < len(mine):
        raise InputError(f"{len(mine)} of {len(every)} are changed, so too few are left for controls. Use controls=0.")
    return dict(zip(sorted(mine), rng.choice(left, len(mine), replace=False).tolist(), strict=True)) if mine else {}


def _with_means(
    model: Model, others: Sequence[tuple[Intervention, ...]], reference: Sequence[TokenSequence]
) -> list[tuple[Intervention, ...]]:
    """The controls, those that set units to a mean with their own."""
    wanted = [one for each in others for one in each if one.op == "mean"]
    if not wanted:
        return list(others)
    targets = [Target(one.site, one.units, one.positions) for one in wanted]
    own = iter(means(model, batches(reference, BATCH_TOKENS, model.pad_id), targets))
    return [tuple(mean_ablate(next(own)) if one.op == "mean" else one for one in each) for each in others]

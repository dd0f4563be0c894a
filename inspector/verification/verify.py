"""`verify`: tests a run's findings by intervening beside random twins, and says which hold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.random import default_rng

from inspector.batches import Text, TokenSequence
from inspector.errors import InputError
from inspector.hallucination.compare_guards import compare_policies, verdict
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.models.attention import UnsupportedAttention
from inspector.records import Effect
from inspector.run.report import Report
from inspector.verification.cache_windows import TEXTS as WINDOW_TEXTS
from inspector.verification.cache_windows import windows
from inspector.verification.hneurons import NeuronTest, answer_bench, candidates, unseen_questions
from inspector.verification.massive import MassiveTest, spikes
from inspector.verification.presence import Presence
from inspector.verification.sinks import SinkTest, sink_heads
from inspector.verification.text_bench import TextBench, rows_to_measure
from inspector.verification.trials import Outcomes, Trial, run

SPIKE_TWINS, NEURON_TWINS = 24, 20
"""Twins of an intervention on spikes, and (which takes longer) on neurons: p can be 1/25 and 1/21 at least."""

HEADS = 10
"""Sink heads tested one by one, the strongest first: q over more needs more twins than a model has heads."""

ABSENT = (
    "Not tested: {} spikes and {} sink heads, which don't show in half of the {} texts that effects were measured on. "
    "Give texts that have them (--file)."
)

BOS = {"as the tokenizer does": None, "one": True, "none": False}

Step = Callable[[str, int, int], None]


@runtime_checkable
class Test(Protocol):
    """The trials of one detector's findings."""

    @property
    def outcomes(self) -> Outcomes:
        """Where outcomes are measured."""
        ...

    @property
    def trials(self) -> Sequence[Trial]:
        """What is tried."""
        ...

    def verified(self, effects: Sequence[Effect]) -> list[dict[str, object]]:
        """What findings each verdict is of."""
        ...

    def tables(self) -> dict[str, dict[str, np.ndarray]]:
        """Tables beside the effects."""
        ...


def verify(
    report: Report,
    model: Model,
    texts: Sequence[Text] | None = None,
    *,
    twins: int | None = None,
    heads: int = HEADS,
    samples: int = 0,
    seed: int = 0,
    folder: Path | None = None,
    on_forecast: Callable[[str], object] = lambda line: None,
    step: Step = lambda what, done, total: None,
) -> Report:
    """Test a run's findings beside random twins; effects, verdicts and tables go into the new report.

    Massive activations are zeroed, set to their mean, and what writes them is left out; sink heads lose their sink
    key, and a window slides over the cache with the first tokens kept or not; candidate hallucination neurons are
    scaled while the model answers questions that their selection never saw, and policies of `inspector.guard` are
    compared on the study's held-out questions.

    Args:
        report: of a scan, or a `Study`.
        model: the one it was made on.
        texts: to measure on, at least 64 tokens each; built-in ones where None.
        twins: random twins of each intervention; where None 24 of a spike, 70 of a sink head, 20 of a neuron.
        heads: most sink heads tested one by one, the strongest first.
        samples: sampled answers to each question beside the greedy one, with the same random numbers throughout.
        seed: chooses twins, questions and samples.
        folder: keeps what was measured, so that a killed verification goes on.
        on_forecast: called once, after a pass of each kind, with what is ahead, in words.
        step: called with what is being done, how much of it was just done, and of how much.

    Raises:
        InputError: nothing to test, another model, too few texts or twins.
    """
    refuse(report, twins)
    if model.card["fingerprint"] != report.card["fingerprint"]:
        raise InputError(
            f"The run was made on {report.card['name']} in {report.card['dtype']}, and the model given has other "
            "weights. Load the run's model and dtype."
        )
    bos = BOS.get(report.settings.get("bos", ""))
    measured, reference = rows_to_measure(model, texts, bos)
    prose = TextBench(model, measured)
    tests, notes = _of_scan(report, model, prose, reference, twins, heads, seed, folder)
    if isinstance(report, Study):
        mine, said = _of_study(report, model, prose, twins, samples, seed, folder)
        tests, notes = tests + mine, notes + said
    later = {"guard policies": isinstance(report, Study), "cache windows": bool(sink_heads(report))}
    on_forecast("; then ".join([_forecast(tests), *(what for what, due in later.items() if due)]))
    effects, verified, tables = _tried(tests, seed, step)
    if isinstance(report, Study):
        guarded = compare_policies(report, model, seed=seed, step=step)
        tables, notes = {**tables, **guarded}, (*notes, verdict(pd.DataFrame(guarded["guard"])))
    if sink_heads(report):
        found, note = _windows(model, texts, bos, seed, step)
        tables, notes = {**tables, **found}, notes + note
    chosen = {"twins": twins, "heads": heads, "samples": samples, "seed": seed, "texts": len(measured)}
    settings = {**report.settings, "verified": verified, "verify": chosen}
    kept = tuple(note for note in report.notes if note not in notes)
    return replace(
        report, settings=settings, effects=effects, tables={**report.tables, **tables}, notes=kept + notes
    ).judge()


def _of_scan(
    report: Report,
    model: Model,
    prose: TextBench,
    reference: Sequence[TokenSequence],
    twins: int | None,
    heads: int,
    seed: int,
    folder: Path | None,
) -> tuple[list[Test], tuple[str, ...]]:
    """Tests of spikes and sinks, which share what was measured, and what isn't tested."""
    here = Presence(report, model, prose.rows)
    spiking = [spike for spike in spikes(report) if here.spike(spike)]
    parking = [head for head in sink_heads(report) if here.head(head)]
    absent = len(spikes(report)) - len(spiking), len(sink_heads(report)) - len(parking)
    notes = (ABSENT.format(*absent, len(prose.rows)),) if any(absent) else ()
    outcomes = Outcomes(prose, folder and folder / "texts.jsonl")
    tests: list[Test] = []
    if spiking:
        count = twins or SPIKE_TWINS
        tests.append(MassiveTest(report, model, outcomes, reference, spiking, count, default_rng(seed)))
    if parking:
        tests.append(SinkTest(report, outcomes, parking, heads, twins, default_rng(seed)))
    return tests, notes


def _of_study(
    study: Study, model: Model, prose: TextBench, twins: int | None, samples: int, seed: int, folder: Path | None
) -> tuple[list[Test], tuple[str, ...]]:
    """Tests of candidate neurons, and what to know about them."""
    if not candidates(study):
        return [], ("No neuron passes the thresholds as a candidate, so none was tested.",)
    questions, where = unseen_questions(study, seed)
    bench = answer_bench(study, model, questions, prose, samples, seed)
    outcomes = Outcomes(bench, folder and folder / "answers.jsonl")
    test = NeuronTest(study, model, outcomes, twins or NEURON_TWINS, seed)
    return [test], (f"Candidates were tested on {len(questions)} {where}, and on all built-in false premises.",)


def refuse(report: Report, twins: int | None) -> None:
    """Say what stands in the way of a verification; no model is needed.

    Raises:
        InputError: too few twins, or nothing was found that could be tested.
    """
    if twins is not None and twins < 20:
        raise InputError(f"{twins} twins can't give a p below {1 / (1 + twins):.2f}. Use 20 or more.")
    if not spikes(report) and not sink_heads(report) and not isinstance(report, Study):
        raise InputError(
            "Nothing passes this run's thresholds that could be tested: no massive activation, and no sink head with "
            "its key at one position. Lower the thresholds, or scan more texts."
        )


def _forecast(tests: Sequence[Test]) -> str:
    """How many passes are ahead, and how long they take by one of each kind; those measured for it are kept."""
    if not tests:
        return "nothing to intervene on"
    passes, seconds = 0, 0.0
    for test in tests:
        for _ in range(2):  # What a bench computes once, it computes at its first pass.
            mine = test.outcomes.ahead(test.trials)
            began = perf_counter()
            if mine:
                test.outcomes.of(*mine[0])
            took = perf_counter() - began
        passes, seconds = passes + len(mine), seconds + len(mine) * took
    return f"{passes} passes, about {max(1, round(seconds / 60))} min" if passes else "all passes are known"


def _tried(
    tests: Sequence[Test], seed: int, step: Step
) -> tuple[tuple[Effect, ...], list[dict[str, object]], dict[str, dict[str, np.ndarray]]]:
    effects: list[Effect] = []
    verified: list[dict[str, object]] = []
    tables: dict[str, dict[str, np.ndarray]] = {}
    total = sum(trial.passes for test in tests for trial in test.trials)
    step("testing", 0, total)
    for test in tests:
        mine = run(test.outcomes, test.trials, seed=seed, step=lambda done: step("testing", done, total))
        effects += mine
        verified += test.verified(mine)
        tables |= test.tables()
    return tuple(effects), verified, tables


def _windows(
    model: Model, texts: Sequence[Text] | None, bos: bool | None, seed: int, step: Step
) -> tuple[dict[str, dict[str, np.ndarray]], tuple[str, ...]]:
    """The table of windows, or a note that says why there is none."""
    step("windows", 0, WINDOW_TEXTS)
    try:
        table = windows(model, texts, bos, seed, lambda done: step("windows", done, WINDOW_TEXTS))
    except UnsupportedAttention as reason:
        return {}, (f"Windows over the cache were not tried: {reason}.",)
    return {"windows": table}, ()

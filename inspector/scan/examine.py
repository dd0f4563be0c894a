"""`examine`: scan texts with detectors and get a report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from inspector.arguments import Count, Number, takes
from inspector.batches import WINDOW, token_table
from inspector.detectors.base import Detector, load_detectors, load_judges
from inspector.detectors.measured import Measured
from inspector.detectors.pooled import SAMPLE
from inspector.detectors.thresholds import in_force
from inspector.errors import DetectorError, InputError, ModelError
from inspector.models import Model
from inspector.models.observe import Forecast
from inspector.progress import Reported, progress_of
from inspector.records import Evidence, Findings
from inspector.run.report import Report, judged
from inspector.scan.blocks import Cut
from inspector.scan.checkpoints import Checkpoints
from inspector.scan.engine import Engine, Here
from inspector.scan.notes import of_input, of_model, state_of
from inspector.scan.passes import Passes
from inspector.scan.whole import Scanned, Work, scanned
from inspector.texts import Given, entries


@takes
def examine(
    model: Model,
    texts: Given,
    detectors: Iterable[str | Detector] | None = None,
    *,
    column: str | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    bos: bool | None = None,
    window: Count | None = None,
    batch_tokens: Count | None = None,
    first_text: Number = 0,
    shard: tuple[int, int] | None = None,
    sample: Count = SAMPLE,
    seed: Number = 0,
    controls: Mapping[str, Evidence] | None = None,
    checkpoints: Checkpoints | None = None,
    engine: Engine | None = None,
    progress: Reported = None,
    on_forecast: Callable[[Forecast], object] | None = None,
    on_message: Callable[[str], object] | None = None,
) -> Report:
    """Scan texts in one streaming pass (and a short one for each control input) and judge it.

    Texts are read, measured and added up block by block, so that a corpus need not fit in memory, nor its run grow
    with it.

    Args:
        model: from `load_model`.
        texts: strings, sequences of token ids that the model receives exactly as given, or conversations (put through
            the tokenizer's chat template): a list, a generator, a column, a table, a data set (streaming or not), a
            file's path or several (text, JSON Lines, CSV, Parquet), an `inspector.texts.Corpus`, or what a tokenizer
            gave.
        column: which column of a table has the texts; `text` where None.
        detectors: names or detector objects; all that are installed where None.
        thresholds: by detector, e.g. `{"massive": {"ratio": 500}}`; `Report.judge` changes them later.
        bos: True prepends exactly one BOS to each text, False none, None does what the tokenizer does.
        window: longer texts are cut into windows of this many tokens; the context, at most 2,048, where None.
        batch_tokens: tokens per batch; chosen from free memory where None.
        first_text: number of the first text, where a corpus is cut by hand.
        shard: (3, 16) scans the third of 16 shards, each with every sixteenth text; `inspector.merge` makes them one.
        sample: of how many input sequences the run keeps rows (entries, maps, tokens); sums, rates and their intervals
            are of all.
        seed: of the control inputs.
        controls: evidence of control inputs, by its name, that another scan of this model with this seed measured
            (`report.evidence`); it is taken as it is, and those inputs are not measured again.
        checkpoints: where what was measured is kept, so that the same call after a kill goes on.
        engine: what does the work; this process where None.
        progress: hears of the task `tokens`.
        on_forecast: called before the pass with what it will take, and once more when it has run for a minute.
        on_message: hears what happens, such as less memory than foreseen, in a sentence.

    Raises:
        InputError: no texts, an empty one, a detector that isn't installed, too little memory.
        ModelError: a detector needs a kind of site that this model does not have.
    """
    chosen, faults = load_detectors(detectors), [] if detectors is not None else load_judges()[1]
    _refuse(model, chosen)
    _refuse_thresholds(chosen, thresholds or {})
    _refuse_shard(shard)
    cut = Cut(bos, min(window or WINDOW, model.shape.context), first_text, shard, sample)
    passes = Passes(model, model.current_card(), chosen, faults, sample)
    says = _Says(progress_of(progress), on_forecast or _nobody, on_message or _nobody)
    work = Work(passes, entries(texts, column), cut, seed, batch_tokens, checkpoints, says.progress, controls or {})
    found = scanned(work, engine or Here(), says.on_forecast, says.on_message)
    if not found.evidence:
        raise DetectorError(passes.faults[0] if passes.faults else "No detector measured anything.")
    return _reported(work, found, thresholds or {})


@dataclass(frozen=True)
class _Says:
    """Who hears of what."""

    progress: Any
    on_forecast: Callable[[Forecast], object]
    on_message: Callable[[str], object]


def _nobody(said: object) -> None:
    """What goes unheard."""


def _reported(work: Work, found: Scanned, thresholds: Mapping[str, Mapping[str, Any]]) -> Report:
    """The report of what was measured."""
    passes, cut, model = work.passes, work.cut, work.passes.model
    measured = [detector for detector in passes.detectors if detector.name in found.evidence]
    with model.lock:  # else hooks of another thread's scan would be taken for the user's
        state, about_model = state_of(model), list(of_model(model))
    settings = {
        "detectors": [detector.name for detector in measured],
        "thresholds": {name: dict(values) for name, values in thresholds.items()},
        "bos": {None: "as the tokenizer does", True: "one", False: "none"}[cut.bos],
        "window": cut.window,
        "texts": found.counts.texts,
        "sequences": found.counts.sequences,
        "sample": cut.sample,
        "begin_with_bos": found.counts.bos,
        "seed": work.seed,
        **({} if cut.shard is None else {"shard": list(cut.shard)}),
        **state,
    }
    report = Report(passes.card, settings, found.evidence, Findings(), token_table(found.rows, model.tokenizer))
    parts = [Measured(detector, report) for detector in measured]
    report = replace(report, findings=judged(report, parts, lambda fault: passes.faults.append(str(fault))))
    parts = [Measured(detector, report) for detector in measured]
    brought = [
        note for part in parts for note in passes.tried(part.detector, "notes", partial(part.ask, "notes")) or ()
    ]
    notes = (*of_input(found.counts, cut.window, cut.sample), *brought, *about_model, *dict.fromkeys(passes.faults))
    return replace(report, notes=notes)


def _refuse(model: Model, detectors: Sequence[Detector]) -> None:
    for detector in detectors:
        for kind in detector.kinds:
            if not model.shape.has(kind):
                raise ModelError(
                    f"Detector '{detector.name}' needs {kind}, which {model.card['architecture']} does not have "
                    f"(attention: {model.card['attention']}). Leave '{detector.name}' out."
                )


def _refuse_thresholds(detectors: Sequence[Detector], thresholds: Mapping[str, Mapping[str, Any]]) -> None:
    unknown = set(thresholds) - {detector.name for detector in detectors}
    if unknown:
        raise InputError(f"Thresholds for '{unknown.pop()}', which is not among the detectors of this scan.")
    for detector in detectors:
        in_force(detector, thresholds.get(detector.name, {}))


def _refuse_shard(shard: tuple[int, int] | None) -> None:
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        number, of = shard
        raise InputError(f"shard is {number}/{of}. Use 1/{max(1, of)} to {max(1, of)}/{max(1, of)}.")

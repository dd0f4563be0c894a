"""A whole scan: forecast, blocks added up in their order with checkpoints between them, control inputs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inspector.batches import TokenSequence
from inspector.detectors.base import Detector
from inspector.detectors.pooled import in_sample
from inspector.models.observe import Forecast, forecast
from inspector.progress import Progress, Task
from inspector.records import Evidence
from inspector.resume import digest
from inspector.scan.blocks import Block, Counts, Cut, blocks, read_ahead
from inspector.scan.checkpoints import Checkpoints, Keeper, Progressed
from inspector.scan.engine import Engine, Order
from inspector.scan.meter import Meter
from inspector.scan.passes import Gathered, Passes, Pile
from inspector.texts import Entry

Controls = list[tuple[str, Detector, list[TokenSequence]]]


@dataclass(frozen=True)
class Work:
    """What is to be scanned and how.

    Args:
        passes: the model and the detectors.
        texts: the corpus.
        cut: how it is cut into sequences.
        seed: of the control inputs.
        batch_tokens: tokens of a batch; chosen from free memory where None.
        checkpoints: where and how often.
        progress: hears of the task `tokens`.
        known: evidence of control inputs that needn't be measured again, by name.
    """

    passes: Passes
    texts: Iterable[Entry]
    cut: Cut
    seed: int
    batch_tokens: int | None
    checkpoints: Checkpoints | None
    progress: Progress
    known: Mapping[str, Evidence] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What tells it from work with other options."""
        cut, card = vars(self.cut), self.passes.card
        return digest(
            [
                card["fingerprint"],
                card["dtype"],
                [one.name for one in self.passes.detectors],
                {name: value for name, value in cut.items() if name != "shard"},
                list(self.cut.shard or ()),
                self.seed,
                self.batch_tokens,
            ]
        )


@dataclass(frozen=True)
class Scanned:
    """What was measured: evidence by name, the sequences whose tokens are kept, what was read."""

    evidence: Gathered
    rows: Sequence[TokenSequence]
    counts: Counts


def scanned(
    work: Work, engine: Engine, on_forecast: Callable[[Forecast], object], on_message: Callable[[str], object]
) -> Scanned:
    """Measure all of it.

    Raises:
        InputError: no texts, an empty one, too little memory.
    """
    passes, keeper = work.passes, Keeper(work.checkpoints, work.passes, work.digest)
    at = keeper.found() or Progressed()
    passes.faults += [fault for fault in at.faults if fault not in passes.faults]
    passes.failed |= set(at.failed)
    begin = None if at.at is None else (at.number, at.at)
    first, stream = read_ahead(blocks(passes.model, work.texts, work.cut, begin), work.cut)
    asked = passes.controls(work.seed)
    controls = [one for one in asked if one[0] not in work.known]
    plan = _planned(work, first, controls, at)
    on_forecast(plan)
    passes.budget.tokens, passes.budget.says = at.tokens or plan.tokens_per_batch, on_message
    task = work.progress.task("tokens", plan.tokens if plan.exact else None)
    task.advance(at.counts.tokens)
    meter = Meter(plan, at.counts.tokens, on_forecast)
    order = Order(passes, stream, at, keeper, meter.counted(task), task, meter.advanced)
    for block, evidence in engine.run(order):
        _add(at, block, evidence, passes)
        if keeper.due and not block.last:
            keeper.save(at)
    named = {one.name: one for one in passes.detectors}
    whole = passes.checked(at.whole, named)
    known = {name: work.known[name] for name, one, _ in asked if name in work.known and one.name in whole}
    found = whole | _of_controls(passes, controls, whole, meter.counted(task)) | known
    meter.ended(on_message)
    return Scanned(found, at.rows, at.counts)


def _add(at: Progressed, block: Block, evidence: Gathered, passes: Passes) -> None:
    """Count a block that is done."""
    pile = Pile(
        passes,
        {one.name: one for one in passes.detectors},
        at.whole,
        sample=passes.sample,
    )
    pile.add(evidence)
    at.whole, at.part, at.done = pile.folded(), {}, 0
    at.number, at.at, at.counts = block.number + 1, block.following, at.counts + block.counts
    at.rows = _sampled([*at.rows, *block.rows], passes.sample)


def _sampled(rows: Sequence[TokenSequence], sample: int) -> list[TokenSequence]:
    """Of these sequences those of the sample, in the order of their numbers."""
    chosen = in_sample(np.array([row.text for row in rows]), sample)
    return sorted((row for row, kept in zip(rows, chosen, strict=True) if kept), key=lambda row: row.text)


def _planned(work: Work, first: Block, controls: Controls, at: Progressed) -> Forecast:
    """What the scan will take, by its first block."""
    passes, rows = work.passes, list(first.rows)
    kept = first.ordered[: work.cut.sample]
    every = [(kept, detector) for detector in passes.detectors] + [(fed, detector) for _, detector, fed in controls]
    more = [row for _, _, fed in controls for row in fed]
    bytes_kept = sum(passes.kept(fed, detector) for fed, detector in every)
    plan = forecast(passes.model, rows + more, work.batch_tokens, kept=bytes_kept)
    return plan.of_corpus(first.counts.tokens + at.counts.tokens, first.share, last=first.last)


def _of_controls(passes: Passes, controls: Controls, whole: Gathered, task: Task) -> Gathered:
    """Evidence of the control inputs of detectors that measured something."""
    found: dict[str, Evidence] = {}
    for name, detector, rows in controls:
        if detector.name in whole:
            found |= passes.checked(passes.measured(rows, {name: detector}, task), {name: detector})
    return found

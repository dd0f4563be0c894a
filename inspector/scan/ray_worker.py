"""A worker of a cluster: it loads the model once and measures the blocks that it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspector.batches import TokenSequence, longest_first
from inspector.cluster import ModelWorker
from inspector.detectors.base import Detector
from inspector.models import Model
from inspector.scan.passes import Budget, Gathered, Passes, Pile


@dataclass(frozen=True)
class Answer:
    """What a block gave: evidence by name, detectors' faults, what else is to be said."""

    evidence: Gathered
    faults: tuple[str, ...]
    said: tuple[str, ...]


class Worker(ModelWorker):
    """It measures blocks of a corpus.

    Args:
        load: gives the model.
        detectors: of the scan.
        sample: of how many sequences it keeps rows.
    """

    def __init__(self, load: Callable[[], Model], detectors: Sequence[Detector], sample: int) -> None:
        super().__init__(load)
        self.detectors, self.sample = list(detectors), sample

    def measure(self, rows: Sequence[TokenSequence], tokens: int, failed: Sequence[str]) -> Answer:
        """Measure a block.

        Args:
            rows: its sequences.
            tokens: of a batch.
            failed: detectors that failed elsewhere, and are left out.
        """
        said: list[str] = []
        budget = Budget(tokens, said.append)
        card = self.model.current_card()
        passes = Passes(self.model, card, self.detectors, [], self.sample, budget, set(failed))
        pile = Pile(passes, passes.named(), sample=self.sample)
        passes.run(longest_first(rows), pile, lambda done: None)
        return Answer(pile.folded(), tuple(passes.faults), tuple(said))

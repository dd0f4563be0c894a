"""`OnRay`: blocks of a corpus measured by workers of a Ray cluster, each of which loads the model once.

The driver reads and tokenises the corpus and hands out its blocks, one to a worker at a time; evidence comes back and
is added up in the order of the blocks, so that it is that of a scan in one process. A block counts once it has come
back whole: a worker that dies loses it, and another one measures it from its start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from inspector.cluster import OnCluster, Work, Workers
from inspector.scan.blocks import Block
from inspector.scan.checkpoints import owned
from inspector.scan.engine import Order
from inspector.scan.passes import Gathered
from inspector.scan.ray_worker import Answer, Worker

__all__ = ["OnRay", "Workers"]


@dataclass(frozen=True)
class OnRay(OnCluster):
    """Workers of a Ray cluster; pass it to `examine` as `engine`. See `OnCluster`."""

    def run(self, order: Order) -> Iterator[tuple[Block, Gathered]]:
        """Each block with its evidence, in the order of the blocks, each once.

        Raises:
            InputError: Ray isn't installed, the cluster can't be reached or is too small, or two workers died of the
                same texts.
            ModelError: a worker can't load the model, has another one or other versions of libraries, or fails.
        """
        passes = order.passes
        given = (passes.detectors, passes.sample)
        with self.pool(Worker, given, passes.model, passes.budget.says) as workers:
            yield from workers.done(order.blocks, _measuring(order))


def _measuring(order: Order) -> Work:
    """Measuring a block."""
    passes = order.passes

    def give(worker: Any, block: Block) -> Any:
        return worker.measure.remote(block.rows, passes.budget.tokens, sorted(passes.failed))

    def take(block: Block, answer: Answer) -> Gathered:
        passes.faults += [fault for fault in answer.faults if fault not in passes.faults]
        for said in answer.said:
            passes.budget.says(said)
        order.task.advance(block.counts.tokens)
        order.on_batch(block)
        return {name: owned(e) for name, e in answer.evidence.items()}

    def words(block: Block) -> str:
        return f"texts {block.rows[0].source} to {block.rows[-1].source}"

    return Work(give, take, words, "Scan these alone", "use a smaller window")

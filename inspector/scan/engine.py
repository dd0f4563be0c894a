"""`Engine`: who measures the blocks of a corpus. `Here`, this process; others are built upon it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from inspector.batches import TokenSequence
from inspector.progress import Task
from inspector.scan.blocks import Block
from inspector.scan.checkpoints import Keeper, Progressed, digest_of
from inspector.scan.passes import Gathered, Passes, Pile


@dataclass(frozen=True)
class Order:
    """What an engine is to do.

    Args:
        passes: the detectors and the model.
        blocks: of the corpus, from the first that isn't done.
        progressed: how far the scan is; an engine that stops inside a block says so there.
        keeper: of checkpoints.
        task: hears of tokens that are measured.
        skipped: hears of those that were measured before the scan was stopped.
        on_batch: called after each batch with its block.
    """

    passes: Passes
    blocks: Iterator[Block]
    progressed: Progressed
    keeper: Keeper
    task: Task
    skipped: Task
    on_batch: Callable[[Block], object]


@runtime_checkable
class Engine(Protocol):
    """Measures blocks and hands their evidence back in their order."""

    def run(self, order: Order) -> Iterator[tuple[Block, Gathered]]:
        """Each block with its evidence, in the order of the blocks, each once."""
        ...


class Here:
    """This process, block by block and batch by batch."""

    def run(self, order: Order) -> Iterator[tuple[Block, Gathered]]:
        """Each block with its evidence, in the order of the blocks, each once."""
        for block in order.blocks:
            yield block, self._measured(order, block)

    @staticmethod
    def _measured(order: Order, block: Block) -> Gathered:
        at, passes = order.progressed, order.passes
        at.refuse_changed(block)
        pile, done = Pile(passes, passes.named(), at.part, sample=passes.sample), at.done

        def after(rows: Sequence[TokenSequence]) -> None:
            nonlocal done
            done += len(rows)
            order.task.advance(sum(len(row.ids) for row in rows))
            order.on_batch(block)
            if order.keeper.due and done < len(block.rows):
                at.part, at.done, at.digest = pile.folded(), done, digest_of(block)
                order.keeper.save(at)

        order.skipped.advance(sum(len(row.ids) for row in block.ordered[:done]))
        passes.run(block.ordered[done:], pile, after)
        return pile.folded()

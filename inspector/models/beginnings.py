"""Passes that begin at a later block, where what the blocks before it give is known from an earlier pass."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from inspector.models.changes import changes_in_force, hooks_of_others, running
from inspector.models.model import Model

LARGEST = 1 << 30
"""Bytes of the streams that are kept; beyond, every pass runs whole."""


class Beginnings:
    """What every block of a model gives for the batches of one pass, to begin later passes over them at any block.

    Nothing is kept where hooks or changes of others are on the model, or where the streams are large: then later passes
    run whole. Whoever uses it tries once that a pass that begins later gives what a whole one does.

    Args:
        model: from `load_model`.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.by_block: list[list[Any]] = []
        self.size = 0

    @property
    def _blocks(self) -> list[Any]:
        """The checkpoint's own: the bridge's pass on what is set on them."""
        return [block.original_component for block in self.model.bridge.blocks]

    @property
    def known(self) -> bool:
        """Whether passes can begin later."""
        return bool(self.by_block) and self.size <= LARGEST

    def forget(self) -> None:
        """Run every pass whole from now on."""
        self.by_block, self.size = [], 0

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what every block gives in the one pass that runs in the context."""
        blocks = self._blocks
        self.forget()
        with self.model.lock, ExitStack() as stack:
            if not changes_in_force(self.model) and not hooks_of_others(self.model):
                self.by_block = [[] for _ in blocks]
                for block, given in zip(blocks, self.by_block, strict=True):
                    stack.enter_context(running(block, self._keeping(block.forward, given)))
            yield
        if not self.known:
            self.forget()

    def _keeping(self, forward: Callable[..., Any], given: list[Any]) -> Callable[..., Any]:
        def keeping(*args: Any, **kwargs: Any) -> Any:
            out = forward(*args, **kwargs)
            stream = out if isinstance(out, torch.Tensor) else out[0]
            self.size += stream.numel() * stream.element_size()
            if self.size <= LARGEST:
                given.append(out)
            return out

        return keeping

    @contextmanager
    def begun_at(self, layer: int) -> Iterator[None]:
        """Have the one pass that runs in the context, over the same batches, begin at this block."""
        with self.model.lock, ExitStack() as stack:
            if self.known and layer > 0:
                for block in self._blocks[:layer]:
                    # Each gives what the last of them gave: the next one doesn't look at it.
                    stack.enter_context(running(block, _giving(iter(self.by_block[layer - 1]))))
            yield


def _giving(outputs: Iterator[Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: next(outputs)

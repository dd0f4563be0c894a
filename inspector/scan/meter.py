"""How a scan's forecast compares with what it takes: time and memory, foreseen anew once it has run for a minute."""

import time
from collections.abc import Callable
from dataclasses import replace

from inspector.models.backend import PeakMemory
from inspector.models.observe import Forecast
from inspector.progress import Task
from inspector.scan.blocks import Block

SOON = 60.0
"""Seconds after which a forecast is made from what was measured."""


class Meter:
    """Measures a scan while it runs.

    Args:
        plan: the forecast before it began.
        before: tokens of blocks that an earlier, stopped scan measured.
        on_forecast: hears of the forecast once the scan has run for a minute.
    """

    def __init__(self, plan: Forecast, before: int, on_forecast: Callable[[Forecast], object]) -> None:
        self.plan, self.on_forecast = plan, on_forecast
        self.begun, self.memory = time.monotonic(), PeakMemory()
        self.done = self.read = 0
        self.before, self.block = before, -1
        self.foreseen: Forecast | None = None

    @property
    def seconds(self) -> float:
        """Since the scan began, or went on."""
        return time.monotonic() - self.begun

    def counted(self, task: Task) -> Task:
        """The task, whose tokens are counted here too."""

        def heard(name: str, done: int, total: int | None) -> None:
            self.done += done
            task.listener(name, done, total)

        return replace(task, listener=heard)

    def advanced(self, block: Block) -> None:
        """Hear that a batch of a block is done; says once what the rest will take."""
        if block.number != self.block:
            self.block, self.read = block.number, self.read + block.counts.tokens
        if self.foreseen is not None or self.seconds < SOON or not self.done:
            return
        controls = self.plan.tokens - self.plan.of_texts
        tokens = self.plan.tokens
        if not block.last and block.share:
            tokens = round((self.before + self.read) / block.share) + controls
        seconds = self.seconds * (tokens - self.before) / self.done
        peak = self.memory.bytes() or self.plan.peak_bytes
        self.foreseen = replace(self.plan, tokens=tokens, peak_bytes=peak, seconds=seconds, exact=block.last)
        self.on_forecast(self.foreseen)

    def ended(self, on_message: Callable[[str], object]) -> None:
        """Say what it took beside what was foreseen, if it ran for so long."""
        if self.foreseen is None or self.foreseen.seconds is None:
            return
        peak = self.memory.bytes() or 0
        on_message(
            f"Took {self.seconds / 60:.1f} minutes and {peak / 1e9:.2f} GB; after the first minute "
            f"{self.foreseen.seconds / 60:.1f} minutes and {self.foreseen.peak_bytes / 1e9:.2f} GB were foreseen"
        )

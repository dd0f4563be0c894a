"""`OnRay`: blocks of a corpus measured by workers of a Ray cluster, each of which loads the model once.

The driver reads and tokenises the corpus and hands out its blocks, one to a worker at a time; evidence comes back and
is added up in the order of the blocks, so that it is that of a scan in one process. A block counts once it has come
back whole: a worker that dies loses it, and another one measures it from its start.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.scan.blocks import Block
from inspector.scan.checkpoints import owned
from inspector.scan.engine import Order
from inspector.scan.passes import Gathered
from inspector.scan.ray_worker import Answer, Worker, traits_of

PATIENCE = 600.0
"""Seconds until workers must have loaded the model."""
AHEAD = 2
"""Blocks to a worker that are read, measured or waiting for an earlier one at most."""


@dataclass(frozen=True)
class Workers:
    """How many workers, and what of a machine each of them is given."""

    count: int = 2
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True)
class OnRay:
    """Workers of a Ray cluster; pass it to `examine` as `engine`.

    Args:
        load: gives the model, in a worker's process: `functools.partial(inspector.load_model, "gpt2")`.
        workers: how many, and their CPUs and GPUs.
        address: of a cluster; one is started on this machine where None, and ended afterwards.
    """

    load: Callable[[], Model]
    workers: Workers = field(default_factory=Workers)
    address: str | None = None

    def run(self, order: Order) -> Iterator[tuple[Block, Gathered]]:
        """Each block with its evidence, in the order of the blocks, each once.

        Raises:
            InputError: Ray isn't installed, the cluster can't be reached or is too small, or two workers died of the
                same texts.
            ModelError: a worker can't load the model, has another one or other versions of libraries, or fails.
        """
        with cluster(self.address, self.workers) as ray:
            pool = _Pool(ray, self, order)
            try:
                pool.check()
                yield from pool.measured()
            finally:
                pool.close()


@contextmanager
def cluster(address: str | None, workers: Workers) -> Iterator[Any]:
    """Ray, connected; a connection that was there stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody asked for reports to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--engine ray needs the package `ray`. Install it: pip install 'activation-inspector[ray]'."
        ) from error
    before = ray.is_initialized()
    if not before:
        _connect(ray, address, workers)
    try:
        _refuse_small(ray, workers)
        yield ray
    finally:
        if not before:
            ray.shutdown()


def _connect(ray: Any, address: str | None, workers: Workers) -> None:
    here = {"num_cpus": math.ceil(workers.count * workers.cpus), "include_dashboard": False} if address is None else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, logging_level="ERROR", log_to_driver=False, **here)
    except Exception as error:  # whatever its client and its services raise
        said = " ".join(str(error).split())[:160].rstrip(".")
        raise InputError(
            f"The Ray cluster at '{address or 'local'}' can't be reached: {said}. See --address."
        ) from error


def _refuse_small(ray: Any, workers: Workers) -> None:
    there = ray.cluster_resources()
    for name, each in (("CPU", workers.cpus), ("GPU", workers.gpus)):
        if each * workers.count > there.get(name, 0.0):
            raise InputError(
                f"{workers.count} workers with {each:g} {name} each were asked for, and the cluster has "
                f"{there.get(name, 0.0):g}. Ask for fewer."
            )


@dataclass
class _Given:
    """A block that a worker measures."""

    block: Block
    seat: int
    tries: int


class _Pool:
    """The workers of one scan, and the blocks that they have."""

    def __init__(self, ray: Any, engine: OnRay, order: Order) -> None:
        self.ray, self.engine, self.order = ray, engine, order
        self.mine = traits_of(order.passes.model)
        self.seats: list[Any] = []
        self.given: dict[Any, _Given] = {}
        self.back: dict[int, tuple[Block, Gathered]] = {}
        self.lost: list[tuple[Block, int]] = []
        self.seats += [self._made() for _ in range(engine.workers.count)]

    def check(self) -> None:
        """See that all workers are there and have the same libraries and weights.

        Raises:
            ModelError: one hasn't, or can't load the model.
        """
        for worker in self.seats:
            self._refuse_other(worker)

    def _made(self) -> Any:
        """A worker, which begins to load the model."""
        workers = self.engine.workers
        kind = self.ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus, max_restarts=0, max_task_retries=0)(Worker)
        return kind.remote(self.engine.load, self.order.passes.detectors, self.order.passes.sample)

    def _refuse_other(self, worker: Any) -> None:
        """Check that a worker has the same libraries and weights.

        Raises:
            ModelError: it hasn't, or can't load the model.
        """
        try:
            its = self.ray.get(worker.traits.remote(), timeout=PATIENCE)
        except self.ray.exceptions.GetTimeoutError as error:
            raise ModelError(f"No worker was there within {PATIENCE:.0f} s. Look at the cluster.") from error
        except self.ray.exceptions.RayError as error:
            raise ModelError(f"A worker can't load the model: {_cause(error)}. See that its machine has it.") from error
        for name, here in self.mine.items():
            if its.get(name) != here:
                raise ModelError(
                    f"A worker has {name} {its.get(name)!s:.40}, and here it is {here!s:.40}. "
                    "Install the same everywhere."
                )

    def measured(self) -> Iterator[tuple[Block, Gathered]]:
        """Blocks in their order, each once."""
        following = self.order.progressed.number
        while self._fill():
            self.lost += self._taken()
            while following in self.back:
                yield self.back.pop(following)
                following += 1

    def _fill(self) -> bool:
        """Give every worker a block, as far as there are any; whether one has a block now."""
        busy = {one.seat for one in self.given.values()}
        for seat in (seat for seat in range(len(self.seats)) if seat not in busy):
            if self.lost:
                self._give(seat, *self.lost.pop(0))
            elif len(self.given) + len(self.back) < AHEAD * len(self.seats):
                block = next(self.order.blocks, None)
                if block is None:
                    break
                self._give(seat, block, 0)
        return bool(self.given)

    def _give(self, seat: int, block: Block, tries: int) -> None:
        passes = self.order.passes
        ref = self.seats[seat].measure.remote(block.rows, passes.budget.tokens, sorted(passes.failed))
        self.given[ref] = _Given(block, seat, tries)

    def _taken(self) -> list[tuple[Block, int]]:
        """Take what is done next; what was lost with its worker is to be given out again.

        Raises:
            InputError: it was lost twice.
            ModelError: a worker failed.
        """
        done, _ = self.ray.wait(list(self.given), num_returns=1)
        one = self.given.pop(done[0])
        try:
            answer: Answer = self.ray.get(done[0])
        except self.ray.exceptions.RayTaskError as error:
            raise ModelError(f"A worker failed at {_texts(one.block)}: {_cause(error)}. Scan these alone.") from error
        except self.ray.exceptions.RayError as error:
            if one.tries:
                raise InputError(
                    f"Two workers died at {_texts(one.block)}: {_cause(error)}. "
                    "Give them more memory, or use a smaller window."
                ) from error
            self.order.passes.budget.says(f"A worker died at {_texts(one.block)}; another one measures them again")
            self.seats[one.seat] = self._made()
            self._refuse_other(self.seats[one.seat])
            return [(one.block, one.tries + 1)]
        passes = self.order.passes
        passes.faults += [fault for fault in answer.faults if fault not in passes.faults]
        for said in answer.said:
            passes.budget.says(said)
        self.back[one.block.number] = (one.block, {name: owned(e) for name, e in answer.evidence.items()})
        self.order.task.advance(one.block.counts.tokens)
        self.order.on_batch(one.block)
        return []

    def close(self) -> None:
        """End the workers."""
        for worker in self.seats:
            self.ray.kill(worker, no_restart=True)


def _texts(block: Block) -> str:
    return f"texts {block.rows[0].source} to {block.rows[-1].source}"


def _cause(error: BaseException) -> str:
    """The last line of what Ray says, which is what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:160].rstrip(".")

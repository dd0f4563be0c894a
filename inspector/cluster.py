"""Workers of a Ray cluster that load the model once each, and the jobs that they are given; each job counts once.

A job counts once it has come back whole: a worker that dies loses it, and another one does it from its start.
"""

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.run.disk import libraries

PATIENCE = 600.0
"""Seconds until workers must have loaded the model."""
AHEAD = 2
"""Jobs to a worker that are made, done or waiting for an earlier one at most."""


@dataclass(frozen=True)
class Workers:
    """How many workers, and what of a machine each of them is given."""

    count: int = 2
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True)
class Work:
    """What a kind of job is.

    Args:
        give: starts a job in a worker; gives its reference.
        take: called with a job and what it gave, as it comes; gives what is kept of it until its turn.
        words: what a job is about, for messages.
        alone, smaller: what to do where one fails, and where it kills its workers.
    """

    give: Callable[[Any, Any], Any]
    take: Callable[[Any, Any], Any]
    words: Callable[[Any], str]
    alone: str
    smaller: str


def traits_of(model: Model) -> dict[str, Any]:
    """What must be the same in all processes: versions, weights, dtype, how attention is read."""
    card = model.card
    of_model = {"weights": card["fingerprint"], "dtype": card["dtype"], "attention": model.route}
    return {**libraries(), **of_model}


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
    if address is None:  # one of its own, though another may run on this machine
        how = {"address": "local", "num_cpus": math.ceil(workers.count * workers.cpus), "include_dashboard": False}
    else:
        how = {"address": address}
        _send_token()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(logging_level="ERROR", log_to_driver=False, **how)
    except Exception as error:  # whatever its client and its services raise
        said = " ".join(str(error).split())[:160].rstrip(".")
        if address is None:
            raise InputError(f"Ray can't be started here: {said}. See its logs.") from error
        raise InputError(
            f"The Ray cluster at '{address}' can't be reached: {said}. Look at --address, and whether it wants a token "
            "that this user lacks (RAY_AUTH_TOKEN)."
        ) from error


def _send_token() -> None:
    """Have Ray's client send this user's token: `ray start` wants it where there is one, a client must be told to."""
    try:
        from ray._private.authentication import authentication_token_setup as tokens
    except ImportError:  # a Ray that has none
        return
    logging.getLogger(tokens.__name__).setLevel(logging.ERROR)
    with suppress(AttributeError, OSError):
        tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


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
    """A job that a worker has."""

    number: int
    job: Any
    seat: int
    tries: int


class Pool:
    """A cluster's workers, actors with a method `traits`, and the jobs that they have.

    Args:
        ray: connected.
        make: makes a worker of this class of actors, which begins to load the model.
        count: of workers.
        mine: what all workers must have in common with this process.
        says: hears of a worker that died, in a sentence.
    """

    def __init__(
        self, ray: Any, make: Callable[[], Any], count: int, mine: Mapping[str, Any], says: Callable[[str], object]
    ) -> None:
        self.ray, self.make, self.mine, self.says = ray, make, mine, says
        self.given: dict[Any, _Given] = {}
        self.back: dict[int, tuple[Any, Any]] = {}
        self.lost: list[_Given] = []
        self.seats = [make() for _ in range(count)]

    def check(self) -> None:
        """See that all workers are there and have the same libraries and weights.

        Raises:
            ModelError: one hasn't, or can't load the model.
        """
        for worker in self.seats:
            self._refuse_other(worker)

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

    def done(self, jobs: Iterable[Any], work: Work) -> Iterator[tuple[Any, Any]]:
        """Jobs with what is kept of them, in their order, each once.

        Raises:
            InputError: two workers died of the same job.
            ModelError: a worker failed.
        """
        coming, following = enumerate(jobs), 0
        while self._fill(coming, work):
            self._taken(work)
            while following in self.back:
                yield self.back.pop(following)
                following += 1

    def _fill(self, coming: Iterator[tuple[int, Any]], work: Work) -> bool:
        """Give every worker a job, as far as there are any; whether one has a job now."""
        busy = {one.seat for one in self.given.values()}
        for seat in (seat for seat in range(len(self.seats)) if seat not in busy):
            if self.lost:
                lost = self.lost.pop(0)
                self._give(_Given(lost.number, lost.job, seat, lost.tries), work)
            elif len(self.given) + len(self.back) < AHEAD * len(self.seats):
                job = next(coming, None)
                if job is None:
                    break
                self._give(_Given(*job, seat, 0), work)
        return bool(self.given)

    def _give(self, one: _Given, work: Work) -> None:
        self.given[work.give(self.seats[one.seat], one.job)] = one

    def _taken(self, work: Work) -> None:
        """Take what is done next; what was lost with its worker is to be given out again.

        Raises:
            InputError: it was lost twice.
            ModelError: a worker failed.
        """
        done, _ = self.ray.wait(list(self.given), num_returns=1)
        one = self.given.pop(done[0])
        what = work.words(one.job)
        try:
            answer = self.ray.get(done[0])
        except self.ray.exceptions.RayTaskError as error:
            raise ModelError(f"A worker failed at {what}: {_cause(error)}. {work.alone}.") from error
        except self.ray.exceptions.RayError as error:
            if one.tries:
                raise InputError(
                    f"Two workers died at {what}: {_cause(error)}. Give them more memory, or {work.smaller}."
                ) from error
            self.says(f"A worker died at {what}; another one measures them again")
            self.seats[one.seat] = self.make()
            self._refuse_other(self.seats[one.seat])
            self.lost.append(_Given(one.number, one.job, one.seat, 1))
            return
        self.back[one.number] = (one.job, work.take(one.job, answer))

    def close(self) -> None:
        """End the workers."""
        for worker in self.seats:
            self.ray.kill(worker, no_restart=True)


@contextmanager
def pool(
    address: str | None,
    workers: Workers,
    kind: type,
    arguments: tuple[Any, ...],
    mine: Mapping[str, Any],
    says: Callable[[str], object],
) -> Iterator[Pool]:
    """Workers of this class, made with these arguments, that have what this process has; they end with the context.

    Raises:
        InputError: Ray isn't installed, or the cluster can't be reached or is too small.
        ModelError: a worker can't load the model, or has another one or other versions of libraries.
    """
    with cluster(address, workers) as ray:
        actor = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus, max_restarts=0, max_task_retries=0)(kind)
        made = Pool(ray, lambda: actor.remote(*arguments), workers.count, mine, says)
        try:
            made.check()
            yield made
        finally:
            made.close()


@dataclass(frozen=True)
class OnCluster:
    """What brings workers of a Ray cluster to some work.

    Args:
        load: gives the model, in a worker's process: `functools.partial(inspector.load_model, "gpt2")`.
        workers: how many, and their CPUs and GPUs.
        address: of a cluster; one is started on this machine where None, and ended afterwards.
    """

    load: Callable[[], Model]
    workers: Workers = field(default_factory=Workers)
    address: str | None = None

    def pool(
        self, kind: type["ModelWorker"], given: tuple[Any, ...], model: Model, says: Callable[[str], object]
    ) -> AbstractContextManager[Pool]:
        """`pool` of workers of this class, which are given these things after the model; `model` is the driver's."""
        return pool(self.address, self.workers, kind, (self.load, *given), traits_of(model), says)


class ModelWorker:
    """One of a cluster's workers: it loads the model once.

    Args:
        load: gives the model.
    """

    def __init__(self, load: Callable[[], Model]) -> None:
        self.model = load()

    def traits(self) -> dict[str, Any]:
        """What must be the same in all processes."""
        return traits_of(self.model)


def _cause(error: BaseException) -> str:
    """The last line of what Ray says, which is what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:160].rstrip(".")

"""Who does a command's work: this process, or workers of a Ray cluster that its options ask for."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from inspector.errors import InputError

if TYPE_CHECKING:
    from inspector.cluster import OnCluster
    from inspector.models import Model

RAY = "ray"
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster; one on this machine where not given.")]
WorkerCount = Annotated[int, typer.Option(help="Ray workers, which load the model once each.", min=1)]
Cpus = Annotated[float, typer.Option(help="CPUs of a Ray worker.", min=0)]
Gpus = Annotated[float, typer.Option(help="GPUs of a Ray worker.", min=0)]

Engine = TypeVar("Engine", bound="OnCluster")


@dataclass(frozen=True)
class Loading:
    """A model as the options name it; `where` as `placed` gives it."""

    model: str
    dtype: str
    where: dict[str, Any]
    revision: str | None
    trust_remote_code: bool

    def __call__(self) -> "Model":
        """Load it; in a worker's process too."""
        from inspector.models import load_model

        named = asdict(self)
        return load_model(**named.pop("where"), **named)


@dataclass(frozen=True)
class Cluster:
    """Ray workers as the options ask for them."""

    address: str | None
    workers: int
    cpus: float
    gpus: float

    def engine(self, kind: type[Engine], load: "Callable[[], Model]", **more: Any) -> Engine:
        """An engine of this class with these workers."""
        from inspector.cluster import Workers

        return kind(load, Workers(self.workers, self.cpus, self.gpus), self.address, **more)


def refuse_engine(name: str) -> None:
    """Check that there is such an engine.

    Raises:
        InputError: there isn't.
    """
    if name not in ("local", RAY):
        raise InputError(f"--engine {name} is none. Use local or ray.")

"""The parts of a model that can be taken out one by one, and how each is."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from torch import Tensor

from inspector.interventions.apply import intervene
from inspector.interventions.values import ablate_output
from inspector.models import Model
from inspector.models.matrices import Multiplied, TensorChange, matrices_of, multiplied
from inspector.sites import Site

WHAT = ("layer", "attention", "mlp", "head")
OUTPUTS = {"layer": ("attn_out", "mlp_out"), "attention": ("attn_out",), "mlp": ("mlp_out",)}


@dataclass(frozen=True)
class Part:
    """Something to take out.

    Args:
        what: layer, attention, mlp or head.
        layer: where.
        head: which, of a head.
    """

    what: str
    layer: int
    head: int | None = None

    @property
    def name(self) -> str:
        """In words."""
        if self.head is not None:
            return f"head {self.head} of layer {self.layer}"
        named = {"layer": f"layer {self.layer}", "mlp": f"the MLP of layer {self.layer}"}
        return named.get(self.what, f"the {self.what} of layer {self.layer}")

    def removed(self, model: Model) -> AbstractContextManager[None]:
        """The model without it, while the context lasts: what it writes to the stream is 0."""
        if self.head is not None:
            return _head_removed(model, self.layer, self.head)
        sites = [Site(kind, self.layer) for kind in OUTPUTS[self.what]]
        return intervene(model, [ablate_output(site) for site in sites if site in model.shape.sites])


@dataclass(frozen=True)
class _WithoutHead:
    """What attention's last matrix is given, without one head's part."""

    start: int
    stop: int

    def __call__(self, x: Tensor) -> Tensor:
        left = x.clone()
        left[..., self.start : self.stop] = 0.0
        return left


@contextmanager
def _head_removed(model: Model, layer: int, head: int) -> Iterator[None]:
    (module,) = (m for matrix, m in matrices_of(model).items() if matrix.layer == layer and matrix.reads == "heads")
    width = model.shape.d_head
    change: TensorChange = _WithoutHead(head * width, (head + 1) * width)
    with multiplied(model, {module: Multiplied(change)}, ("without head", layer, head)):
        yield


def parts_of(model: Model, *, heads: bool) -> list[Part]:
    """Layers, their attention, their MLPs, and where asked for each head whose output one matrix reads."""
    shape = model.shape
    attends, mlps = shape.layers_of("attn_out"), shape.layers_of("mlp_out")
    found = [Part("layer", layer) for layer in sorted({*attends, *mlps})]
    found += [Part("attention", layer) for layer in attends] + [Part("mlp", layer) for layer in mlps]
    if heads:
        layers = sorted({matrix.layer for matrix in matrices_of(model) if matrix.reads == "heads"})
        found += [Part("head", layer, head) for layer in layers for head in range(shape.heads)]
    return found

"""Where in a model an activation is read: `Site`, the kinds of site, and `ModelShape`."""

from dataclasses import dataclass
from numbers import Integral

from inspector.errors import InputError

KINDS = {
    "resid_post": "the residual stream after a block, [batch, pos, d_model]",
    "attn_out": "what attention adds to the residual stream, [batch, pos, d_model]",
    "mlp_out": "what the MLP adds to the residual stream, [batch, pos, d_model]",
    "neuron": "the input of the MLP's last matrix, [batch, pos, d_mlp]",
    "normed": "a block's input after its first norm, [batch, pos, d_model]",
    "attention": "queries with all their keys, a block of queries at a time",
    "logits": "the logits that the model returns, [batch, pos, vocab]; their layer is the number of blocks",
}


@dataclass(frozen=True, order=True)
class Site:
    """A place where activations are read: a kind (a key of `KINDS`) and a 0-based layer."""

    kind: str
    layer: int

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str):
            raise InputError(f"A site of the kind {self.kind!r:.40}. Name one: {', '.join(KINDS)}.")
        if not isinstance(self.layer, Integral) or isinstance(self.layer, bool) or self.layer < 0:
            raise InputError(f"layer: got {self.layer!r:.40}. Give a whole number; layers are counted from 0.")


@dataclass(frozen=True, repr=False)
class ModelShape:
    """The sizes of a model's parts, and the sites that were seen to work on it.

    `d_mlp` counts the neurons of a layer, those of all routed experts together; 0 where none can be read. `layers_of`
    tells in which layers a kind of site exists: hybrid models have attention in some layers only.
    """

    layers: int
    heads: int
    kv_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    vocab: int
    context: int
    sites: frozenset[Site]

    def __repr__(self) -> str:
        sizes = f"{self.heads} heads, d_model {self.d_model}, d_mlp {self.d_mlp}, context {self.context}"
        return f"<ModelShape: {self.layers} layers, {sizes}; {len(self.sites)} sites>"

    def layers_of(self, kind: str) -> tuple[int, ...]:
        """Layers in which this kind of site can be read, in order."""
        return tuple(sorted(site.layer for site in self.sites if site.kind == kind))

    def has(self, kind: str) -> bool:
        """Whether any layer has this kind of site."""
        return any(site.kind == kind for site in self.sites)

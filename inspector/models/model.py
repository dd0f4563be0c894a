"""`Model`: a TransformerBridge with its tokenizer, its sites, and a lock."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol, runtime_checkable

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge
from transformers.pytorch_utils import Conv1D

from inspector.batches import TokenSequence
from inspector.errors import InputError, ModelError
from inspector.models.before import before
from inspector.models.counting import counting, told
from inspector.models.evaluating import evaluating
from inspector.models.experts import matrix as matrix_of
from inspector.models.experts import points_of, remove_points
from inspector.models.experts import width as width_of
from inspector.models.fingerprint import fingerprint
from inspector.models.placement import input_device, present
from inspector.models.turning_points import rotary_switch_of
from inspector.pages import page
from inspector.printable import brief
from inspector.sites import ModelShape, Site

RELEASED = "_inspector_released"
"""Set on a bridge whose model has been given back."""

AttentionRoute = Literal["streamed", "eager", "none"]
"""How attention reaches reducers: from flash kernels or tiles; from whole patterns, a layer at a
time; or not at all."""


@runtime_checkable
class Prefix(Protocol):
    """Tokens that prompts begin with, computed once; see `inspector.models.attention_prefix`."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens."""
        ...

    def cache(self, room: int) -> Any:
        """A key-value cache of rows that continue from here with up to `room` tokens."""
        ...


@dataclass(frozen=True, repr=False, eq=False)
class Model:
    """A language model ready to be inspected; made by `load_model`.

    Args:
        bridge: the TransformerLens model. Hooks of your own on it are kept and keep firing.
        tokenizer: a Hugging Face tokenizer, or None.
        shape: sizes, and the sites that were seen to work.
        card: what the model is and what was checked when it was loaded; a run has `current_card()`.
        route: how attention reaches reducers.
        hooks: the hook point of every site but attention and logits.
        lock: held by every pass of the model, your own too, because hooks are shared by all threads. Hold it yourself
            while hooks of yours should see no other thread's passes.
    """

    bridge: TransformerBridge
    tokenizer: Any
    shape: ModelShape
    card: Mapping[str, Any]
    route: AttentionRoute
    hooks: Mapping[Site, HookPoint]
    lock: threading.RLock = field(repr=False, compare=False)

    def release(self) -> Any:
        """The Hugging Face model as it was before it was loaded, to the key; this `Model` can't be used afterwards.

        A bridge works inside the model that it is given and renames its weights, so that the model can't be saved
        or loaded as before meanwhile. Its weights are what they are now, training included.

        Raises:
            ModelError: it came as a bridge, or has been released.
        """
        hf = self.bridge.original_model
        kept = before(hf)
        if kept is None or RELEASED in vars(self.bridge):
            raise ModelError(f"{self!r} came as a bridge or has been released, so there is nothing to give back.")
        with self.lock:
            vars(self.bridge)[RELEASED] = True
            remove_points(hf)
            kept.restore()
        return hf

    def __reduce__(self) -> NoReturn:
        raise ModelError(
            f"Got {self!r} to pickle or copy; a Model holds hooks and a lock of this process. Keep what load_model was "
            "given, and load it anew where it is needed."
        )

    def __repr__(self) -> str:
        card = self.card
        return (
            f"<Model {brief(card['name'], 40)}: {card['architecture']}, {card['parameters'] / 1e6:,.0f} M parameters, "
            f"{card['layers']} layers, {card['dtype']} on {card.get('placement', card['device'])}>"
        )

    def _repr_html_(self) -> str:
        rows = [(name, brief(value, 200)) for name, value in self.card.items()]
        return page(repr(self), (), {"Card": pd.DataFrame(rows, columns=["what", "value"])})

    def current_card(self) -> dict[str, Any]:
        """The card with the fingerprint of the weights as they are now, which training may have changed.

        Raises:
            ModelError: the model can't be used any more.
        """
        refuse_folded(self.bridge)
        attns = [self.bridge.blocks[layer].attn for layer in attention_layers(self.bridge)]
        places = {id(attn.original_component): attn for attn in attns}
        return {**self.card, "fingerprint": fingerprint(self.bridge.original_model, places=places)}

    @property
    def device(self) -> torch.device:
        """Where the input tokens go."""
        return input_device(self.bridge.original_model)

    @property
    def dtype(self) -> torch.dtype:
        """What its weights are stored in."""
        return next(self.bridge.original_model.parameters()).dtype

    @property
    def pad_id(self) -> int:
        """The token id put into padding; it never counts."""
        return (getattr(self.tokenizer, "pad_token_id", None) or 0) if self.tokenizer else 0

    @property
    def rotary_switch(self) -> int | None:
        """The longest sequence whose positions are rotated as a short one's are, where longer ones' are not."""
        return rotary_switch_of(self.bridge)

    @property
    def end_ids(self) -> frozenset[int]:
        """Token ids that end what the model writes: special ones, and added ones that the model itself ends at.

        Others that were only added to the vocabulary, such as `<think>` or runs of spaces, are text.
        """
        settings = getattr(self.bridge.original_model, "generation_config", None)
        named = getattr(settings, "eos_token_id", None)
        own = set(named) if isinstance(named, list | tuple) else {named}
        added = self.tokenizer.added_tokens_decoder.items()
        ends = {i for i, token in added if getattr(token, "special", True) or i in own}
        return frozenset(i for i in ends.union(self.tokenizer.all_special_ids) if i < self.shape.vocab)

    @property
    def ordinary_ids(self) -> list[int]:
        """Token ids that stand for text: in the tokenizer, and not special to it."""
        if self.tokenizer is None:
            return list(range(self.shape.vocab))
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        return [i for i in range(min(len(self.tokenizer), self.shape.vocab)) if i not in special]

    def w_out(self, layer: int) -> Float[Tensor, "d_mlp d_model"]:
        """The MLP's last matrix, neurons in rows, whichever way the architecture stores it.

        Of routed experts the matrices of all, one under another; a copy, where they are stored the other way round.
        """
        with self.lock:
            return w_out(self.bridge, layer)

    def b_out(self, layer: int) -> Float[Tensor, " d_model"] | None:
        """The bias of the MLP's last matrix, None where it has none, or where it depends on the experts chosen."""
        if layer in points_of(self.bridge):
            return None
        matrix = self.bridge.blocks[layer].mlp.out.original_component
        with self.lock, present(matrix):
            return getattr(matrix, "bias", None)

    def routed(self, layer: int) -> bool:
        """Whether a layer's neurons are those of routed experts, silent where a token isn't routed to theirs."""
        return layer in points_of(self.bridge)

    def forward(self, ids: Tensor, mask: Tensor | None, *, logits: bool = False, prefix: Prefix | None = None) -> None:
        """One forward pass without gradients; hooks do the rest.

        The unembedding is skipped unless `logits`. `mask` is None where padding is on the right:
        a causal model's real tokens never see it. Otherwise positions count real tokens. With a
        `prefix`, inside `shared_prefix`, the rows continue from it.
        """
        hf = self.bridge.original_model
        core = getattr(hf, "base_model", hf)
        self._run(hf if logits or core is hf else core, ids, mask, prefix)

    def logits(
        self, ids: Int[Tensor, "batch pos"], mask: Bool[Tensor, "batch pos"] | None = None
    ) -> Float[Tensor, "batch pos vocab"]:
        """Logits of one forward pass without gradients; of two where rows' positions are rotated by their length."""
        if mask is not None and (switch := rotary_switch_of(self.bridge)) is not None:
            far = mask.sum(dim=1) > switch
            if far.any() and not far.all():
                order = torch.cat([far.nonzero(), (~far).nonzero()]).squeeze(1)
                parts = [self.logits(ids[rows], mask[rows]) for rows in (far, ~far)]
                return torch.cat(parts)[order.argsort()]
        return self._run(self.bridge.original_model, ids, mask).logits

    def _run(self, module: Any, ids: Tensor, mask: Tensor | None, prefix: Prefix | None = None) -> Any:
        kwargs: dict[str, Any] = {"input_ids": ids, "use_cache": False}
        if prefix is not None:
            kwargs |= {"past_key_values": prefix.cache(ids.shape[1]), "use_cache": True}
        if mask is not None:
            kwargs |= {"attention_mask": mask.long(), "position_ids": (mask.long().cumsum(-1) - 1).clamp(min=0)}
            if not self.card["takes_position_ids"]:
                del kwargs["position_ids"]
        real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        with self.lock, told(real) if counting() is None else nullcontext():
            return run(self.bridge, module, **kwargs)


def refuse_ids(model: Model, rows: Iterable[TokenSequence]) -> None:
    """Check that the model has every token.

    Raises:
        InputError: an id outside its vocabulary.
    """
    for row in rows:
        if not all(0 <= i < model.shape.vocab for i in row.ids):
            raise InputError(
                f"Text {row.source} has a token id outside 0–{model.shape.vocab - 1}. Use the model's ids."
            )


def run(bridge: TransformerBridge, module: Any, **kwargs: Any) -> Any:
    """What the bridge's model, or its core alone, gives: the one way in which all passes are run.

    Raises:
        ModelError: the bridge's weights have been folded.
    """
    refuse_folded(bridge)
    if hasattr(bridge, "pos_embed"):
        bridge.pos_embed._current_batch_size = len(kwargs["input_ids"])
    with evaluating(bridge.original_model):
        return module(**kwargs)


def refuse_folded(bridge: TransformerBridge) -> None:
    """Refuse a bridge that is no longer in its model, or whose weights are no longer the checkpoint's.

    Raises:
        ModelError: the model has been released, or TransformerLens has folded or centred its weights.
    """
    if RELEASED in vars(bridge):
        raise ModelError("This model has been released, and its hooks see nothing. Load it again.")
    if getattr(bridge, "_weights_processed", False):
        raise ModelError(
            "This bridge's weights have been folded or centred (compatibility mode), so they and its activations are "
            "not the model's. Load it again without, or with enable_compatibility_mode(no_processing=True)."
        )


def attention_layers(bridge: TransformerBridge) -> list[int]:
    """Layers whose block has an attention part."""
    return [i for i, block in enumerate(bridge.blocks) if "attn" in block._modules]


def w_out(bridge: TransformerBridge, layer: int) -> Float[Tensor, "d_mlp d_model"]:
    """See `Model.w_out`; GPT-2's Conv1D stores `[in, out]`, Linear `[out, in]`."""
    if layer in (experts := points_of(bridge)):
        with present(experts[layer].experts):
            return matrix_of(experts[layer].experts)
    matrix = bridge.blocks[layer].mlp.out.original_component
    with present(matrix):
        return matrix.weight if isinstance(matrix, Conv1D) else matrix.weight.T


def neuron_count(bridge: TransformerBridge, layer: int) -> int:
    """How many neurons a layer has."""
    experts = points_of(bridge).get(layer)
    return len(w_out(bridge, layer)) if experts is None else width_of(experts.experts)


@contextmanager
def logits_read(bridge: TransformerBridge, read: Callable[[Tensor], None]) -> Iterator[None]:
    """Call `read` with what the model's forward returns in this thread, scaled or capped where it does that."""
    reader = threading.get_ident()

    def hook(module: Any, args: tuple[Any, ...], out: Any) -> None:
        if threading.get_ident() == reader:
            read(out.logits)

    handle = bridge.original_model.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def hooked(points: Mapping[Any, HookPoint], read: Callable[[Any, Tensor], None]) -> Iterator[None]:
    """Call `read(key, activation)` at each hook point in this thread's passes; then remove exactly these hooks."""
    added, reader = [], threading.get_ident()

    def hook(key: Any) -> Callable[..., None]:
        return lambda activation, hook: read(key, activation) if threading.get_ident() == reader else None

    try:
        for key, point in points.items():
            added.append((point, point.add_hook(hook(key))))
        yield
    finally:
        for point, handle in added:
            handle.hook.remove()
            point.fwd_hooks.remove(handle)

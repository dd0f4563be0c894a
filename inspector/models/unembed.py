"""A vector's logits: the final norm and unembedding applied to it, by TransformerLens' `logit_readout`.

That is the kernel of its logit lens: final norm, unembedding and what the architecture does to logits
afterwards. `direct_logit_attribution` itself wants a bridge in compatibility mode, whose folded
weights are not those that are inspected here, and attributes to heads and layers, not to a neuron.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis import logit_readout

from inspector.errors import ModelError
from inspector.models import checks
from inspector.models.evaluating import evaluating
from inspector.models.model import Model, hooked
from inspector.models.placement import device_of, present
from inspector.models.tokenizer_files import check_ids
from inspector.sites import Site


def check_readout(model: Model) -> None:
    """Check on a short text that the last layer's stream gives the model's own logits.

    Raises:
        ModelError: it doesn't, so no layer and no neuron has logits.
    """
    last = Site("resid_post", model.shape.layers - 1)
    seen: dict[Site, Tensor] = {}
    ids = check_ids(model.tokenizer, model.shape.vocab).to(model.device)
    with model.lock:
        with hooked({last: model.hooks[last]}, seen.__setitem__):
            expected = model.logits(ids)
        got = _read(model, seen[last][0])
    checks.logit_difference(got, expected[0].float(), "Logits read from the last layer's stream")


def log_probs(model: Model, stream: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    """Log-probabilities (float32) that the model would end with if these were its last stream."""
    return _read(model, stream, "log_probs")


def direct_logits(model: Model, directions: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    """What a stream that points in each direction, of root mean square 1, adds to the logits (float32).

    Half the difference between its logits and its opposite's, so that the biases of norm and
    unembedding, which say nothing of the direction, cancel.
    """
    size = directions.float().norm(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    unit = directions.float() / size * model.shape.d_model**0.5  # so that the norm's epsilon is nothing beside it
    return (_read(model, unit) - _read(model, -unit)) / 2


def written(model: Model, layer: int, neurons: list[int]) -> Float[Tensor, "neuron d_model"]:
    """The direction in which each neuron moves the stream: its row of W_out, by the scale of a norm after the MLP."""
    rows = model.w_out(layer)[neurons].detach()
    norm = model.bridge.blocks[layer]._modules.get("ln2_post")
    if norm is None:
        return rows
    with evaluating(norm):  # half the difference again: the norm's bias is no neuron's
        return (norm(rows.unsqueeze(0)) - norm(-rows.unsqueeze(0)))[0] / 2


def _read(model: Model, vectors: Float[Tensor, "row d_model"], what: str = "logits") -> Float[Tensor, "row vocab"]:
    try:
        bridge = model.bridge
        with model.lock, evaluating(bridge.original_model), _reachable(bridge):
            read = logit_readout(bridge, vectors, return_type=what, chunk_size=len(vectors))
    except (ValueError, NotImplementedError) as error:
        raise ModelError(f"{model.card['architecture']} can't be read layer by layer: {error}") from error
    return read.values.float()


@contextmanager
def _reachable(bridge: TransformerBridge) -> Iterator[None]:
    """The last norm and the unembedding with their weights here, and the norm's output where the unembedding is.

    A tied unembedding is where the embedding is, which may be another device than the last block's.
    """
    parts = [part for name in ("ln_final", "unembed") if (part := bridge._modules.get(name)) is not None]
    with present(*parts), ExitStack() as stack:
        places = [device_of(part) for part in parts]
        if len(set(places)) > 1:
            norm, (own, wanted) = parts[0], places
            stack.callback(norm.register_forward_pre_hook(lambda m, args: (args[0].to(own), *args[1:])).remove)
            stack.callback(norm.register_forward_hook(lambda m, args, out: out.to(wanted)).remove)
        yield

"""What is checked before any number is shown: weights, logits, sites, the execution path of attention."""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from inspector.errors import ModelError
from inspector.models.attention import AttentionInputs, UnsupportedAttention
from inspector.models.attention_streamed import streamed_attention
from inspector.models.attention_swap import own_attention, points_with_hooks
from inspector.models.evaluating import evaluating
from inspector.models.experts import multiply, points_of, recorded
from inspector.models.model import AttentionRoute, attention_layers, hooked, run, w_out
from inspector.models.placement import present
from inspector.sites import Site

TOLERANCE = {torch.float32: 0.01, torch.float64: 0.01}
"""Largest accepted difference of logits, in standard deviations of the logits."""
LOW_PRECISION_TOLERANCE = 0.5

LOOK_AHEAD = {torch.float32: 1e-3, torch.float64: 1e-3}
"""Largest accepted effect of later tokens, in standard deviations of the logits: experts that get other rows round
otherwise."""
LOW_PRECISION_LOOK_AHEAD = 0.25

FAILURES = (AttributeError, TypeError, ValueError, RuntimeError, IndexError)
"""What attention modules raise that don't run without the bridge."""


@dataclass(frozen=True)
class Probe:
    """What one short forward pass showed: logits, and the tensors that came by at each site."""

    logits: Float[Tensor, "1 pos vocab"]
    seen: Mapping[Site, Tensor]
    attended: frozenset[int]


def logit_difference(got: Tensor, expected: Tensor, what: str, other: str = "the plain Hugging Face forward") -> float:
    """The largest difference between two forwards' logits.

    Raises:
        ModelError: it is larger than rounding explains.
    """
    if not bool(expected.isfinite().all()):
        raise ModelError(
            "The model's own logits are NaN or infinite on a short text. Try dtype float32, or fix the weights."
        )
    difference = float((got.to(expected.device).float() - expected.float()).abs().max())
    limit = TOLERANCE.get(expected.dtype, LOW_PRECISION_TOLERANCE) * float(expected.float().std())
    if not difference <= limit:
        raise ModelError(
            f"{what} differ from {other} by {difference:.3g} (rounding explains {limit:.3g}). "
            "Every number would be wrong; report the architecture."
        )
    return difference


def agreement(got: Tensor, expected: Tensor) -> dict[str, float]:
    """How two forwards' predictions differ: mean divergence (nats per token), and share of other likeliest tokens."""
    told, own = (logits.to(expected.device).float().log_softmax(dim=-1) for logits in (got, expected))
    divergence = (own.exp() * (own - told)).sum(dim=-1).mean()
    changed = (told.argmax(dim=-1) != own.argmax(dim=-1)).float().mean()
    return {"logit_kl": max(0.0, float(divergence)), "logit_top1_changes": float(changed)}


def refuse_looking_ahead(logits_of: Callable[[Tensor], Tensor], ids: Int[Tensor, "1 pos"], architecture: str) -> None:
    """Check that other tokens in a text's second half change nothing in its first.

    Raises:
        ModelError: they do: attention is bidirectional, and no number of a text would be its own in a batch.
    """
    half = ids.shape[1] // 2
    other = torch.cat([ids[:, :half], ids[:, : ids.shape[1] - half]], dim=1)
    logits, changed = (logits_of(x)[:, :half] for x in (ids, other))
    moved = float((logits.float() - changed.float()).abs().max() / logits.float().std())
    if moved > LOOK_AHEAD.get(logits.dtype, LOW_PRECISION_LOOK_AHEAD):
        raise ModelError(
            f"{architecture} can't be inspected: a later token changes earlier logits (by {moved:.2g} of their "
            "standard deviation), so its attention isn't causal. Give a causal language model."
        )


def check_bridge(bridge: TransformerBridge, ids: Int[Tensor, "1 pos"], logits: Float[Tensor, "1 pos vocab"]) -> None:
    """Check a bridge that came without a plain model: its own call gives what its model does.

    Raises:
        ModelError: it doesn't.
    """
    with evaluating(bridge.original_model):
        logit_difference(logits, bridge(ids), "Logits of the bridge's model", "the bridge itself")
    try:
        with own_attention(bridge, None):
            own = probe(bridge, ids, {}, streamed=False).logits
    except (UnsupportedAttention, *FAILURES):
        return  # it doesn't run without the bridge
    if not points_with_hooks(bridge):
        logit_difference(logits, own, "The bridge's logits", "the model's own attention")


def hook_points(bridge: TransformerBridge) -> dict[Site, HookPoint]:
    """The hook point of every site that this bridge declares; none has been seen to fire yet."""
    points: dict[Site, HookPoint] = {}
    for layer, block in enumerate(bridge.blocks):
        found = {
            "resid_post": getattr(block, "hook_out", None),
            "attn_out": getattr(block, "hook_attn_out", None),
            "mlp_out": getattr(block, "hook_mlp_out", None),
            "neuron": _dig(block, "mlp", "out", "hook_in"),
            "normed": _dig(block, "ln1", "hook_out"),
        }
        points |= {Site(kind, layer): p for kind, p in found.items() if isinstance(p, HookPoint)}
    points |= {Site("neuron", layer): point for layer, point in points_of(bridge).items()}
    return points


def _dig(module: Any, *names: str) -> Any:
    for name in names:
        module = getattr(module, "_modules", {}).get(name)
    return module


def probe(bridge: TransformerBridge, ids: Tensor, points: Mapping[Site, HookPoint], *, streamed: bool) -> Probe:
    """Run the check text once and keep what the sites show.

    Raises:
        UnsupportedAttention: `streamed`, and this attention can't be taken that way.
    """
    seen: dict[Site, Tensor] = {}
    attended: set[int] = set()

    def listen(layer: int, inputs: AttentionInputs, lse: Tensor) -> None:
        attended.add(layer)

    with hooked(points, seen.__setitem__), streamed_attention(bridge, listen) if streamed else nullcontext():
        logits = run(bridge, bridge.original_model, input_ids=ids, use_cache=False).logits
    return Probe(logits, seen, frozenset(attended))


def choose_route(bridge: TransformerBridge, ids: Tensor, reference: Tensor) -> tuple[AttentionRoute, str]:
    """How attention will reach the reducers, and why not by the faster execution path."""
    layers = attention_layers(bridge)
    if not layers:
        return "none", "no attention layers"
    try:
        streamed = probe(bridge, ids, {}, streamed=True)
        if streamed.attended != set(layers):
            raise UnsupportedAttention("an attention module that doesn't use transformers' attention interface")
        logit_difference(streamed.logits, reference, "Logits with streamed attention")
        return "streamed", ""
    except ModelError:
        reason = "streamed attention gives other logits"  # the bridge's own gives the right ones, as was checked
    except UnsupportedAttention as error:
        reason = str(error)
    except FAILURES as error:
        reason = f"its own attention fails without the bridge: {error}"  # e.g. MPT, which wants a mask always
    points = {Site("pattern", layer): bridge.blocks[layer].attn.hook_pattern for layer in layers}
    seen = probe(bridge, ids, points, streamed=False).seen
    return ("eager", reason) if _causal_patterns(seen, points) else ("none", f"{reason}; no usable hook_pattern")


def _causal_patterns(seen: Mapping[Site, Tensor], points: Mapping[Site, HookPoint]) -> bool:
    def usable(pattern: Tensor | None) -> bool:
        if pattern is None or pattern.ndim != 4 or pattern.shape[-1] != pattern.shape[-2]:
            return False
        return bool((pattern.triu(1) == 0).all()) and float(pattern.sum(-1).max()) < 1.01

    return all(usable(seen.get(site)) for site in points)


def working_sites(bridge: TransformerBridge, ids: Tensor, points: Mapping[Site, HookPoint], route: str) -> set[Site]:
    """The sites whose tensors obey their definition on the check text.

    `attn_out` and `mlp_out` must add up to what the block adds; a `neuron` site times the MLP's
    last matrix must give that matrix's output. Sites that don't are dropped, not guessed.
    """
    inputs = {Site("resid_pre", i): block.hook_in for i, block in enumerate(bridge.blocks)}
    outs = {
        Site("out", i): point
        for i, block in enumerate(bridge.blocks)
        if isinstance(point := _dig(block, "mlp", "out", "hook_out"), HookPoint)
    }
    with recorded(bridge) as routed:
        seen = probe(bridge, ids, {**points, **inputs, **outs}, streamed=route == "streamed").seen
    width = bridge.cfg.d_model
    shaped = {s for s in points if s in seen and seen[s].ndim == 3 and seen[s].shape[:2] == ids.shape}
    good = {s for s in shaped if s.kind == "neuron" or seen[s].shape[2] == width}
    for layer in range(len(bridge.blocks)):
        if not _adds_up(seen, layer):
            good -= {Site("attn_out", layer), Site("mlp_out", layer)}
        if Site("neuron", layer) not in good:
            continue
        experts = points_of(bridge).get(layer)
        told = _multiplies(bridge, seen, layer) if experts is None else multiply(experts.experts, *routed[layer])
        if not told:
            good -= {Site("neuron", layer)}
    return _of_one_width(good, {site.layer: seen[site].shape[2] for site in good if site.kind == "neuron"})


def _of_one_width(sites: set[Site], widths: Mapping[int, int]) -> set[Site]:
    """The sites without neurons of layers that have another number of them than most."""
    if not widths:
        return sites
    usual, _ = Counter(widths.values()).most_common(1)[0]
    return {site for site in sites if site.kind != "neuron" or widths[site.layer] == usual}


def _adds_up(seen: Mapping[Site, Tensor], layer: int) -> bool:
    parts = [seen.get(Site(kind, layer)) for kind in ("resid_pre", "attn_out", "mlp_out", "resid_post")]
    if any(part is None or part.ndim != 3 for part in parts):
        return False
    device = parts[-1].device if parts[-1] is not None else None  # a block's input may come from another one
    before, attn, mlp, after = (part.to(device).float() for part in parts if part is not None)
    return _close(before + attn + mlp, after)


def _multiplies(bridge: TransformerBridge, seen: Mapping[Site, Tensor], layer: int) -> bool:
    out = seen.get(Site("out", layer))
    linear = bridge.blocks[layer].mlp.out.original_component
    if out is None or getattr(linear, "weight", None) is None or linear.weight.ndim != 2:
        return False
    with present(linear):
        matrix, bias = w_out(bridge, layer).float(), 0.0 if linear.bias is None else linear.bias.float()
    z = seen[Site("neuron", layer)].to(matrix.device).float()
    if z.shape[-1] != matrix.shape[0]:
        return False
    return _close(z @ matrix + bias, out.to(matrix.device).float())


def _close(got: Tensor, expected: Tensor) -> bool:
    return got.shape == expected.shape and bool((got - expected).abs().max() <= 0.02 * expected.abs().max() + 1e-6)


def takes_position_ids(hf: nn.Module) -> bool:
    """Whether the model's core accepts explicit positions."""
    return "position_ids" in inspect.signature(getattr(hf, "base_model", hf).forward).parameters

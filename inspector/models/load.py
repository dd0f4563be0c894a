"""`load_model`: from a name, folder, file, model or bridge to a checked `Model`."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedModel

from inspector.arguments import takes
from inspector.errors import ModelError
from inspector.models import before, checks, embedded
from inspector.models.backend import Backend
from inspector.models.evaluating import evaluating
from inspector.models.experts import remove_points
from inspector.models.faults import one_line, short
from inspector.models.fetch import fetch, quiet
from inspector.models.fingerprint import fingerprint
from inspector.models.given import bridge_of, plain_logits, refuse_type, refuse_weights, remember, vocab_of
from inspector.models.lock import lock_of
from inspector.models.model import Model, attention_layers, neuron_count
from inspector.models.placement import (
    Where,
    bring_inputs,
    dispatched,
    input_device,
    parameter_count,
    placement_of,
    refuse_moving,
)
from inspector.models.random_state import kept_random_state
from inspector.models.tokenizer_files import check_ids
from inspector.printable import kind_of
from inspector.sites import ModelShape, Site

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@takes
@kept_random_state()
def load_model(
    model: str | Path | TransformerBridge | PreTrainedModel = embedded.NAME,
    *,
    tokenizer: Any = None,
    dtype: str = "auto",
    device: str | None = None,
    device_map: str | Mapping[str, str | int] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Load a causal language model and check it before any number is shown.

    The bridge's logits are compared with the plain Hugging Face forward on a short text, every
    site is seen to fire and to obey its definition, and what was found goes into `Model.card`.

    Args:
        model: `smollm2-135m-instruct` (contained in a package), a hub id, a folder, a `.gguf` file,
            a TransformerBridge, or a Hugging Face model (which the bridge then changes in place). One that accelerate
            has spread over several devices, or offloaded, stays as it is.
        tokenizer: for a Hugging Face model or a bridge without one; texts can be token ids without.
        dtype: float32, bfloat16, float16, or auto: float32 on a CPU, else the checkpoint's own.
        device: cpu, cuda, cuda:1, mps …; the fastest one present where None.
        device_map: for a model that one device can't hold, in place of `device`: "auto" spreads its blocks over all
            devices and offloads what is left to memory and then to a disk ("balanced", "balanced_low_0" and
            "sequential" do so otherwise); or from names of modules to devices, "cpu" or "disk", as accelerate takes it.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that comes with the checkpoint.

    Raises:
        ModelError: unknown name, missing weights, wrong logits, an unsupported architecture.
    """
    with one_line(f"{_shown(model)} can't be loaded", "Report it, with what it is and how you made it."):
        if isinstance(model, TransformerBridge):
            with lock_of(model):
                facts = {"name": model.cfg.model_name, "source": "bridge"}
                return _finish(model, tokenizer or model.tokenizer, None, facts)
        if not isinstance(model, PreTrainedModel | str | Path):
            refuse_type(model)
        where = Where.named(device, device_map)
        if isinstance(model, PreTrainedModel):
            facts = {"name": model.config.name_or_path or type(model).__name__, "source": "object"}
            return _of_object(model, tokenizer, facts, _moving(model, where, device), trust_remote_code)
        hf, tokenizer, facts = fetch(
            str(model), tokenizer, _dtype(dtype, where.backend), where, revision=revision, own_code=trust_remote_code
        )
        return _first(hf.eval(), tokenizer, facts, where.backend if where.map is None else None, trust_remote_code)


def asking_dtype(device: str | None = None, device_map: str | Mapping[str, str | int] | None = None) -> str:
    """bfloat16 on a CPU with instructions for it: asking is two to three times as fast; else `auto`."""
    return Where.named(device, device_map).backend.asking


def _shown(model: object) -> str:
    return f"Model '{short(model)}'" if isinstance(model, str | Path) else type(model).__name__


def _moving(hf: PreTrainedModel, where: Where, device: str | None) -> Backend | None:
    """Where a model that is handed over goes; None where it stays as accelerate has placed it.

    Raises:
        ModelError: it should be placed by a map, or leave where accelerate has placed it.
    """
    if where.map is not None:
        raise ModelError(
            f"load_model got {kind_of(hf)} that is loaded already, and device_map. Give its name or folder, or "
            "spread it first: accelerate.dispatch_model."
        )
    if not dispatched(hf):
        return where.backend
    if device is not None:
        refuse_moving(hf, where.backend.device)
    return None


def _of_object(
    hf: PreTrainedModel, tokenizer: Any, facts: dict[str, Any], backend: Backend | None, trust_remote_code: bool
) -> Model:
    """A model that is handed over for the first time, or again: then with the bridge that is in it already."""
    bridge = bridge_of(hf)
    with evaluating(hf):
        if bridge is None:
            return _first(hf, tokenizer, facts, backend, trust_remote_code)
        with lock_of(bridge):
            if backend is not None and hf.device != torch.empty(0, device=backend.device).device:
                bridge.to(backend.device)
            return _finish(bridge, tokenizer, None, facts)


def _first(
    hf: PreTrainedModel, tokenizer: Any, facts: dict[str, Any], backend: Backend | None, trust_remote_code: bool
) -> Model:
    """A model that no bridge is in; it is left as it was where it can't be loaded."""
    try:
        model = _finish(*_bridged(hf, tokenizer, facts, backend, trust_remote_code), facts)
    except BaseException:
        remove_points(hf)
        if (kept := before.before(hf)) is not None:
            kept.settle()  # all that is there now is the bridge's
            kept.restore()
        raise
    if (kept := before.before(hf)) is not None:
        kept.settle()
    return model


def _bridged(
    hf: Any, tokenizer: Any, facts: dict[str, Any], backend: Backend | None, trust_remote_code: bool
) -> tuple[TransformerBridge, Any, Tensor]:
    """A bridge over the model, the tokenizer, and the logits that the model gave before."""
    architecture = type(hf).__name__
    if hf.config.is_encoder_decoder:
        raise ModelError(f"{architecture} is an encoder-decoder; only causal language models can be inspected.")
    refuse_weights(hf)
    if backend is not None:
        what = f"{architecture} can't be put on {backend.device}"
        with one_line(what, "Name another device, or spread it by device_map."):
            hf = hf.to(backend.device)
    before.remember(hf)
    ids = check_ids(tokenizer, vocab_of(hf)).to(input_device(hf))
    with evaluating(hf):
        reference = plain_logits(hf, ids)
        checks.refuse_looking_ahead(lambda x: plain_logits(hf, x), ids, architecture)
    return _bridge(hf, tokenizer, facts["name"], trust_remote_code), tokenizer, reference


def _bridge(hf: PreTrainedModel, tokenizer: Any, name: str, trust_remote_code: bool) -> TransformerBridge:
    architecture = type(hf).__name__
    if architecture not in (hf.config.architectures or ()):
        hf.config.architectures = [architecture]  # what was loaded, whatever the checkpoint says that it is
    own = deepcopy(tokenizer)
    if own is not None:
        # Else the bridge loads the tokenizer again from where it came, to have one that adds BOS.
        own.init_kwargs.update(name_or_path=getattr(own, "name_or_path", ""), add_bos_token=True)
    what, advice = f"TransformerLens can't wrap {architecture}", "`inspector models` lists what works."
    with one_line(what, advice), quiet():
        if own is None or dispatched(hf):
            # The public boot_transformers looks for a tokenizer on the hub where it is given none, and refuses a card
            # beside offloaded weights, because nobody had tried it; here every load compares logits and sites.
            from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
            from transformer_lens.utilities.attn_implementation import force_eager_attention

            force_eager_attention(hf)
            device = input_device(hf)
            bridge = build_bridge_from_module(
                hf, architecture, hf_config=hf.config, tokenizer=own, device=device, model_name=name
            )
            bring_inputs(bridge)
            return bridge
        return TransformerBridge.boot_transformers(
            name,
            hf_model=hf,
            tokenizer=own,
            device=str(hf.device),
            dtype=hf.dtype,
            trust_remote_code=trust_remote_code,
        )


def _finish(bridge: TransformerBridge, tokenizer: Any, reference: Tensor | None, facts: dict[str, Any]) -> Model:
    """The checked model; its Hugging Face model, when given again, leads to the same bridge."""
    remember(bridge.original_model, bridge)
    architecture = type(bridge.original_model).__name__
    advice = "Load it onto one device." if dispatched(bridge.original_model) else "Report the architecture."
    with one_line(f"{architecture} can't be inspected: its bridge fails when it is run", advice):
        return _checked(bridge, architecture, tokenizer, reference, facts)


def _checked(
    bridge: TransformerBridge, architecture: str, tokenizer: Any, reference: Tensor | None, facts: dict[str, Any]
) -> Model:
    """Check the bridge, find its sites, and write the model card."""
    hf = bridge.original_model
    if not len(getattr(bridge, "blocks", [])) or getattr(bridge.cfg, "attention_dir", "causal") != "causal":
        raise ModelError(f"{architecture} can't be inspected: it is not a stack of causal blocks.")
    ids = check_ids(tokenizer, bridge.cfg.d_vocab).to(input_device(hf))
    points = checks.hook_points(bridge)
    logits = checks.probe(bridge, ids, {}, streamed=False).logits
    difference = None if reference is None else checks.logit_difference(logits, reference, "The bridge's logits")
    if reference is None:
        checks.check_bridge(bridge, ids, logits)
        checks.refuse_looking_ahead(lambda x: checks.probe(bridge, x, {}, streamed=False).logits, ids, architecture)
    route, reason = checks.choose_route(bridge, ids, logits if reference is None else reference)
    sites = checks.working_sites(bridge, ids, points, route)
    if Site("resid_post", 0) not in sites:
        raise ModelError(f"{architecture} can't be inspected: no residual stream after its blocks (resid_post).")
    if route != "none":
        sites |= {Site("attention", layer) for layer in attention_layers(bridge)}
    sites.add(Site("logits", len(bridge.blocks)))
    shape = _shape(bridge, frozenset(sites))
    card = {
        **facts,
        "architecture": architecture,
        "dtype": str(next(hf.parameters()).dtype).removeprefix("torch."),
        "device": str(ids.device),
        **({"placement": str(placement_of(hf))} if dispatched(hf) else {}),
        "parameters": parameter_count(hf),
        **{name: getattr(shape, name) for name in ("layers", "heads", "kv_heads", "d_model", "d_mlp", "vocab")},
        "context": shape.context,
        "fingerprint": fingerprint(hf),
        "logit_difference": difference,
        **({} if reference is None else checks.agreement(logits, reference)),
        "attention": route if not reason else f"{route} ({reason})",
        "takes_position_ids": checks.takes_position_ids(hf),
        "missing_sites": _missing(shape),
    }
    return Model(bridge, tokenizer, shape, card, route, {s: points[s] for s in sites if s in points}, lock_of(bridge))


def _missing(shape: ModelShape) -> dict[str, int]:
    """Kinds of site that some layers lack, with the number of those layers."""
    kinds = ("resid_post", "attn_out", "mlp_out", "neuron", "normed", "attention")
    return {kind: n for kind in kinds if (n := shape.layers - len(shape.layers_of(kind)))}


def _shape(bridge: TransformerBridge, sites: frozenset[Site]) -> ModelShape:
    cfg = bridge.cfg
    neurons = [s.layer for s in sites if s.kind == "neuron"]
    width = 0
    if neurons:
        width = neuron_count(bridge, min(neurons))
    return ModelShape(
        layers=len(bridge.blocks),
        heads=cfg.n_heads,
        kv_heads=getattr(cfg, "n_key_value_heads", None) or cfg.n_heads,
        d_model=cfg.d_model,
        d_head=cfg.d_head,
        d_mlp=width,
        vocab=cfg.d_vocab,
        context=cfg.n_ctx or 2048,
        sites=sites,
    )


def _dtype(name: str, backend: Backend) -> Any:
    if name == "auto":
        return backend.weights
    if name not in DTYPES:
        raise ModelError(f"No dtype '{name}'. Use auto, {', '.join(DTYPES)}.")
    return DTYPES[name]

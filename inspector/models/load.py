"""`load_model`: from a name, folder, file, model or bridge to a checked `Model`."""

import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from inspector.errors import ModelError
from inspector.models import checks, embedded
from inspector.models.adapters import refuse_adapter
from inspector.models.backend import Backend
from inspector.models.lock import lock_of
from inspector.models.model import Model, attention_layers
from inspector.models.random_state import kept_random_state
from inspector.sites import ModelShape, Site

UNREADABLE = (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError, struct.error)
"""What the loaders raise at a file or folder that isn't what it should be."""
HUB_SECONDS = 3.0
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@kept_random_state()
def load_model(
    model: str | Path | TransformerBridge | PreTrainedModel = embedded.NAME,
    *,
    tokenizer: Any = None,
    dtype: str = "auto",
    device: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Load a causal language model and check it before any number is shown.

    The bridge's logits are compared with the plain Hugging Face forward on a short text, every
    site is seen to fire and to obey its definition, and what was found goes into `Model.card`.

    Args:
        model: `smollm2-135m-instruct` (contained in a package), a hub id, a folder, a `.gguf` file,
            a TransformerBridge, or a Hugging Face model (which the bridge then changes in place).
        tokenizer: for a Hugging Face model or a bridge without one; texts can be token ids without.
        dtype: float32, bfloat16, float16, or auto: float32 on a CPU, else the checkpoint's own.
        device: cpu, cuda, cuda:1, mps …; the fastest one present where None.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that comes with the checkpoint.

    Raises:
        ModelError: unknown name, missing weights, wrong logits, an unsupported architecture.
    """
    if isinstance(model, TransformerBridge):
        with lock_of(model):
            tokenizer = tokenizer or model.tokenizer
            return _finish(model, tokenizer, None, {"name": model.cfg.model_name, "source": "bridge"})
    backend = Backend.named(device)
    if isinstance(model, PreTrainedModel):
        hf, facts = model, {"name": model.config.name_or_path or type(model).__name__, "source": "object"}
    else:
        hf, tokenizer, facts = _fetch(str(model), tokenizer, _dtype(dtype, backend), revision, trust_remote_code)
    hf = hf.to(backend.device).eval()
    if hf.config.is_encoder_decoder:
        raise ModelError(f"{type(hf).__name__} is an encoder-decoder; only causal language models can be inspected.")
    ids = checks.check_ids(tokenizer, hf.config.get_text_config().vocab_size).to(backend.device)
    with torch.no_grad():
        reference = hf(input_ids=ids, use_cache=False).logits
        checks.refuse_looking_ahead(lambda x: hf(input_ids=x, use_cache=False).logits, ids, type(hf).__name__)
    return _finish(_bridge(hf, tokenizer, facts["name"], trust_remote_code), tokenizer, reference, facts)


def asking_dtype(device: str | None = None) -> str:
    """bfloat16 on a CPU with instructions for it: asking is two to three times as fast; else `auto`."""
    return Backend.named(device).asking


def _fetch(
    name: str, tokenizer: Any, dtype: Any, revision: str | None, trust_remote_code: bool
) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    """The Hugging Face model, its tokenizer, and where they came from."""
    where, facts = _locate(name)
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code, "revision": facts.get("revision") or revision}
    if facts["source"] != "hub":
        del options["revision"]
    elif not _hub_reachable():
        options["local_files_only"] = True  # the loaders would try for half a minute
    refuse_adapter(name, where, options)
    try:
        with _quiet():
            hf, info = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, output_loading_info=True, **options)
            tokenizer = tokenizer or AutoTokenizer.from_pretrained(where, **options)
    except UNREADABLE as error:
        raise ModelError(_why_not_loaded(name, facts["source"], error)) from error
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info.get(what):
            names = sorted(str(key) for key in info[what])
            raise ModelError(
                f"Model '{name}': {len(names)} {what.replace('_keys', '')} weights, e.g. {names[0]}. "
                "Its numbers would be noise; get a complete checkpoint of this architecture."
            )
    commit = getattr(hf.config, "_commit_hash", None)
    return hf, tokenizer, {"revision": commit or options.get("revision"), **facts}


def _locate(name: str) -> tuple[str, dict[str, Any]]:
    """What to hand to transformers for this name, and the facts to record."""
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:
        raise ModelError(f"'{name[:60]}' can't be found: {error} Give the whole path.") from error
    if not name.strip() or "\0" in name or not _fits_a_disk(path):
        raise ModelError(f"'{name[:60]}' is no model's name. Give a built-in name, hub id, folder or .gguf file.")
    if name == embedded.NAME:
        gguf = embedded.gguf_path()
        if gguf is None:
            return embedded.HUB_ID, {"name": name, "source": "hub"}
        facts = {"name": name, "source": f"{embedded.DISTRIBUTION} ({gguf.name})", "file_sha256": embedded.SHA256}
        with _quiet():
            return str(embedded.dequantised(gguf, embedded.SHA256)), facts
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise ModelError(f"No file '{name}'. Give the path of a .gguf file.")
        digest = embedded.file_sha256(path)
        try:
            with _quiet():
                folder = embedded.dequantised(path, digest)
        except UNREADABLE as error:
            raise ModelError(_why_not_loaded(name, "file", error)) from error
        return str(folder), {"name": path.stem, "source": "file", "file_sha256": digest}
    if path.is_dir():
        return str(path), {"name": path.resolve().name, "source": "folder"}
    if os.sep in name and (path.is_absolute() or name.startswith((".", "~"))):
        raise ModelError(f"No folder '{name}'. Give a folder with config.json and weights, or a hub id.")
    return name, {"name": name, "source": "hub"}


def _fits_a_disk(path: Path) -> bool:
    """Whether each part of a path has the bytes that a disk takes for a name."""
    try:
        sizes = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return sum(sizes) + len(sizes) <= 4096 and all(size <= 255 for size in sizes)


def _why_not_loaded(name: str, source: str, error: Exception) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if source == "folder":
        return f"Folder '{name}' can't be loaded: {first}"
    if source == "hub":
        missing = f" Or install it: {embedded.INSTALL}" if name == embedded.NAME else ""
        return (
            f"Model '{name}' is neither built in ({embedded.NAME}) nor a folder here, and the hub did not give it: "
            f"{first[:200]} Give a folder, a .gguf file or a hub id in reach.{missing}"
        )
    return f"File '{name}' can't be loaded: {first}"


def _bridge(hf: PreTrainedModel, tokenizer: Any, name: str, trust_remote_code: bool) -> TransformerBridge:
    architecture = type(hf).__name__
    if not hf.config.architectures:
        hf.config.architectures = [architecture]
    own = deepcopy(tokenizer)
    if own is not None:
        # Else the bridge loads the tokenizer again from where it came, to have one that adds BOS.
        own.init_kwargs.update(name_or_path=getattr(own, "name_or_path", ""), add_bos_token=True)
    try:
        with _quiet():
            if own is None:
                # The public boot_transformers looks for a tokenizer on the hub where it is given none.
                from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
                from transformer_lens.utilities.attn_implementation import force_eager_attention

                force_eager_attention(hf)
                return build_bridge_from_module(hf, architecture, hf_config=hf.config, model_name=name)
            return TransformerBridge.boot_transformers(
                name,
                hf_model=hf,
                tokenizer=own,
                device=str(hf.device),
                dtype=hf.dtype,
                trust_remote_code=trust_remote_code,
            )
    except (ValueError, RuntimeError, AttributeError, KeyError, NotImplementedError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"TransformerLens can't wrap {architecture}: {first[:200]} `inspector models` lists what works."
        ) from error


def _finish(bridge: TransformerBridge, tokenizer: Any, reference: Tensor | None, facts: dict[str, Any]) -> Model:
    """Check the bridge, find its sites, and write the model card."""
    hf = bridge.original_model
    architecture = type(hf).__name__
    if not len(getattr(bridge, "blocks", [])) or getattr(bridge.cfg, "attention_dir", "causal") != "causal":
        raise ModelError(f"{architecture} can't be inspected: it is not a stack of causal blocks.")
    ids = checks.check_ids(tokenizer, bridge.cfg.d_vocab).to(hf.get_input_embeddings().weight.device)
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
        "parameters": sum(p.numel() for p in hf.parameters()),
        **{name: getattr(shape, name) for name in ("layers", "heads", "kv_heads", "d_model", "d_mlp", "vocab")},
        "context": shape.context,
        "fingerprint": checks.fingerprint(hf),
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
        out: nn.Module = bridge.blocks[min(neurons)].mlp.out.original_component
        width = max(set(out.weight.shape) - {cfg.d_model}, default=cfg.d_model)
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


def _hub_reachable() -> bool:
    """Whether the hub's host takes a connection within a few seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # the proxy reaches it, or says why not
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "huggingface.co", port), timeout=HUB_SECONDS):
            return True
    except OSError:
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars or warnings of the loaders while they work; the caller's settings come back."""
    log = transformers.utils.logging
    level, bars, root = log.get_verbosity(), log.is_progress_bar_enabled(), logging.root.level
    hub = logging.getLogger("huggingface_hub")
    hub_level = hub.level
    hub.setLevel(logging.ERROR)
    log.set_verbosity_error()
    log.disable_progress_bar()
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.set_verbosity(level)
        hub.setLevel(hub_level)
        logging.root.setLevel(root)
        if bars:
            log.enable_progress_bar()

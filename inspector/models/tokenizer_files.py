"""The tokenizer that comes with a model: loaded from its files, and tried on a short text before it is trusted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import AutoTokenizer

from inspector.errors import ModelError
from inspector.models import tokenizer_probe
from inspector.models.faults import one_line, sentence, short
from inspector.models.folder import is_there, json_files
from inspector.printable import printable

VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.tiktoken", "tekken.json", "tokenization_*.py")
"""Files one of which a tokenizer has."""

JSON_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
OTHER_FILES = ("chat_template.jinja", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt")

SECONDS = 5.0
"""How long a probe of a tokenizer's own patterns may take; sound ones take some milliseconds."""

CHECK_TEXT = "The old bridge crosses the river twice a day, said Ada, and nobody asked why (it has 2 ends)."

ADVICE = "Get its files again, or hand a tokenizer to load_model."


def load_tokenizer(name: str, where: str, options: dict[str, Any], folder: bool) -> Any:
    """The tokenizer of a model.

    Args:
        name: what the user calls the model.
        where: its folder or hub id.
        options: what the loaders are given.
        folder: whether it is a folder of the user's, whose files are looked at before they are used.

    Raises:
        ModelError: there is none, or one that can't be used.
    """
    what = f"{'Folder' if folder else 'Model'} '{short(name)}'"
    if folder:
        if not any(next(Path(where).glob(pattern), None) for pattern in VOCABULARIES):
            raise ModelError(
                f"{what} has no tokenizer. Copy its files there, or hand one to load_model(…, tokenizer=…); for token "
                "ids alone, hand over the Hugging Face model itself."
            )
        for other in OTHER_FILES:
            is_there(what, Path(where) / other)
        contents = json_files(what, Path(where), JSON_FILES)
        _probe_patterns(what, contents.get("tokenizer.json", {}))
    with one_line(f"{what}: its tokenizer can't be loaded", ADVICE):
        return AutoTokenizer.from_pretrained(where, **options)


FEWEST = 8
"""Tokens of a check: with one alone nothing can be seen of what comes later."""


def check_ids(tokenizer: Any, vocab: int) -> Int[Tensor, "1 pos"]:
    """Token ids of the check text; ids spread over the vocabulary without a tokenizer, or where it makes few of it.

    Raises:
        ModelError: the tokenizer fails, or gives ids that the model doesn't have.
    """
    spread = (torch.arange(24) * 7 + 3).remainder(vocab).unsqueeze(0)
    if tokenizer is None:
        return spread
    kind = f"The tokenizer ({type(tokenizer).__name__})"
    with one_line(f"{kind} fails on a short text", "Use the tokenizer that the model was trained with."):
        found = [int(i) for i in tokenizer(CHECK_TEXT)["input_ids"]]
    if not found:
        raise ModelError(f"{kind} has no token for ordinary English text. Use the one that the model was trained with.")
    if outside := [i for i in found if not 0 <= i < vocab]:
        raise ModelError(
            f"{kind} gives the token id {outside[0]}, and the model has ids 0–{vocab - 1}: it is another model's. "
            "Use the one that the model was trained with."
        )
    return torch.tensor([found]) if len(found) >= FEWEST else spread


def _probe_patterns(what: str, content: dict[str, Any]) -> None:
    """Try a tokenizer's own patterns in a process of its own: nothing else can end a search that doesn't."""
    parts = {name: content.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")}
    if not _may_explode(parts) or not sys.executable:
        return
    empty = {"type": "BPE", "vocab": {}, "merges": []}
    written = json.dumps({**parts, "version": "1.0", "added_tokens": [], "post_processor": None, "model": empty})
    command = [sys.executable, "-P", tokenizer_probe.__file__]
    try:
        done = subprocess.run(command, input=written.encode(), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{what}: the patterns in tokenizer.json come to no end on ordinary text, within {SECONDS:.0f} s. {ADVICE}"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        last = sentence(printable(said[-1].rpartition("Exception: ")[2]), 90) if said else "the process was killed."
        raise ModelError(f"{what}: the patterns in tokenizer.json fail on ordinary text: {last} {ADVICE}")


def _may_explode(parts: dict[str, Any]) -> bool:
    """Whether there are regular expressions, or replacements that make a text much longer."""
    patterns = list(_patterns(parts, 0))
    growth = [len(put) / max(1, len(pattern)) for pattern, put in patterns if put]
    return any(put is None for _, put in patterns) or prod(growth) > 8


def _patterns(content: Any, depth: int) -> Iterator[tuple[str, str | None]]:
    """Each pattern with what takes its place; with None where it is a regular expression."""
    if depth > 100 or not isinstance(content, dict | list):
        return
    if isinstance(content, dict) and isinstance(pattern := content.get("pattern"), dict):
        put = content.get("content")
        yield str(pattern.get("String", "")), None if "Regex" in pattern else str(put or "")
    for part in content.values() if isinstance(content, dict) else content:
        yield from _patterns(part, depth + 1)

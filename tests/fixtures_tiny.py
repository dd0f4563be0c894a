"""Tiny models that are loaded once, and a tokenizer of words for them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from zlib import crc32

import pytest
import torch
import transformers

from inspector.models import Model
from inspector.progress import Task
from inspector.testing import tiny_model
from inspector.testing.planted import TINY, VOCAB

loaded = cache(tiny_model)
"""A tiny model by architecture; whoever hooks it unhooks it."""

BEHAVIOURS = {
    "LlamaForCausalLM": "streamed attention, keys shared by heads",
    "GPT2LMHeadModel": "Conv1D, biases, learned positions",
    "OPTForCausalLM": "ReLU; attention that no hook can change",
    "MistralForCausalLM": "a window in every layer",
    "Gemma2ForCausalLM": "norms after both parts, capped scores, a window in some layers",
    "Olmo2ForCausalLM": "norms only after both parts",
    "GptOssForCausalLM": "experts, learned sinks",
    "GPTJForCausalLM": "both parts side by side, attention of its own",
    "BloomForCausalLM": "ALiBi",
    "MambaForCausalLM": "no attention",
}
"""An architecture for each way to behave; the others behave as one of these."""


def made(config: Any, size: float) -> Any:
    """A model with random weights that are larger than usual, so that every part shows in the logits."""
    torch.manual_seed(0)
    hf = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in hf.parameters():
            weight.mul_(size)
    return hf


def architectures(names: Iterable[str] = TINY) -> list[Any]:
    """These architectures, for `parametrize`: those that behave as another one are left to `make test-all`."""
    return [pytest.param(name, marks=() if name in BEHAVIOURS else pytest.mark.slow) for name in names]


FIRST_WORD, BREAK, EVERY = 4, 3, 10


class Words:
    """Each word is one token, the same one wherever it stands.

    Token 3 is a line break, and each tenth token has one in it; 0, 1 and 2 are special.

    Args:
        template: a Jinja template that is never read: `apply_chat_template` is written out here.
    """

    pad_token_id, bos_token_id, eos_token_id = 0, 1, 2
    all_special_ids = (0, 1, 2)
    added_tokens_decoder = {0: "<pad>", 1: "<bos>", 2: "<eos>"}

    def __init__(self, template: str | None = None) -> None:
        self.chat_template = template

    def __len__(self) -> int:
        return VOCAB - 1  # the model's last row is no token

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        pieces = re.findall(r"\n|[^\s]+", text)
        size = len(self) - FIRST_WORD
        ids = [BREAK if piece == "\n" else FIRST_WORD + crc32(piece.encode()) % size for piece in pieces]
        return {"input_ids": [1, *ids] if add_special_tokens else ids}

    def apply_chat_template(self, turns: Sequence[dict[str, str]], **how: Any) -> str:
        prompt = "assistant :" if how.get("add_generation_prompt") else ""
        return "".join(f"{turn['role']} : {turn['content']} \n" for turn in turns) + prompt

    def decode(self, ids: Sequence[int], **how: Any) -> str:
        return "".join("\n" if i == BREAK else f" w{i}" + ("\n" if i % EVERY == EVERY - 1 else "") for i in ids)

    def batch_decode(self, rows: Sequence[Sequence[int]], **how: Any) -> list[str]:
        return [self.decode(row) for row in rows]


def with_words(model: Model, template: str | None = None) -> Model:
    """The model with this tokenizer."""
    return replace(model, tokenizer=Words(template))


def counting(done: list[int]) -> Task:
    """A task that keeps what it hears."""
    return Task("counted", listener=lambda name, count, total: done.append(count))

"""Prompts: token ids that a model continues."""

from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from inspector.batches import tokenise
from inspector.errors import InputError
from inspector.models import Model, refuse_ids
from inspector.models.conversations import texts_for
from inspector.texts import Given


def prompt_ids(model: Model, prompts: Given, longest: int, bos: bool | None) -> list[tuple[int, ...]]:
    """Token ids of every prompt; a conversation's are the chat template's, up to where the answer begins.

    Raises:
        InputError: no prompts, one that leaves no room for an answer, an id that the model hasn't, or a model without
            a tokenizer, for which nothing says where an answer ends.
    """
    if model.tokenizer is None:
        raise InputError("This model came without a tokenizer, so nothing says where an answer ends. Load it with one.")
    given: list[Any] = texts_for(model.tokenizer, prompts, answered=False)
    rows = tokenise(model.tokenizer, given, bos=bos, window=10**9)
    refuse_ids(model, rows)
    for row in rows:
        if len(row.ids) + longest > model.shape.context:
            raise InputError(
                f"Prompt {row.source} has {len(row.ids)} tokens, which with {longest} new ones is more than the "
                f"model's context of {model.shape.context}. Shorten it, or use a smaller longest."
            )
    return [row.ids for row in rows]


def end_tokens(model: Model) -> Bool[Tensor, " vocab"]:
    """True at the token ids that end what the model writes."""
    ends = torch.zeros(model.shape.vocab, dtype=torch.bool, device=model.device)
    ends[sorted(model.end_ids)] = True
    return ends

"""Texts of a model: what a notebook holds, with conversations put through the tokenizer's chat template."""

from typing import Any

from inspector.errors import InputError
from inspector.models.chat_template import rendered
from inspector.texts import Conversation, Given, as_texts, is_conversation


def texts_for(tokenizer: Any, given: Given, column: str | None = None) -> list[Any]:
    """A list of strings and token ids; see `inspector.texts.as_texts`.

    Raises:
        InputError: nothing that holds texts, or a conversation whose tokenizer has no working chat template.
    """
    return [one_text_for(tokenizer, text) for text in as_texts(given, column)]


def one_text_for(tokenizer: Any, text: Any) -> Any:
    """A string or token ids as they are; a conversation as the token ids that its template writes."""
    return _ids(tokenizer, text) if is_conversation(text) else text


def _ids(tokenizer: Any, turns: Conversation) -> tuple[int, ...]:
    """Token ids of the turns as the template writes them, with the BOS that it writes and no other."""
    if not getattr(tokenizer, "chat_template", None):
        raise InputError("A text is a conversation, and this model's tokenizer has no chat template. Pass strings.")
    text = rendered(tokenizer, [dict(turn) for turn in turns], answered=True)
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

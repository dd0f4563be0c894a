"""Texts of a model: what a notebook holds, with conversations put through the tokenizer's chat template."""

from typing import Any

from inspector.errors import InputError
from inspector.models.chat_template import rendered
from inspector.texts import Conversation, Given, as_texts, is_conversation


def texts_for(tokenizer: Any, given: Given, column: str | None = None, *, answered: bool = True) -> list[Any]:
    """A list of strings and token ids; see `inspector.texts.as_texts`. A conversation is whole where it is `answered`;
    else the next turn, which the model is to write, is opened.

    Raises:
        InputError: nothing that holds texts, or a conversation whose tokenizer has no working chat template.
    """
    return [one_text_for(tokenizer, text, answered=answered) for text in as_texts(given, column)]


def one_text_for(tokenizer: Any, text: Any, *, answered: bool = True) -> Any:
    """A string or token ids as they are; a conversation as the token ids that its template writes."""
    return _ids(tokenizer, text, answered) if is_conversation(text) else text


def _ids(tokenizer: Any, turns: Conversation, answered: bool) -> tuple[int, ...]:
    """Token ids of the turns as the template writes them, with the BOS that it writes and no other."""
    if not getattr(tokenizer, "chat_template", None):
        raise InputError("A text is a conversation, and this model's tokenizer has no chat template. Pass strings.")
    text = rendered(tokenizer, [dict(turn) for turn in turns], answered=answered)
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

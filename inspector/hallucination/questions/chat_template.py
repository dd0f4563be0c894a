"""A chat as text, by the template that came with the tokenizer: a program of others that may fail or not end."""

import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from inspector.errors import InputError
from inspector.printable import printable

SECONDS = 5.0
"""Templates take milliseconds."""
LONGEST = 1 << 20
"""Characters of a prompt: more than any context has."""


class _TooLong(Exception):
    """The template didn't end in time."""


def rendered(tokenizer: Any, turns: Sequence[dict[str, str]]) -> str:
    """The turns as one text that the model's answer follows.

    Raises:
        InputError: the template raises, uses names that aren't there, recurses or loops, or gives no text of a length
            that a model takes.
    """
    try:
        with _Deadline(SECONDS):
            text = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
    except _TooLong as error:
        raise InputError(_refusal(f"doesn't end within {SECONDS:g} seconds")) from error
    except Exception as error:  # whatever its code raises means the same to a user
        said = printable(str(error).strip().partition("\n")[0][:120]) or type(error).__name__
        raise InputError(_refusal(f"fails: {said}")) from error
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise InputError(_refusal("gives no text of a length that a model takes"))
    return text


def _refusal(why: str) -> str:
    return f"The tokenizer's chat template {why}. Use few-shot, or a model with a template for questions and answers."


class _Deadline:
    """Stops Python code of this thread that takes longer; a signal would reach the main thread only.

    Args:
        seconds: that it may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.before, self.end = sys.gettrace(), time.monotonic() + self.seconds
        sys.settrace(self._look)

    def __exit__(self, *stop: object) -> None:
        sys.settrace(self.before)

    def _look(self, frame: FrameType, event: str, argument: object) -> Any:
        if time.monotonic() > self.end:
            raise _TooLong
        return self._look

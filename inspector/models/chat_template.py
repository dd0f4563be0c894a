"""A chat as text, by the template that came with the tokenizer: a program of others that may fail or not end."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from types import FrameType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inspector.errors import InputError
from inspector.models import chat_template_probe
from inspector.printable import printable

SECONDS = 5.0
"""Templates take milliseconds."""
GROWING = frozenset(
    ["center", "ljust", "rjust", "zfill", "format", "format_map", "replace", "join", "expandtabs", "indent", "wordwrap"]
)
"""Filters and methods whose text can be much longer than what they are given."""
LONGEST = 1 << 20
"""Characters of a prompt: more than any context has."""


class _TooLong(Exception):
    """The template didn't end in time."""


def rendered(tokenizer: Any, turns: Sequence[dict[str, str]], *, answered: bool = False) -> str:
    """The turns as one text that the model's answer follows, or that ends with it where it is `answered`.

    Raises:
        InputError: the template raises, uses names that aren't there, recurses or loops, or gives no text of a length
            that a model takes.
    """
    try:
        _try_apart(tokenizer, turns)
        with _Deadline(SECONDS):
            text = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=not answered)
    except _TooLong as error:
        raise InputError(_refusal(f"doesn't end within {SECONDS:g} seconds")) from error
    except Exception as error:  # whatever its code raises means the same to a user
        said = printable(str(error).strip().partition("\n")[0][:120]) or type(error).__name__
        raise InputError(_refusal(f"fails: {said}")) from error
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise InputError(_refusal("gives no text of a length that a model takes"))
    return text


def _try_apart(tokenizer: Any, turns: Sequence[dict[str, str]]) -> None:
    """Render in a process what may be one long operation, such as 9 ** 9 ** 9: nothing else can end it."""
    several = isinstance(tokenizer.chat_template, dict)  # by name, of which one is the usual
    template = tokenizer.get_chat_template() if several else str(tokenizer.chat_template)
    if not sys.executable or not _may_take_long(template):
        return
    tokens = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    like_them = [{**turn, "content": "Who?"} for turn in turns]
    status = _status_apart(json.dumps({"template": template, "turns": like_them, "tokens": tokens}))
    if status is None:
        raise _TooLong
    if status in (chat_template_probe.TOO_LARGE, -9):
        raise MemoryError("it takes too much memory")


@lru_cache(maxsize=64)
def _may_take_long(template: str) -> bool:
    """Whether a template has a step that may take long or give much: powers, products, padding, joining, large numbers.

    One without any needn't be tried apart, which takes a second or two.
    """
    try:
        tree = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"]).parse(template)
    except (jinja2.TemplateError, RecursionError):
        return True
    if any(tree.find(kind) for kind in (nodes.Pow, nodes.Mul, nodes.Mod, nodes.Concat)):
        return True
    named = {one.name for one in tree.find_all(nodes.Filter)} | {one.attr for one in tree.find_all(nodes.Getattr)}
    if named & GROWING:
        return True
    return any(isinstance(one.value, int) and one.value >= 10_000 for one in tree.find_all(nodes.Const))


@lru_cache(maxsize=64)
def _status_apart(asked: str) -> int | None:
    """How the process ended; None where it had to be stopped."""
    command = [sys.executable, "-P", chat_template_probe.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has started
        try:
            process.communicate(asked.encode(), timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        return process.returncode


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

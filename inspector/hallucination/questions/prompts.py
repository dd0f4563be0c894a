"""How a question is put: a few answered ones before it, or a chat; always token ids in the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any, Literal, get_args

from inspector.arguments import meant
from inspector.batches import encode
from inspector.errors import InputError
from inspector.models.chat_template import rendered
from inspector.printable import counted, half_pair, printable

SHOTS = (
    ("What is the largest ocean on Earth?", "Pacific Ocean"),
    ("Who wrote the play Romeo and Juliet?", "William Shakespeare"),
    ("In which year did the Second World War end?", "1945"),
    ("What is the chemical symbol of gold?", "Au"),
)
"""Answered questions of several kinds, to show the form; none of them is in a built-in set."""


Named = Literal["few-shot", "chat"]


@dataclass(frozen=True, repr=False)
class Form:
    """A form of asking.

    `few-shot` is `Question: … / Answer:` and stops at the line's end: a small model answers best so, and the
    answer is the whole response. `chat` uses the tokenizer's chat template, the shots as earlier turns.
    """

    name: Named = "few-shot"
    shots: tuple[tuple[str, str], ...] = SHOTS

    def __post_init__(self) -> None:
        if self.name not in get_args(Named):
            raise InputError(f"No form '{printable(str(self.name))[:60]}'.{meant(self.name, get_args(Named))}")

    def __repr__(self) -> str:
        return f"<Form {self.name}, after {counted(len(self.shots), 'answered question')}>"

    def prompt(self, tokenizer: Any, question: str) -> tuple[int, ...]:
        """Token ids that the answer follows, with the BOS that the tokenizer or its template adds.

        Raises:
            InputError: half a surrogate pair in the question; or `chat`, and the tokenizer has no chat template, or
                one that fails on these turns.
        """
        _refuse_half_pair("question", question)
        if self.name == "few-shot":
            return encode(tokenizer, self._text(question))
        if not getattr(tokenizer, "chat_template", None):
            raise InputError("The chat form was asked for and this tokenizer has no chat template. Use few-shot.")
        turns = [
            {"role": role, "content": text}
            for shot in self.shots
            for role, text in zip(("user", "assistant"), shot, strict=True)
        ]
        turns.append({"role": "user", "content": " ".join(question.split())})
        text = rendered(tokenizer, turns)
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    def prefix(self, tokenizer: Any) -> tuple[int, ...]:
        """Token ids that every prompt begins with."""
        return _common(self, tokenizer)[0]

    def tail(self, tokenizer: Any) -> int:
        """How many tokens at a prompt's end are the form's own (`Answer:`) and not the question's."""
        return len(_common(self, tokenizer)[1])

    def answer_ids(self, tokenizer: Any, question: str, answer: str) -> tuple[int, ...]:
        """Token ids of a given answer, as they would follow the prompt.

        Raises:
            InputError: the answer is empty, has more than one line, or half a surrogate pair.
        """
        _refuse_half_pair("answer", answer)
        answer = answer.strip()
        if not answer or "\n" in answer:
            raise InputError(f"Answer {answer[:40]!r} is not one line of text. Give one line.")
        return self.continuation_ids(tokenizer, question, answer)

    def continuation_ids(self, tokenizer: Any, question: str, answer: str) -> tuple[int, ...]:
        """Token ids of a given answer of any number of lines, as they would follow the prompt.

        Raises:
            InputError: the answer is empty or has half a surrogate pair.
        """
        answer = answer.strip()
        _refuse_half_pair("answer", answer)
        if not answer:
            raise InputError("The answer is empty. Give it words.")
        if self.name == "few-shot":
            return following(tokenizer, self._text(question), f" {answer}")
        return tuple(tokenizer(answer, add_special_tokens=False)["input_ids"])

    def _text(self, question: str) -> str:
        shots = "".join(f"Question: {q}\nAnswer: {a}\n\n" for q, a in self.shots)
        return f"{shots}Question: {' '.join(question.split())}\nAnswer:"


def with_context(question: str, context: str | None) -> str:
    """A question with the passage that it is asked about before it."""
    return f"{context} {question}" if context else question


def following(tokenizer: Any, before: str, text: str) -> tuple[int, ...]:
    """Token ids of a text as it follows another; as it stands alone where the two are tokenised into each other."""
    whole, prompt = as_spelt(tokenizer, f"{before}{text}"), as_spelt(tokenizer, before)
    if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
        return whole[len(prompt) :]
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def as_spelt(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of a text that may spell the BOS itself; the tokenizer's own is not put before that one."""
    ids = encode(tokenizer, text)
    start = getattr(tokenizer, "bos_token_id", None)
    return ids[1:] if start is not None and ids[:2] == (start, start) else ids


def _refuse_half_pair(what: str, text: str) -> None:
    if half_pair(text):
        raise InputError(f"The {what} has half a surrogate pair, which is not a character. Fix its encoding.")


@lru_cache(maxsize=64)
def _common(form: Form, tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids that prompts of very different questions begin with, and those they end with."""
    questions = ("Who?", "1, 2", "ไหน", "“why” is it", "a question of some length?")
    prompts = [form.prompt(tokenizer, question) for question in questions]
    if len(set(prompts)) < len(prompts):
        raise InputError("The tokenizer's chat template leaves the question out of the prompt. Use few-shot.")
    head = _agreeing(prompts)
    return head, _agreeing([prompt[len(head) :][::-1] for prompt in prompts])[::-1]


def _agreeing(rows: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What all rows begin with."""
    return tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False)))

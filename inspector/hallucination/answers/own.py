"""Answers that exist already: from a log, a benchmark, an API or a person who marked them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from inspector.arguments import takes
from inspector.errors import InputError
from inspector.hallucination.grading.marks import Mark
from inspector.hallucination.questions.prompts import with_context
from inspector.hallucination.questions.rows import Row, is_missing, list_in_cell, plain, rows_of
from inspector.hallucination.questions.sets import Question
from inspector.printable import brief, half_pair, kind_of, listed, printable
from inspector.texts import is_conversation

Kind = Literal["right", "wrong"]

COLUMNS = (
    *("question", "answer", "label", "answers", "aliases", "samples"),
    *("id", "group", "relation", "context", "prompt", "messages"),
)
"""What a row may have; the question, the answer, and either a label or accepted answers (aliases) are needed. Both
can be the last turns of a conversation, `messages`."""

FLAGS: Mapping[str, Kind] = {
    "correct": "right",
    "is_correct": "right",
    "hallucination": "wrong",
    "hallucinated": "wrong",
    "is_hallucination": "wrong",
    "incorrect": "wrong",
}
"""Columns that may stand in for `label`, and what 1 or true in them means."""

WORDS: Mapping[str, Mark] = {
    **dict.fromkeys(("right", "correct"), "right"),
    **dict.fromkeys(("wrong", "incorrect", "hallucinated", "hallucination"), "wrong"),
    **dict.fromkeys(("abstained", "refused", "declined"), "abstained"),
}
ONE = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True, repr=False)
class OwnAnswer:
    """An answer that was given to a question, and what is known of it.

    Attributes:
        question: with every accepted name of its answer, where they are known.
        text: the answer; after a prompt of its own with the space that it begins with.
        mark: what somebody marked it; None leaves it to a judge.
        samples: other answers of the model to the same question.
        context: a passage that the question was asked about.
        prompt: the exact text before the answer, where it isn't the study's own form.
        turns: instead of that, the conversation before the answer, which the chat template makes a prompt of.
    """

    question: Question
    text: str
    mark: Mark | None = None
    samples: tuple[str, ...] = ()
    context: str | None = None
    prompt: str | None = None
    turns: tuple[Mapping[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"<OwnAnswer {brief(self.text)!r} to {brief(self.question.question)!r}: {self.mark or 'no label'}>"

    @property
    def put(self) -> str:
        """What stands in the question's place in a prompt; in one of its own the context has a place of its own."""
        return with_context(self.question.question, None if self.prompt is not None or self.turns else self.context)


OwnAnswers: TypeAlias = str | Path | pd.DataFrame | Iterable[Row | OwnAnswer] | Any
"""What answers can be given as."""


@takes
def own_answers(
    source: OwnAnswers,
    *,
    columns: Mapping[str, str] | None = None,
    one_is: str | None = None,
    labels: bool = True,
) -> list[OwnAnswer]:
    """Answers from a file, a DataFrame or rows.

    A row has `question` and `answer`; a `label`, or accepted `answers` by which a judge marks it; and where wanted
    `samples`, `id`, `group` (rows of one group are never on both sides of a split), `relation`, `context`, `prompt`.
    A label is right (correct) or wrong (incorrect, hallucinated), abstained, or 0 and 1 where `one_is` says what 1
    means; a column `correct` or `hallucinated` of 0 and 1 or true and false says so itself. An empty label leaves the
    answer to the judge. In a CSV file `answers` (or `aliases`) and `samples` are a JSON list, or one name.

    Args:
        source: `.jsonl`, `.json`, `.csv`, `.tsv` or `.parquet`; a DataFrame; or mappings, one per answer.
        columns: our name → the source's, for columns that are named otherwise.
        one_is: what label 1 means, `right` or `wrong`; the other is 0.
        labels: whether labels, accepted answers and samples are read; without them an answer needs none.

    Raises:
        InputError: a source that can't be read, columns that are missing or named twice, or a row that is no answer.
    """
    one = _kind(one_is)
    _refuse_unknown(columns or {})
    place, rows = rows_of(source)
    found: list[OwnAnswer] = []
    for number, row in rows:
        if isinstance(row, OwnAnswer):
            found.append(row)
            continue
        where = f"{place} {number}"
        if not isinstance(row, Mapping):
            raise InputError(f"{where} is {kind_of(row)}, not a row. Give mappings with question and answer.")
        found.append(_Reader(where, _named(where, row, columns or {}), one, labels).answer(str(number)))
    if not found:
        raise InputError(
            f"{place.rpartition(' ')[0] or 'The source'} has no answers. Give it rows of question, answer and label."
        )
    _refuse_repeats(found)
    return found


def _kind(one_is: str | None) -> Kind | None:
    if one_is is None or one_is == "right" or one_is == "wrong":
        return one_is  # type: ignore[return-value]
    raise InputError(f"{one_is!r} is no meaning of label 1. Use one_is='right' or one_is='wrong'.")


def _refuse_unknown(columns: Mapping[str, str]) -> None:
    for ours in columns:
        if ours not in COLUMNS and ours not in FLAGS:
            raise InputError(f"No column '{ours}' is known. Known: {', '.join((*COLUMNS, *FLAGS))}.")


def _named(place: str, row: Row, columns: Mapping[str, str]) -> Row:
    """The row by our names."""
    for ours, theirs in columns.items():
        if theirs not in row:
            near = get_close_matches(theirs, list(map(str, row)), 1)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            raise InputError(f"{place} has no column '{theirs}' for {ours}; it has {_columns(row)}.{meant}")
    kept = {name: value for name, value in row.items() if name not in columns and name not in columns.values()}
    return {**kept, **{ours: row[theirs] for ours, theirs in columns.items()}}


@dataclass(frozen=True)
class _Reader:
    """Reads one row."""

    place: str
    row: Row
    one_is: Kind | None
    labels: bool

    def answer(self, number: str) -> OwnAnswer:
        """The row as an answer."""
        turns, row = _apart(self.place, self._turns(), self.row)
        if turns:
            return replace(replace(self, row=row).answer(number), turns=turns)
        missing = [name for name in ("question", "answer") if name not in self.row]
        if missing:
            raise InputError(
                f"{self.place} lacks {' and '.join(missing)}; it has {_columns(self.row)}. "
                "Add it, or say which column it is (columns, --column)."
            )
        question = Question(
            self._text("id") or number,
            self._needed("question"),
            (self._texts("answers") or self._texts("aliases")) if self.labels else (),
            self._text("group"),
            self._text("relation"),
        )
        mark = self._mark() if self.labels else None
        if self.labels and mark is None and not question.answers:
            raise InputError(
                f"{self.place} has neither a label nor accepted answers; its columns are {_columns(self.row)}. Give "
                "one of them, or say which column it is (columns, --column)."
            )
        samples = self._list("samples") if self.labels else ()
        context, prompt, text = self._text("context"), self._text("prompt"), self._needed("answer")
        if prompt is not None:  # what follows it exactly
            text = str(self.row["answer"]).rstrip()
        return OwnAnswer(question, text, mark, samples, context, prompt)

    def _turns(self) -> list[Mapping[str, str]]:
        """The row's conversation; empty where it has none.

        Raises:
            InputError: what is there are no turns, or it comes with a prompt too.
        """
        given = self.row.get("messages")
        if is_missing(given):
            return []
        turns = plain(list_in_cell(given) if isinstance(given, str) else given)
        if not is_conversation(turns) or not all(isinstance(text, str) for one in turns for text in one.values()):
            raise InputError(
                f"{self.place} has messages that are no turns. Give a list of {{role, content}}, both text."
            )
        if not is_missing(self.row.get("prompt")):
            raise InputError(f"{self.place} has both messages and a prompt. Give one of them.")
        return [{"role": one["role"], "content": one["content"]} for one in turns]

    def _needed(self, name: str) -> str:
        text = self._text(name)
        if text is None:
            raise InputError(f"{self.place} has an empty {name}. Fill it in, or leave the row out.")
        return text

    def _text(self, name: str) -> str | None:
        """A column's text, None where it is empty; text is taken as it stands but for space around it."""
        value = self.row.get(name)
        if is_missing(value):
            return None
        if name in ("id", "group") and isinstance(value, float) and value.is_integer():
            value = int(value)  # a column of whole numbers, one of which is missing
        if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
            raise InputError(f"{self.place} has {kind_of(value)} for {name}. Give text.")
        text = str(value)
        if half_pair(text):
            raise InputError(f"{self.place} has half a surrogate pair in {name}, which is not a character. Fix it.")
        if name == "prompt":
            return text or None
        return text.strip() or None

    def _texts(self, name: str) -> tuple[str, ...]:
        """Different texts, none of them empty."""
        return tuple(dict.fromkeys(text for text in self._list(name) if text))

    def _list(self, name: str) -> tuple[str, ...]:
        """Texts as they come: how often a sample stands there counts, and an empty one is one."""
        value = self.row.get(name)
        if is_missing(value):
            return ()
        if isinstance(value, str):
            value = list_in_cell(value)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, Sequence) or not all(isinstance(one, str) and not half_pair(one) for one in value):
            raise InputError(f"{self.place} has {kind_of(value)} for {name}. Give a list of texts.")
        return tuple(one.strip() for one in value)

    def _mark(self) -> Mark | None:
        given = {name: self._mark_in(name) for name in ("label", *FLAGS) if not is_missing(self.row.get(name))}
        if len(set(given.values())) > 1:
            said = " and ".join(f"{name} {self.row[name]}" for name in list(given))
            raise InputError(f"{self.place} has {printable(said)[:80]}, which contradict each other. Fix one of them.")
        return next(iter(given.values()), None)

    def _mark_in(self, name: str) -> Mark:
        """What a column that isn't empty says."""
        said = str(self.row[name]).strip().lower()
        if name == "label" and said in WORDS:
            return WORDS[said]
        one = FLAGS.get(name) or self.one_is
        if said in ONE and one is not None:
            return one if ONE[said] else ("wrong" if one == "right" else "right")
        if said in ONE:
            raise InputError(
                f"{self.place} has {said} for a label, and 1 can mean correct or hallucinated. Say which (one_is, "
                "--one-is), or write right and wrong."
            )
        raise InputError(f"{self.place} has {said[:40]!r} for a {name}. Write right, wrong or abstained.")


def _apart(place: str, turns: Sequence[Mapping[str, str]], row: Row) -> tuple[tuple[Mapping[str, str], ...], Row]:
    """The turns before an answer, and the row with the question and answer that they end with, where it has none.

    Raises:
        InputError: they end with another answer than the row's.
    """
    said = dict(row) | {"messages": None}
    if turns and turns[-1]["role"] == "assistant":
        last, turns = turns[-1]["content"], turns[:-1]
        if is_missing(row.get("answer")):
            said["answer"] = last
        elif str(row["answer"]).strip() != last.strip():
            raise InputError(f"{place} has messages that end in another answer than its own. Leave one of them out.")
    if turns and is_missing(row.get("question")):
        said["question"] = next((one["content"] for one in reversed(turns) if one["role"] == "user"), "")
    return tuple(turns), said


def _columns(row: Row) -> str:
    return printable(listed(row, 8))


def _refuse_repeats(answers: Sequence[OwnAnswer]) -> None:
    ids: dict[str, int] = {}
    for number, one in enumerate(answers, start=1):
        first = ids.setdefault(one.question.id, number)
        if first != number:
            raise InputError(
                f"Rows {first} and {number} have the id '{one.question.id}'. Give each its own, or leave ids out."
            )

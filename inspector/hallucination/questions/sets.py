"""Questions with known answers: the built-in ones, those of files, and public sets from the hub."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from inspector.arguments import Count, Number, takes
from inspector.errors import InputError
from inspector.hallucination.questions.public import HUB, OWN, Row, Schema, fetch, recognise
from inspector.hallucination.questions.rows import (
    TABLES,
    content_of,
    is_missing,
    parsed,
    place_of,
    plain,
    rows_of,
    strings_of,
)
from inspector.printable import brief, counted, half_pair, kind_of
from inspector.texts import LINES, suffix_of

BUILT_IN = ("world_facts", "false_premises")


@dataclass(frozen=True, repr=False)
class Question:
    """A question and every accepted name of its answer.

    Attributes:
        id: unique in its set.
        question: the question as it is put to the model.
        answers: every accepted alias; empty for a question without a right answer (a false premise).
        subject: what the question is about, e.g. "France": questions of one subject belong to one side of a split.
        relation: what it asks of the subject, e.g. "capital".
        copies: how many more of the same words stood in its set; their answers are among its own.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    subject: str | None = None
    relation: str | None = None
    copies: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.answers, str):
            raise InputError(
                f"Question '{self.id}' has the answers {self.answers!r}, one string. Pass ({self.answers!r},)."
            )

    def __repr__(self) -> str:
        known = counted(len(self.answers), "accepted answer") if self.answers else "no accepted answer"
        return f"<Question '{brief(self.id, 30)}' {brief(self.question)!r}: {known}>"


Questions = str | Path | Iterable[Question | Mapping[str, Any] | Sequence[Any]] | Any
"""What `as_questions` takes."""


def built_in(name: str) -> list[Question]:
    """A built-in set: "world_facts", each with a right answer, or "false_premises", none with one.

    Raises:
        InputError: a name that isn't in `BUILT_IN`.
    """
    if name not in BUILT_IN:
        raise InputError(f"No built-in questions '{name}'. Built in: {', '.join(BUILT_IN)}.")
    file = files("inspector").joinpath(f"data/{name}.jsonl")
    return _questions(Path(f"{name}.jsonl"), OWN, parsed(Path(file.name), file.read_text(encoding="utf-8")))


def from_file(path: str | Path) -> list[Question]:
    """The questions of a `.jsonl`, `.json` (a list of objects), `.csv`, `.tsv` or `.parquet` file, in its order.

    The schema is told by the columns. Our own is question, answers (a list of strings), and where wanted id, subject,
    relation; the line's number serves where there is no id. In `.csv` and `.tsv` the answers are a JSON list, or one
    name. TriviaQA, NQ-open, PopQA and Natural Questions are read as the hub has them; of the last only the questions
    with short answers. Questions of the same words become one, with the names of all.

    Raises:
        InputError: a file that is missing, isn't UTF-8, is empty, is of no known schema, or has a bad line, an empty
            question, answers that are no list of strings, or an id twice.
    """
    path = Path(path)
    if suffix_of(path) in TABLES:
        return from_rows(rows_of(path)[1], path)
    if suffix_of(path) not in (*LINES, ".json", ".parquet"):
        raise InputError(
            f"'{path}' is not .jsonl, .json, .csv, .tsv or .parquet. Convert it to JSON Lines, a question a line."
        )
    if suffix_of(path) == ".parquet":
        schema, rows = _parquet(path)
        return _questions(path, schema, rows)
    placed = list(parsed(path, content_of(path)))
    if not placed:
        raise InputError(f"'{path}' is empty. Give it questions, one per line.")
    return _questions(path, recognise(path, placed[0][1]), placed)


def as_questions(given: Questions) -> list[Question]:
    """Questions from whatever holds them.

    Args:
        given: `Question`s; rows as dicts, or a DataFrame, with the columns that `from_file` knows, `answer` and
            `aliases` among them; pairs of question and answer (or a list of accepted names); strings, which have no
            accepted answers; a set's name or a file, as `load` takes it.

    Raises:
        InputError: something else, or a row that is no question.
    """
    if isinstance(given, str | Path):
        return load(given)
    rows = list(rows_of(given, "Questions")[1])
    if all(isinstance(row, Question) for _, row in rows):
        return [row for _, row in rows]
    return from_rows(rows, Path("questions"))


def from_rows(rows: Iterable[tuple[int, Any]], path: Path) -> list[Question]:
    """The questions of numbered rows: dicts, pairs or strings.

    Raises:
        InputError: as `from_file`.
    """
    placed = [(number, _as_row(row, place_of(path, number))) for number, row in rows]
    if not placed:
        raise InputError(f"'{path}' is empty. Give it questions, one per row.")
    return _questions(path, recognise(path, placed[0][1]), placed)


def _as_row(row: Any, place: str) -> Row:
    """A row with the columns of a known schema."""
    if isinstance(row, Question):
        return {**asdict(row), "answers": list(row.answers)}
    if isinstance(row, str):
        return {"question": row, "answers": []}
    if isinstance(row, tuple | list) and len(row) == 2:
        row = dict(zip(("question", "answers"), row, strict=True))
    if not isinstance(row, Mapping):
        raise InputError(f"{place} is {kind_of(row)}. Give a question, a dict, or a pair of question and answer.")
    found = {str(name): None if is_missing(value) else plain(value) for name, value in row.items()}
    named = [name for name in ("answers", "answer", "aliases") if name in found]
    if not named or isinstance(found.get("answer"), Mapping):  # a public schema's, or no known one's
        return found
    cells = [strings_of(found[name]) for name in named if found[name] is not None]
    if not cells:
        raise InputError(f"{place} has an empty {named[0]}. Fill it in; the answers of a false premise are [].")
    odd = [cell for cell in cells if not isinstance(cell, list)]
    found["answers"] = odd[0] if odd else [name for cell in cells for name in cell]
    return found


@takes
def load(source: str | Path, *, count: Count | None = None, seed: Number = 0) -> list[Question]:
    """Questions by name or from a file, all of them or a random subset in the set's order.

    Args:
        source: a built-in set ("world_facts", "false_premises"), a public one that is fetched from the hub ("triviaqa",
            "nq_open", "popqa"), or the path of a file.
        count: how many to draw; None, or more than there are, takes all.
        seed: of the draw; the same seed draws the same questions.

    Raises:
        InputError: a source that isn't there, can't be fetched or can't be read, or a count below 1.
    """
    name = str(source)
    if name in BUILT_IN:
        questions = built_in(name)
    elif name in HUB:
        questions = from_file(fetch(name))
    elif Path(source).suffix or Path(source).exists():
        questions = from_file(source)
    else:
        raise InputError(
            f"No questions '{name}'. Built in: {', '.join(BUILT_IN)}; from the hub: {', '.join(HUB)}; "
            "or give a .jsonl, .json, .csv, .tsv or .parquet file."
        )
    return questions if count is None or count >= len(questions) else _draw(questions, count, seed)


def subjects(questions: Sequence[Question]) -> Int[np.ndarray, " question"]:
    """Each question's subject as a number, by their first appearance; one without a subject has its own."""
    names = [question.subject or number for number, question in enumerate(questions)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _draw(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    chosen = np.random.default_rng(seed).choice(len(questions), size=count, replace=False)
    return [questions[i] for i in sorted(chosen)]


def _parquet(path: Path) -> tuple[Schema, Iterator[tuple[int, Row]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(path).names
        schema = recognise(path, columns)
        wanted = [name for name in columns if name in schema.columns + schema.optional]
        table = pq.read_table(path, columns=wanted)
    except pa.ArrowException as error:
        raise InputError(f"'{path}' is not a readable parquet file. Export it again, or as .jsonl.") from error
    except OSError as error:
        said = error.strerror or "No such file or directory"
        raise InputError(f"'{path}' can't be read: {said}. Give a file that can be read.") from error
    if not table.num_rows:
        raise InputError(f"'{path}' is empty. Give it questions, one per row.")
    return schema, ((n, row) for n, row in enumerate(table.to_pylist(), start=1))


def _questions(path: Path, schema: Schema, rows: Iterable[tuple[int, Row]]) -> list[Question]:
    found: dict[str, tuple[int, Question]] = {}
    for number, row in rows:
        place = f"'{path}' {place_of(path, number)}"
        try:
            fields = schema.read(row)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            why = f"lacks {error}" if isinstance(error, KeyError) else f"can't be read as {schema.name}: {error}"
            raise InputError(f"{place} {why}. Fix it.") from error
        if fields is None:
            continue
        question = _question(place, number, fields)
        if not question.answers and schema is not OWN:
            raise InputError(f"{place} has no answers. Leave it out.")
        first, same = found.setdefault(question.id, (number, question))
        if first != number and not (schema.repeats and same.question == question.question):
            raise InputError(
                f"{place} has the id '{question.id}' of {place_of(path, first)}. Give each question an id of its own."
            )
    if not found:
        raise InputError(f"'{path}' has no question with a short answer. Give a set that has some.")
    return merged(question for _, question in found.values())


def merged(questions: Iterable[Question]) -> list[Question]:
    """The questions, those of the same words as one: the first, with the accepted names of all.

    Two works of one title have two authors, and nobody can tell from the question which is meant.
    """
    found: dict[str, Question] = {}
    for one in questions:
        words = " ".join(one.question.casefold().split())
        first = found.get(words)
        if first is None:
            found[words] = one
        else:
            answers = tuple(dict.fromkeys([*first.answers, *one.answers]))
            found[words] = replace(first, answers=answers, copies=first.copies + 1 + one.copies)
    return list(found.values())


def _question(place: str, number: int, fields: Row) -> Question:
    for name in ("question", "answers"):
        if name not in fields:
            raise InputError(f'{place} lacks "{name}". Add it; the answers of a false premise are [].')
    text, answers, key = fields["question"], fields["answers"], fields.get("id")
    if any(half_pair(part) for part in _strings(fields)):
        raise InputError(f"{place} has half a surrogate pair, which is not a character. Fix its encoding.")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{place} has {_shown(text)} for a question. Give it words.")
    if not isinstance(answers, list) or not all(isinstance(one, str) and one.strip() for one in answers):
        raise InputError(
            f"{place} has {_shown(answers)} for answers, not a list of non-empty strings. "
            "Write a list, [] for a false premise."
        )
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int) or not str(key).strip()):
        raise InputError(f"{place} has {_shown(key)} for an id. Give a string, or leave it out.")
    for name in ("subject", "relation"):
        if not isinstance(fields.get(name), str | None):
            raise InputError(f"{place} has {_shown(fields[name])} for a {name}. Give a string, or leave it out.")
    return Question(
        id=str(number if key is None else key),
        question=text,
        answers=tuple(dict.fromkeys(answers)),
        subject=fields.get("subject"),
        relation=fields.get("relation"),
    )


def _strings(value: object) -> Iterator[str]:
    """The strings in a value, however deep."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list | tuple):
            left += one


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=bool(any(map(half_pair, _strings(value)))), default=str)
    except RecursionError:
        return f"a deep {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."

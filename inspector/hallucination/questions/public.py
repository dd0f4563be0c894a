"""Public question sets: where they are, how their rows are told apart, and what they say in our own terms."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.errors import InputError
from inspector.printable import listed

Row = dict[str, Any]

HUB = {
    "triviaqa": ("mandarjoshi/trivia_qa", "unfiltered.nocontext/validation/0000.parquet"),
    "nq_open": ("google-research-datasets/nq_open", "nq_open/validation/0000.parquet"),
    "popqa": ("akariasai/PopQA", "default/test/0000.parquet"),
}
"""Short name → the hub's dataset, and the file in the parquet copy that the hub keeps of every public dataset."""

_HIDDEN = "<unk>"  # what the test splits of TriviaQA have for an answer


@dataclass(frozen=True)
class Schema:
    """The columns that tell a schema, and how one of its rows reads in our own.

    `read` gives None for a row that asks nothing which can be checked, and raises KeyError, TypeError or ValueError on
    one that isn't of this schema.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[Row], Row | None]
    optional: tuple[str, ...] = ()
    repeats: bool = False  # the same question stands once for each of its sources


def recognise(path: Path, columns: Iterable[str]) -> Schema:
    """The schema that has these columns.

    Raises:
        InputError: no known schema has them.
    """
    got = list(columns)
    for schema in SCHEMAS:
        if set(schema.columns) <= set(got):
            return schema
    known = "; ".join(f"{schema.name}: {', '.join(schema.columns)}" for schema in SCHEMAS)
    raise InputError(
        f"'{path}' has the columns {listed(got)}, which is no known schema ({known}). "
        'Rename them to "question" and "answers".'
    )


def fetch(name: str) -> Path:
    """The file of a public set, from the hub or its local cache.

    Raises:
        InputError: the hub can't be reached or doesn't have the file.
    """
    from huggingface_hub import hf_hub_download

    repo, file = HUB[name]
    try:
        return Path(hf_hub_download(repo, file, repo_type="dataset", revision="refs/convert/parquet"))
    except Exception as error:  # the hub's client raises of many families, and each means the same to a user
        raise InputError(
            f"'{name}' can't be fetched from the hub's {repo} ({type(error).__name__}). "
            "Give the path of a local .parquet or .jsonl file of it instead."
        ) from error


def _own(row: Row) -> Row:
    return row


def _trivia_qa(row: Row) -> Row:
    answer = row["answer"]
    names = [answer["value"], *(answer.get("aliases") or []), *(answer.get("normalized_aliases") or [])]
    if names[0] == _HIDDEN:
        raise ValueError("the answers of this split are hidden: take the validation or the train split")
    return {"id": row["question_id"], "question": row["question"], "answers": names}


def _nq_open(row: Row) -> Row:
    answer = row["answer"]
    return {"question": row["question"], "answers": [answer] if isinstance(answer, str) else answer}


def _natural_questions(row: Row) -> Row | None:
    annotations = row["annotations"]
    if isinstance(annotations, dict):  # the hub's parquet has a struct of lists, other copies a list of structs
        spans = annotations["short_answers"]
    else:
        spans = [one["short_answers"] for one in annotations]
    texts = [text for span in spans for one in (span if isinstance(span, list) else [span]) for text in one["text"]]
    question = row["question"]
    text = question["text"] if isinstance(question, dict) else question
    return {"id": row["id"], "question": text, "answers": texts} if texts else None


def _pop_qa(row: Row) -> Row:
    answers = row["possible_answers"]
    if isinstance(answers, str):
        answers = json.loads(answers)
    return {
        "id": row["id"],
        "question": row["question"],
        "answers": answers,
        "subject": row.get("subj"),
        "relation": row.get("prop"),
    }


OWN = Schema("our own", ("question", "answers"), _own, optional=("id", "subject", "relation"))
SCHEMAS = (
    OWN,
    Schema("PopQA", ("id", "question", "possible_answers"), _pop_qa, optional=("subj", "prop")),
    Schema("Natural Questions", ("id", "question", "annotations"), _natural_questions),
    Schema("TriviaQA", ("question", "question_id", "answer"), _trivia_qa, repeats=True),
    Schema("NQ-open", ("question", "answer"), _nq_open),
)

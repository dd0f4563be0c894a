"""From questions to measured, labelled answers; what was done is kept in a folder, so that a killed run can resume."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import InputError, ModelError, RunError
from inspector.hallucination.answers.ask import Asked, Asker, Sampling
from inspector.hallucination.answers.engine import Helpers
from inspector.hallucination.answers.kept_marks import KeptMarks
from inspector.hallucination.grading.graders import Judge, Mark
from inspector.hallucination.grading.labels import FEWEST
from inspector.hallucination.questions.prompts import Form, with_context
from inspector.hallucination.questions.sets import Question
from inspector.models import Model
from inspector.places import write_whole
from inspector.printable import counted
from inspector.progress import SILENT, Progress


@dataclass(frozen=True)
class Answered:
    """A question with its answers: token ids, texts and marks, the greedy one first.

    Attributes:
        question: as it was asked.
        ids, texts, marks: of the answers; of own answers' samples no ids are known.
        context: a passage that was put before the question.
        prompt: the whole text before the answer, where it isn't the study's form.
        begins: the space between that and an answer.
    """

    question: Question
    ids: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    marks: tuple[Mark, ...]
    context: str | None = None
    prompt: str | None = None
    begins: str = ""

    @property
    def put(self) -> str:
        """What stands in the question's place in a prompt; in one of its own the context has a place of its own."""
        return with_context(self.question.question, None if self.prompt is not None else self.context)


def refuse_neuronless(model: Model) -> None:
    """Say before any work is done where a model can't be studied.

    Raises:
        ModelError: it has no neurons that can be measured.
    """
    if not model.shape.has("neuron"):
        raise ModelError(
            f"{model.card['architecture']} has no MLP whose last matrices are known (neuron sites), so hallucination "
            "neurons can't be measured. `inspector models` lists what works."
        )


def refuse(model: Model, questions: Sequence[Question]) -> None:
    """Say what stands in the way of a study before any work is done.

    Raises:
        ModelError: the model has no neurons that can be measured.
        InputError: no questions or too few, an id or a question that occurs twice.
    """
    refuse_neuronless(model)
    if not questions:
        raise InputError("No questions were given. Give a file, or world_facts.")
    if len({question.id for question in questions}) < len(questions):
        raise InputError("Two questions have the same id. Give each its own.")
    seen = Counter(" ".join(question.question.casefold().split()) for question in questions)
    (most, times), *_ = seen.most_common(1)
    if times > 1:
        raise InputError(f"Question '{most[:60]}' is there {times} times: copies would count as evidence. Keep one.")
    answerable = sum(bool(question.answers) for question in questions)
    if len(questions) < 2 * FEWEST or answerable < FEWEST:
        raise InputError(
            f"insufficient data: {counted(len(questions), 'question')}, {answerable} of which have an accepted answer, "
            f"can't give {FEWEST} correct and {FEWEST} incorrect answers. Ask {2 * FEWEST} or more; a model that gets "
            "few right needs more."
        )


def ask_all(
    model: Model,
    questions: Sequence[Question],
    form: Form,
    sampling: Sampling,
    folder: Path | None = None,
    progress: Progress = SILENT,
    helpers: Helpers | None = None,
) -> list[Asked]:
    """Answers to all questions, in their order; batches found in the folder's `answers.jsonl` aren't asked again.

    The helpers ask, where there are some; the answers are the same.

    Raises:
        RunError: the folder's answers can't be read.
    """
    asker = Asker(model, form, sampling)
    log = folder / "answers.jsonl" if folder else None
    known = _read(log) if log else {}
    task = progress.task("asking", len(questions))
    batches = [batch for batch in asker.batches(questions) if not all(one.id in known for one in batch)]
    task.advance(len(questions) - sum(map(len, batches)))
    done = ((batch, asker.ask(batch)) for batch in batches) if helpers is None else helpers.asked(batches)
    for batch, asked in done:
        known |= {one.id: one for one in asked}
        if log is not None:
            with log.open("a", encoding="utf-8") as out:
                out.write("".join(json.dumps([one.id, one.answers]) + "\n" for one in asked))
        task.advance(len(batch))
    return [known[question.id] for question in questions]


def _read(log: Path) -> dict[str, Asked]:
    """Answers of an earlier, killed run; a last line that was cut off is left out and asked again."""
    if not log.exists():
        return {}
    found: dict[str, Asked] = {}
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            identity, answers = json.loads(line) if line else ("", [])
            found[identity] = Asked(identity, tuple(tuple(map(int, ids)) for ids in answers))
        except (ValueError, TypeError) as error:
            if number < len(lines):
                raise RunError(f"'{log}' line {number} is damaged. Delete {log.parent} and start again.") from error
    if lines[-1]:  # a batch that was being written: close the line, so that appending starts a new one
        write_whole(log, "\n".join([*lines[:-1], ""]))
    return found


def mark_all(
    model: Model,
    questions: Sequence[Question],
    asked: Sequence[Asked],
    judge: Judge,
    progress: Progress = SILENT,
    folder: Path | None = None,
) -> list[Answered]:
    """Texts and marks of all answers; equal answers to one question are judged once.

    Marks of a judge that takes long are kept in the folder's `marks.jsonl` as they come, and not asked for again.

    Raises:
        InputError: the judge can't be asked, or some of its replies are no marks; the others are kept.
    """
    kept = KeptMarks(judge, folder)
    answered = []
    task = progress.task("judging", len(questions))
    for question, one in zip(questions, asked, strict=True):
        texts = tuple(text.strip() for text in model.tokenizer.batch_decode([list(ids) for ids in one.answers]))
        mark_of = {text: kept.mark(question, text) for text in dict.fromkeys(texts)}
        answered.append(Answered(question, one.answers, texts, tuple(mark_of[text] for text in texts)))
        task.advance()
    kept.refuse_odd()
    return answered


def greedy_answer(model: Model, question: str, form: Form, longest: int = Sampling.longest) -> tuple[int, ...]:
    """Token ids of the model's greedy answer to one question.

    Raises:
        InputError: the model says nothing.
    """
    asked = Question("asked", question, ())
    ids = Asker(model, form, Sampling(samples=0, longest=longest)).ask([asked])[0].answers[0]
    if not ids:
        raise InputError("The model ended its answer before it began. Put the question in other words.")
    return ids

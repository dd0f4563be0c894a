"""Own answers with their token ids and marks, as if a model had been asked for them."""

from collections.abc import Sequence
from pathlib import Path

from inspector.errors import InputError
from inspector.hallucination.answers.kept_marks import KeptMarks
from inspector.hallucination.answers.own import OwnAnswer
from inspector.hallucination.answers.resume import Answered, refuse_neuronless
from inspector.hallucination.grading.labels import FEWEST
from inspector.hallucination.grading.marks import Judge
from inspector.hallucination.questions.prompts import Form, following
from inspector.models import Model
from inspector.progress import Task


def refuse_own(model: Model, answers: Sequence[OwnAnswer]) -> None:
    """Say what stands in the way of a study of own answers before any work is done.

    Raises:
        ModelError: the model has no neurons that can be measured.
        InputError: a model without a tokenizer, or too few answers.
    """
    refuse_neuronless(model)
    if model.tokenizer is None:
        raise InputError("Answers are text and this model came without a tokenizer. Load it with one.")
    marked = [one.mark for one in answers if one.mark is not None]
    left = len(answers) - len(marked)
    kinds = {mark: marked.count(mark) for mark in ("right", "wrong")}
    for mark, count in kinds.items():
        if count + left < FEWEST:
            raise InputError(
                f"insufficient data: {kinds['right']} answers are correct and {kinds['wrong']} incorrect; at least "
                f"{FEWEST} of each kind are needed. Give more {'correct' if mark == 'right' else 'incorrect'} ones."
            )
    groups = {one.question.subject for one in answers}
    if len(groups) == 1 and None not in groups:
        (only,) = groups
        raise InputError(
            f"All answers are of the group '{only}', so none can be held out. Give the groups that belong together."
        )


def counts_of(answers: Sequence[OwnAnswer]) -> dict[str, int]:
    """How many answers were labelled, and how many came with a context or a prompt of their own."""
    return {
        "labelled": sum(one.mark is not None for one in answers),
        "contexts": sum(one.context is not None for one in answers),
        "prompts": sum(one.prompt is not None for one in answers),
    }


def as_answered(
    model: Model, answers: Sequence[OwnAnswer], form: Form, judge: Judge, folder: Path | None, task: Task
) -> list[Answered]:
    """Own answers with their token ids and marks, as if they had been asked for.

    A sample is marked where the question's accepted answers are known, and left out where they aren't.

    Raises:
        InputError: the judge can't be asked, or an answer that can't be tokenised.
    """
    kept, found = KeptMarks(judge, folder), []
    for one in answers:
        samples = one.samples if one.question.answers else ()
        marks = [one.mark or kept.mark(one.question, one.text), *(kept.mark(one.question, text) for text in samples)]
        found.append(
            Answered(
                one.question,
                (token_ids(model, one, form),),
                (one.text, *samples),
                tuple(marks),
                one.context,
                one.prompt,
            )
        )
        task.advance()
    kept.refuse_odd()
    return found


def token_ids(model: Model, one: OwnAnswer, form: Form) -> tuple[int, ...]:
    """An answer's token ids, as they follow its prompt."""
    if one.prompt is not None:
        return following(model.tokenizer, one.prompt, one.text)
    return form.continuation_ids(model.tokenizer, one.put, one.text)

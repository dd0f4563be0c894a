"""Own answers with their token ids and marks, as if a model had been asked for them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspector.errors import InputError
from inspector.hallucination.answers.kept_marks import KeptMarks
from inspector.hallucination.answers.measure import Fed, Meter
from inspector.hallucination.answers.own import OwnAnswer
from inspector.hallucination.answers.resume import Answered, refuse_neuronless
from inspector.hallucination.grading.labels import FEWEST
from inspector.hallucination.grading.marks import Judge
from inspector.hallucination.questions.prompts import Form, as_spelt, following
from inspector.models import Model
from inspector.models.chat_template import rendered
from inspector.printable import printable
from inspector.progress import Task

FEWEST_TEXTS = 10
"""Fewer different answers (yes and no, say) can't be split so that none is on both sides."""


def refuse_own(model: Model, answers: Sequence[OwnAnswer]) -> None:
    """Say what stands in the way of a study of own answers before any work is done.

    Raises:
        ModelError: the model has no neurons that can be measured.
        InputError: a model without a tokenizer, too few answers or too few different ones, or all of one group.
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
    texts = Counter(" ".join(one.text.casefold().split()) for one in answers)
    if len(texts) < FEWEST_TEXTS:
        (most, times), *_ = texts.most_common(1)
        raise InputError(
            f"insufficient data: the answers are {len(texts)} different texts, '{printable(most)[:40]}' {times:,} "
            f"times; a text is never on both sides of a split, so at least {FEWEST_TEXTS} are needed. Give others too."
        )
    groups = {one.question.subject for one in answers}
    if len(groups) == 1 and None not in groups:
        (only,) = groups
        raise InputError(
            f"All answers are of the group '{only}', so none can be held out. Give the groups that belong together."
        )


def _refuse_answered(answers: Sequence[OwnAnswer]) -> None:
    """Prompts that all end with the answer have it in them already, and it would stand there twice."""
    prompted = [one for one in answers if one.prompt is not None]
    if len(prompted) > 1 and all((one.prompt or "").rstrip().endswith(one.text.strip()) for one in prompted):
        raise InputError(
            f"The prompt of '{printable(prompted[0].question.id)}' ends with its answer, and so do all others. Give "
            "the text before the answer only."
        )


def counts_of(answers: Sequence[OwnAnswer]) -> dict[str, int]:
    """How many answers were labelled, and how many came with a context or a prompt of their own."""
    return {
        "labelled": sum(one.mark is not None for one in answers),
        "contexts": sum(one.context is not None for one in answers),
        "prompts": sum(one.prompt is not None or bool(one.turns) for one in answers),
    }


def as_answered(
    meter: Meter, answers: Sequence[OwnAnswer], judge: Judge, folder: Path | None, task: Task
) -> list[Answered]:
    """Own answers with their token ids and marks, as if they had been asked for.

    A sample is marked where the question's accepted answers are known, and left out where they aren't.

    Raises:
        InputError: an answer that can't be measured, said before a judge is asked; or the judge can't be asked.
    """
    kept, found = KeptMarks(judge, folder), []
    ids = ids_of(meter, answers)
    fed_of(meter, answers, ids)
    for one, tokens in zip(answers, ids, strict=True):
        texts = (one.text.strip(), *(one.samples if one.question.answers else ()))
        known = {texts[0]: one.mark or kept.mark(one.question, texts[0])}  # a label holds for samples of the same words
        marks = [known[text] if text in known else kept.mark(one.question, text) for text in texts]
        prompt, begins = prompt_of(meter.model.tokenizer, one), one.text[: len(one.text) - len(one.text.lstrip())]
        found.append(Answered(one.question, (tokens,), texts, tuple(marks), one.context, prompt, begins))
        task.advance()
    kept.refuse_odd()
    return found


def ids_of(meter: Meter, answers: Sequence[OwnAnswer]) -> list[tuple[int, ...]]:
    """Each answer's token ids."""
    return [token_ids(meter.model, one, meter.form) for one in answers]


def fed_of(meter: Meter, answers: Sequence[OwnAnswer], ids: Sequence[tuple[int, ...]]) -> Fed:
    """Own answers with their prompts, as the model receives them.

    Raises:
        InputError: an answer without tokens, or one that doesn't fit into the model's context, named by its id; or
            prompts that have their answers in them.
    """
    _refuse_answered(answers)
    names = [f"'{printable(one.question.id)}'" for one in answers]
    prompts = [prompt_of(meter.model.tokenizer, one) for one in answers]
    return meter.feed([one.put for one in answers], ids, prompts, names)


def prompt_of(tokenizer: Any, one: OwnAnswer) -> str | None:
    """The whole text before an answer, where it isn't the study's form: its own prompt, or its conversation's.

    Raises:
        InputError: a conversation whose tokenizer has no working chat template.
    """
    if not one.turns:
        return one.prompt
    if not getattr(tokenizer, "chat_template", None):
        raise InputError(
            f"Answer '{printable(one.question.id)}' has a conversation, and this model's tokenizer has no chat "
            "template. Give its prompt as text."
        )
    text = rendered(tokenizer, [dict(turn) for turn in one.turns])
    start = getattr(tokenizer, "bos_token", None)
    if start and not text.startswith(start) and as_spelt(tokenizer, text)[:1] == (tokenizer.bos_token_id,):
        raise InputError(
            f"Answer '{printable(one.question.id)}' has a conversation whose template begins without a BOS, and this "
            "tokenizer puts one before every text. Give its prompt as text, spelt as the model is to get it."
        )
    return text


def token_ids(model: Model, one: OwnAnswer, form: Form) -> tuple[int, ...]:
    """An answer's token ids, as they follow its prompt."""
    prompt = prompt_of(model.tokenizer, one)
    if prompt is not None:
        return following(model.tokenizer, prompt, one.text)
    return form.continuation_ids(model.tokenizer, one.put, one.text)

"""Where the passage that a question was asked about stands in its prompt."""

from collections.abc import Sequence

from inspector.errors import InputError
from inspector.hallucination.answers.measure import Meter, place_in, shared
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.questions.prompts import as_spelt
from inspector.printable import printable


def context_places(meter: Meter, answers: Sequence[Answered]) -> dict[int, tuple[int, int]]:
    """By each answer's number: where its passage's tokens stand in the whole prompt, half-open.

    Raises:
        InputError: an answer's own prompt doesn't hold its passage.
    """
    return {number: _place(meter, one) for number, one in enumerate(answers)}


def _place(meter: Meter, one: Answered) -> tuple[int, int]:
    context = " ".join((one.context or "").split())
    tokenizer = meter.model.tokenizer
    if one.prompt is not None:
        if (one.context or "") not in one.prompt:
            raise InputError(
                f"The prompt of '{printable(one.question.id)}' doesn't hold its context. Give prompts with the passage "
                "in them, or leave the context out."
            )
        return place_in(tokenizer, one.prompt, one.context or "", as_spelt(tokenizer, one.prompt))
    alone, put = (meter.form.prompt(tokenizer, text) for text in (context, one.put))
    return meter.head, max(shared(alone, put), meter.head + 1)

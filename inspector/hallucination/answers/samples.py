"""The token ids of answers' samples."""

from collections.abc import Sequence

from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.questions.prompts import following


def samples_of(meter: Meter, answers: Sequence[Answered]) -> list[list[tuple[int, ...]]]:
    """Of each answer its samples that have tokens: as they were drawn, or as their text is spelt where it is known."""
    return [[ids for ids in _samples(meter, one) if ids] for one in answers]


def _samples(meter: Meter, one: Answered) -> list[tuple[int, ...]]:
    if len(one.ids) > 1:
        return list(one.ids[1:])
    texts = [text for text in one.texts[1:] if text.strip()]
    if one.prompt is not None:
        return [following(meter.model.tokenizer, one.prompt, f"{one.begins}{text.strip()}") for text in texts]
    return [meter.form.continuation_ids(meter.model.tokenizer, one.put, text) for text in texts]

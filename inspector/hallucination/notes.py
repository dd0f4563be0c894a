"""What a reader must know of a study before trusting a number, in sentences."""

from collections.abc import Sequence

import numpy as np

from inspector.hallucination.answers.own import OwnAnswer
from inspector.hallucination.grading.labels import Label, Labelled, label
from inspector.hallucination.grading.marks import Mark
from inspector.hallucination.questions.sets import Question
from inspector.stats import auroc, auroc_difference, auroc_interval


def merged(questions: Sequence[Question]) -> list[str]:
    """That questions of the same words were asked once, where some were."""
    copies = sum(question.copies for question in questions)
    times = sum(question.copies > 0 for question in questions)
    said = f"{times} questions stood in the set several times, {copies} copies in all: each was asked once, and a name "
    return [f"{said}that any copy accepts is right."] if copies else []


def given_answers(own: Sequence[OwnAnswer]) -> list[str]:
    """What a reader must know of answers that weren't asked for here."""
    notes = []
    unmarked = sum(bool(one.samples) and not one.question.answers for one in own)
    if unmarked:
        notes.append(
            f"The samples of {unmarked:,} answers were left out: no accepted answers are known to mark them by."
        )
    elsewhere = sum(one.prompt is not None and one.question.question not in one.prompt for one in own)
    if elsewhere:
        notes.append(
            f"{elsewhere:,} prompts don't have their question in them word for word, so all of such a prompt counts as "
            "the question (for the probe 3-vs-1)."
        )
    if not any(one.samples for one in own):
        notes.append("No samples were given, so how often the model would answer otherwise is not known.")
    return notes


def words_alone(words: np.ndarray, probe: np.ndarray, made_up: np.ndarray, subject: np.ndarray) -> list[str]:
    """What the words alone say by their log-odds, where it is clearly more than nothing, beside the probe's."""
    low, high = (float(end) for end in auroc_interval(words, made_up, subject))
    if not low > 0.5:
        return []
    said = (
        "The words of question and answer alone, without a model, say which answers are incorrect: AUROC "
        f"{auroc(words, made_up):.2f} [{low:.2f}, {high:.2f}] by TF-IDF"
    )
    ahead, least, most = auroc_difference(probe, words, made_up, subject)
    by = f"the probe's AUROC is {ahead:+z.2f} [{least:+z.2f}, {most:+z.2f}] beside it"
    if least > 0:
        return [f"{said}; {by}."]
    return [f"{said}; {by}, not clearly more: it may have learnt the words."]


def of_labels(labelled: Labelled, marks: Sequence[Sequence[Mark]], empty: int) -> tuple[str, ...]:
    """What a reader must know before trusting a number."""
    counts = [sum(label(one, 1.0) == which for one in marks) for which in Label]
    words = {Label.right: "correct", Label.wrong: "incorrect", Label.mixed: "inconsistent"}
    counted = ", ".join(f"{n:,} {words.get(which, which.name)}" for n, which in zip(counts, Label, strict=True))
    notes = [f"By the paper's rule (every sample agrees): {counted}."]
    if max(map(len, marks)) == 1:
        notes = [f"No samples were drawn, so labels are the answers' own marks: {counted}."]
    elif labelled.agreement < 1:
        used = f"{labelled.count(Label.right):,} correct and {labelled.count(Label.wrong):,} incorrect"
        notes.append(
            f"Used were {used}, whose greedy answer at least {labelled.agreement:.0%} of the samples agree with."
        )
    if empty:
        notes.append(f"{empty} greedy answers were empty and can't be measured.")
    return tuple(notes)

"""The judge of a study in its settings, and back: what asks the same questions again is marked by the same judge."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from inspector.errors import InputError
from inspector.hallucination.grading.graders import Endpoint, TokenF1, WholeWords, judge_named
from inspector.hallucination.grading.marks import Judge


def as_settings(judge: Judge) -> dict[str, Any]:
    """A judge's name and, where it has any, its options, such as an endpoint's model and address; never a key."""
    options = {}
    if isinstance(judge, WholeWords | TokenF1 | Endpoint):  # of others a name is known, no more
        options = {one.name: getattr(judge, one.name) for one in fields(judge) if one.init}
    return {"judge": judge.name, **({"judge_options": options} if options else {})}


def judge_of(settings: Mapping[str, Any]) -> Judge:
    """The judge that marked a study's answers, from the study's settings.

    Raises:
        InputError: it is none of the built-in ones, or the run is older than the record of its options.
    """
    asked = settings.get("study", {})
    name, options = asked.get("judge", WholeWords.name), asked.get("judge_options", {})
    try:
        return judge_named(name, **options)
    except (InputError, TypeError) as error:
        raise InputError(
            f"This study's answers were marked by the judge '{name}', which can't be made again from the run. "
            "Give the same one (judge=…) from Python, or make the study again."
        ) from error

"""Progress: tasks are heard from beginning to end, and what callers passed before still works and warns."""

import pytest

import inspector
from inspector.models import Model
from inspector.progress import Progress, progress_of
from inspector.testing import random_texts

TEXTS = random_texts(4, 10, 20)


def test_a_scan_reports_every_token_of_its_forecast(llama: Model) -> None:
    heard: list[tuple[str, int, int | None]] = []
    inspector.examine(llama, TEXTS, progress=Progress(lambda *step: heard.append(step)))
    assert heard[0] == ("tokens", 0, sum(done for _, done, _ in heard))
    assert {name for name, _, _ in heard} == {"tokens"} and all(done for _, done, _ in heard[1:])


def test_a_callable_that_counts_tokens_still_works_and_warns(llama: Model) -> None:
    counted: list[int] = []
    with pytest.warns(DeprecationWarning, match=r"inspector\.progress\.Progress"):
        inspector.examine(llama, TEXTS, ["massive"], progress=counted.append)
    assert sum(counted) == sum(map(len, TEXTS))


def test_a_step_of_three_still_works_and_warns() -> None:
    heard: list[tuple[str, int, int]] = []
    with pytest.warns(DeprecationWarning, match=r"progress=Progress\(step\)"):
        progress = progress_of(None, lambda *step: heard.append(step))
    progress.task("asking", 3).advance(2)
    assert heard == [("asking", 0, 3), ("asking", 2, 3)]


def test_nothing_given_is_heard_by_nobody() -> None:
    progress_of(None).task("asking").advance()

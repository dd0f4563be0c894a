"""A job's address leads to its progress and its result, on another server too; a job that its visitor left ends."""

import re
from pathlib import Path
from typing import Any

import pytest
from e2e.test_browser import inspect, says
from fixtures_browser import PATIENCE, Visitor

from benchmarks.served import serving

pytestmark = pytest.mark.slow  # it waits for more than a minute


def test_a_job_is_found_by_its_address_outlives_the_server_and_ends_when_left(
    chromium: Any, tiny_folder: Path, tmp_path: Path
) -> None:
    words = " ".join(f"w{i}" for i in range(5, 75))
    with serving(tmp_path / "runs", tmp_path / "first.txt") as server:
        me = visitor(chromium, server.address)
        me.open("/?form=1")
        inspect(me, tiny_folder, words)
        says(me, re.compile("1 text, 70 tokens"))
        live = re.search(r"run=live-[\w-]+", me.page.url)
        assert live is not None
        me.page.get_by_role("textbox", name="Text (").fill("The sea is wide. " * 4000)
        me.page.get_by_text("Model and settings").click()
        me.page.get_by_role("textbox", name="Model").fill("smollm2-135m-instruct")
        me.page.get_by_role("button", name="Inspect", exact=True).click()
        me.page.get_by_role("button", name="Cancel").wait_for()
        assert "job=" in me.page.url
        me.page.reload()
        me.page.get_by_role("button", name="Cancel").wait_for()
        address = me.page.url
        me.page.context.close()
        other = visitor(chromium, server.address)
        other.page.wait_for_timeout(75_000)
        other.page.goto(address)
        says(other, "Cancelled. It ended because nobody looked at it for a minute.")
        other.page.context.close()
    with serving(tmp_path / "runs", tmp_path / "second.txt") as server:
        again = visitor(chromium, server.address)
        again.open(f"/?{live[0]}")
        says(again, re.compile("1 text, 70 tokens"))
        again.page.context.close()


def visitor(chromium: Any, address: str) -> Visitor:
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    return Visitor(page, address)

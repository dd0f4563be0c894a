"""A served dashboard and a headless Chromium that records what it asks for."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks import served as served_by
from benchmarks.served import PLACE, Served, serving

PATIENCE = 120_000
"""Milliseconds that a busy machine may take."""


@dataclass
class Visitor:
    """A browser window of its own, and all that it asked of others than this machine."""

    page: Any
    address: str
    strangers: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a screen and wait until it is drawn."""
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and nothing is a placeholder any more."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]", timeout=PATIENCE)
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=PATIENCE)
        self.page.wait_for_selector("[data-testid=stSkeleton]", state="detached", timeout=PATIENCE)

    def point(self, key: str, x: float, y: float) -> tuple[float, float]:
        """Where a figure's coordinates are in the window, after it was scrolled into view."""
        self.settle()
        plot = self.page.locator(f".st-key-{key} .js-plotly-plot").last  # an old one may fade out above it
        plot.scroll_into_view_if_needed()
        plot.locator(".xtick text").first.wait_for()
        found = plot.evaluate(PLACE, [x, y])
        return found[0], found[1]

    def click(self, key: str, x: float, y: float) -> None:
        """Click a figure at its own coordinates."""
        at = self.point(key, x, y)
        self.page.mouse.move(*at)
        self.page.wait_for_timeout(300)  # a figure knows what is under the pointer after a moment
        self.page.mouse.click(*at)

    def text(self) -> str:
        """What the screen says."""
        return str(self.page.locator("[data-testid=stMain]").inner_text())


Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium; CI fails without it, elsewhere these tests are skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install activation-inspector[dev]")
    with sync_api.sync_playwright() as driver:
        try:
            browser = served_by.chromium(driver)
        except FileNotFoundError as error:
            if os.environ.get("INSPECTOR_CI"):
                pytest.fail(f"CI: {error}")
            pytest.skip(str(error))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that don't need their own."""
    with serving(shelf, tmp_path_factory.mktemp("log") / "server.txt") as one:
        yield one


@pytest.fixture
def visit(chromium: Any, served: Served) -> Iterator[Visit]:
    """Opens windows of visitors who know nothing of each other."""
    contexts = []

    def enter(path: str = "/", *, dark: bool = False, width: int = 1280, address: str = served.address) -> Visitor:
        context = chromium.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        visitor = Visitor(page, address)
        page.on("request", lambda request: _note(visitor, request.url))
        page.on("dialog", lambda dialog: visitor.strangers.append(f"dialog: {dialog.message}"))
        visitor.open(path)
        return visitor

    yield enter
    for context in contexts:
        context.close()


def _note(visitor: Visitor, url: str) -> None:
    if not url.startswith((visitor.address, visitor.address.replace("http", "ws", 1), "data:", "blob:")):
        visitor.strangers.append(url)

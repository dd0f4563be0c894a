"""What a visitor of the dashboard waits for, in a real browser: a page, a slider, a click on a long map, an answer.

The dashboard is started by its own command on copies of the demo's runs and on a scan of one text of 2,048 tokens.
A page is there once the server has run its script, no figure is a placeholder, and each is drawn. Everything but
the slider is done once to warm up; then the median of the rounds counts, beside the longest.

    python -m benchmarks.pages RUNS [--rounds 5] [--write]    (needs Chromium, and the runs `demo` and `demo-answers`)

`--write` puts the table into docs/dashboard.md.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.results import between
from benchmarks.served import PLACE, chromium, serving

PAGE = Path(__file__).parents[1] / "docs" / "dashboard.md"
BEGIN, END = "<!-- waits: begin -->", "<!-- waits: end -->"
LENGTH = 2_048
PATIENCE = 300_000
"""Milliseconds in which anything must have happened."""

DRAWN = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app && app.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
    && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(e => e.querySelector('.main-svg')); }"""
TARGETS = {"page": 1.5, "slider": 0.5, "click": 1.5, "ask": 5.0}
"""Seconds, by the first word of a row."""
PAGES = {
    "Overview": "demo",
    "Massive activations": "demo",
    "Attention sinks": "demo",
    "Hallucination neurons": "demo-answers",
    "Interventions": "demo",
    "Compare": "demo",
    "Runs": "demo",
}
"""The pages as the navigation names them, and the run that is shown."""


class Visitor:
    """A window that says how long things take."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address

    def open(self, path: str) -> None:
        """Go to an address and wait until the page is there."""
        self.page.goto(self.address + path)
        self.drawn()

    def drawn(self) -> None:
        """Wait until the page is there."""
        self.page.wait_for_function(DRAWN)

    def says(self, pattern: str) -> None:
        """Wait until the page's main part says this; the browser looks at each frame."""
        self.page.wait_for_function(
            "said => new RegExp(said).test(document.querySelector('[data-testid=stMain]').innerText)", arg=pattern
        )

    def took(self, act: Callable[[], None], seen: Callable[[], None]) -> float:
        """Seconds from what the visitor does to what the visitor sees."""
        began = time.perf_counter()
        act()
        seen()
        return time.perf_counter() - began

    def point(self, key: str, x: float, y: float) -> tuple[float, float]:
        """Where a figure's coordinates are in the window."""
        plot = self.page.locator(f".st-key-{key} .js-plotly-plot").last
        plot.scroll_into_view_if_needed()
        self.page.wait_for_timeout(300)
        at = plot.evaluate(PLACE, [x, y])
        return float(at[0]), float(at[1])


def pages(me: Visitor, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Each page by a click on the navigation, and by its own address in a window that was there before."""
    for title, run in PAGES.items():
        clicked, loaded = [], []
        for _ in range(rounds + 1):
            me.open(f"/runs?run={run}" if title != "Runs" else f"/compare?run={run}")
            link = me.page.get_by_role("link", name=title, exact=True).first
            clicked.append(me.took(link.click, partial(_arrived, me, title)))
            address = me.page.url
            me.page.goto("about:blank")
            loaded.append(me.took(partial(me.page.goto, address), me.drawn))
        yield f"page {title}, clicked", clicked[1:]
        yield f"page {title}, by its address", loaded[1:]


def _arrived(me: Visitor, title: str) -> None:
    me.page.wait_for_function(
        "title => document.title.startsWith(title) && document.querySelectorAll('[data-testid=stMain] h1').length == 1",
        arg=title,
    )
    me.page.wait_for_timeout(30)  # the script's state follows the title
    me.drawn()


def slider(me: Visitor, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """A step of the threshold ε, to values that nobody has asked for and then to one that was."""
    me.open("/sinks?run=demo")
    thumb = me.page.get_by_role("slider").first

    def judged(before: str) -> None:
        me.page.wait_for_function(
            "before => document.querySelector('[data-testid=stMain] p.finding').innerText !== before", arg=before
        )
        me.drawn()

    def step(key: str) -> float:
        before = me.page.locator("[data-testid=stMain] p.finding").first.inner_text()
        thumb.focus()
        took = me.took(partial(me.page.keyboard.press, key), partial(judged, before))
        me.page.wait_for_timeout(700)
        return took

    yield "slider to a new value", [step("ArrowRight") for _ in range(min(rounds, 5))]
    yield "slider to a value seen before", [step("ArrowLeft") for _ in range(min(rounds, 5))]


def clicks(me: Visitor, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Clicks on the map of 2,048 tokens, until the cell's own part of the page is there."""
    me.open("/massive?run=long")
    took = []
    for turn in range(min(rounds, 8) + 1):  # to the map's other end
        at, layer = 300 + 210 * turn, 8 + 2 * turn
        place = me.point("size-map", at, layer)
        me.page.mouse.move(*place)
        me.page.wait_for_timeout(300)  # a figure knows what is under the pointer after a moment

        def seen(layer: int = layer) -> None:
            me.page.wait_for_function("layer => location.search.includes(`layer=${layer}&`)", arg=layer)
            me.drawn()

        took.append(me.took(partial(me.page.mouse.click, *place), seen))
        me.page.wait_for_timeout(500)
    yield f"click on a map of {LENGTH:,} tokens", took[1:]


def ask(me: Visitor, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """A question to the model that is loaded, until its answer and risk are shown."""
    places = ("Peru", "Kenya", "Japan", "Chile", "Cuba", "Fiji")
    took = []
    for turn in range(min(rounds + 1, len(places))):
        me.open("/neurons?run=demo-answers")
        me.page.get_by_label("Question", exact=True).fill(f"What is the capital of {places[turn]}?")
        button = me.page.get_by_role("button", name="Ask (loads the model)")
        took.append(me.took(button.click, lambda: me.says("would (hold this answer back|let this answer pass)")))
    yield "ask, the model loaded", took[1:]


PARTS = {"pages": pages, "slider": slider, "clicks": clicks, "ask": ask}


@contextmanager
def visitor(runs: Path) -> Iterator[Visitor]:
    """A browser window on a dashboard of copies of these runs."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch:
        shelf = Path(scratch) / "runs"
        for name in ("demo", "demo-answers"):
            shutil.copytree(runs / name, shelf / name)
        _long(shelf / "long", Path(scratch) / "long.txt")
        with serving(shelf, Path(scratch) / "server.txt") as served, sync_playwright() as driver:
            browser = chromium(driver)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(PATIENCE)
            yield Visitor(page, served.address)
            browser.close()


def _long(run: Path, file: Path) -> None:
    """Scan one text of this many tokens."""
    from transformers import AutoTokenizer

    from benchmarks.scan import texts, weights

    file.write_text(AutoTokenizer.from_pretrained(weights()).decode(texts(1, LENGTH)[0]))
    command = [sys.executable, "-m", "inspector.cli.main", "examine", "--file", str(file), "--out", str(run)]
    subprocess.run([*command, "--window", str(LENGTH)], check=True, capture_output=True)


def table(found: dict[str, list[float]]) -> str:
    """The rows as Markdown."""
    lines = [("what a visitor does", "median", "at most", "target"), ("---",) * 4]
    for row, took in found.items():
        lines.append((row, f"{statistics.median(took):.2f} s", f"{max(took):.2f} s", f"{target_of(row):g} s"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def target_of(row: str) -> float:
    """What the median of a row should be at most, in seconds."""
    return TARGETS[row.split()[0].rstrip(",")]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/dashboard.md")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("--write needs all rows. Leave --only away.")
    found = {}
    with visitor(asked.runs) as me:
        for name, part in PARTS.items():
            if asked.only in (None, name):
                for row, took in part(me, asked.rounds):
                    found[row] = took
                    print(f"{row:<44} {statistics.median(took):5.2f} s, at most {max(took):5.2f}", flush=True)
    if asked.write:
        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), BEGIN, END, table(found)), encoding="utf-8")


if __name__ == "__main__":
    main()

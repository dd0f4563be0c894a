"""Write pictures of every screen, light and dark, narrow and wide: python -m docs.screens RUNS FOLDER (needs Chromium).

The runs are the demo's: `demo` (texts) and `demo-answers` (a study).
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.served import chromium, serving

CELL = "text=0&layer=11&position=0"
HEAD = "layer=18&head=8"
SCREENS = {
    "start": "/",
    "overview": "/?run=demo",
    "massive": f"/massive?run=demo&{CELL}",
    "sinks": f"/sinks?run=demo&{HEAD}",
    "neurons": "/neurons?run=demo-answers",
    "interventions": "/interventions?run=demo&kind=resid_post&layer=11&unit=507&at=0&op=zero",
    "compression": "/compression?run=demo",
    "compare": "/compare?run=demo",
    "runs": "/runs",
    "measure": "/measure?run=demo&measure=compression",
    "asked": "/neurons?run=demo-answers&asked=1",
    "first-visit": "/?run=demo&tour=1",
}
PRESSED = {
    "interventions": ("Run beside a control", "the loss goes from"),
    "asked": ("Ask (loads the model)", "The guard watches the probe alone"),
}
"""The button that is pressed on a screen, and what it says then."""
FOR_THE_README = {
    "massive": ("Text 0: the largest", 1020),
    "interventions": ("Change one thing", 900),
    "neurons": ("of the probe's", 1080),
}
"""The words that a picture begins with, and its height."""
TALLEST = 5000


def draw(runs: str, folder: str) -> None:
    """Serve the runs, and take every picture."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as logs,
        serving(Path(runs), Path(logs) / "server.txt") as served,
        sync_playwright() as driver,
    ):
        browser = chromium(driver)
        for scheme in ("light", "dark"):
            for width in (1280, 400, 1920):
                _series(browser, served.address, out, scheme, width)


def _series(browser: Any, address: str, out: Path, scheme: str, width: int) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    for name, path in SCREENS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(address + path)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)
        page.wait_for_selector("[data-testid=stSkeleton]", state="detached")
        page.wait_for_timeout(1500)
        if name in PRESSED:
            button, said = PRESSED[name]
            page.get_by_role("button", name=button).click()
            page.get_by_text(said).first.wait_for(timeout=300_000)
        height = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(TALLEST, max(900, height + 60))})
        page.wait_for_timeout(1500)  # figures draw anew at the new size
        page.screenshot(path=out / f"{name}-{scheme}-{width}.png")
        if scheme == "light" and width == 1280 and name in FOR_THE_README:
            first, high = FOR_THE_README[name]
            top = page.get_by_test_id("stMain").get_by_text(first).last.bounding_box()["y"] - 30
            page.screenshot(path=out / f"dashboard-{name}.png", clip={"x": 282, "y": top, "width": 998, "height": high})
    context.close()


if __name__ == "__main__":
    draw(*sys.argv[1:3])

"""The pages of the dashboard: ours, and one for each installed detector."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from inspector.detectors.base import Judge, load_judges
from inspector.detectors.shown import Screen

HERE = Path(__file__).parent / "screens"
"""Not `pages`: a folder of that name beside app.py is served by Streamlit without app.py, on a fresh server."""

BEFORE = {"overview": "Overview"}
AFTER = {"interventions": "Interventions", "measure": "Measure", "compare": "Compare", "runs": "Runs"}


@dataclass(frozen=True)
class Page:
    """A page: its address, its title, what Streamlit calls it, and whose it is."""

    path: str
    title: str
    page: Any
    detector: Judge | None = None


def by_path() -> dict[str, Page]:
    """All pages by their address, in the order of the navigation."""
    found = {path: _ours(path, title) for path, title in BEFORE.items()}
    for judge in sorted(load_judges()[0], key=lambda one: screen_of(one).order):
        path = path_of(judge)
        if path not in found and path not in AFTER:
            found[path] = Page(path, title_of(judge), _script(path, title_of(judge)), judge)
    return found | {path: _ours(path, title) for path, title in AFTER.items()}


def screen_of(judge: Judge) -> Screen:
    """What a detector says of its screen."""
    screen = getattr(judge, "screen", None)
    return screen if isinstance(screen, Screen) else Screen()


def path_of(judge: Judge) -> str:
    """The address of a detector's screen."""
    return screen_of(judge).path or judge.name


def title_of(judge: Judge) -> str:
    """The phenomenon's name for people."""
    return str(getattr(judge, "title", judge.name))


def _ours(path: str, title: str) -> Page:
    return Page(path, title, _script(path, title))


def _script(path: str, title: str) -> Any:
    """A page of Streamlit's; a detector without a file of its own here gets the one for every detector."""
    own = HERE / f"{path}.py"
    script = own if own.exists() else HERE / "detector.py"
    first = path == next(iter(BEFORE))
    return st.Page(script, title=title, url_path="" if first else path, default=first)

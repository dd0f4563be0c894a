"""Forms: a click is never lost, a refusal is said, and what was typed is kept."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ui.test_screens import APP, address, said, testing

from dashboards import state, widgets
from dashboards.measures_of_runs import COMPRESSIONS, CONTROLS


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Where the dashboard calls a method of this name: the file, and the call."""
    for file in sorted(APP.parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield file.name, node


def test_every_form_is_heard_before_its_page_is_drawn() -> None:
    found = [(file, {word.arg for word in call.keywords}) for file, call in calls("form_submit_button")]
    assert len(found) > 6 and not [file for file, words in found if "on_click" not in words]


@pytest.fixture
def submitted(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of work that were asked for; none is done."""
    asked: list[str] = []
    monkeypatch.setattr(sys, "argv", ["app.py", str(shelf)])
    monkeypatch.setattr(state, "submit", lambda kind, *rest: asked.append(kind))
    return asked


def opened(screen: str, **parameters: str) -> Any:
    at = testing.AppTest.from_file(str(APP), default_timeout=120)
    for name, value in parameters.items():
        at.query_params[name] = value
    if screen:
        at.switch_page(f"screens/{screen}.py")
    return at.run()


def press(at: Any, label: str) -> Any:
    return next(one for one in at.button if one.label.startswith(label)).click().run()


@pytest.mark.parametrize(
    ("screen", "run", "button", "kind"),
    [
        ("", "planted", "Inspect", "scan"),
        ("neurons", "study", "Ask", "ask"),
        ("measure", "", "Measure", "measure lens"),
    ],
)
def test_a_click_is_heard_even_if_the_page_is_never_drawn(
    submitted: list[str], monkeypatch: pytest.MonkeyPatch, screen: str, run: str, button: str, kind: str
) -> None:
    at = opened(screen, **({"run": run} if run else {"measure": "lens"}))
    monkeypatch.setattr(widgets, "head", lambda *_: testing_stop())
    press(at, button)
    assert submitted == [kind]


def testing_stop() -> None:
    import streamlit as st

    st.stop()


def test_a_prompt_is_in_the_address_where_it_fits_and_kept_where_it_does_not(submitted: list[str]) -> None:
    at = opened("interventions", run="planted")
    for prompt, kept in (("Once there was", "Once there was"), ("long " * 100, None)):
        at.text_input(key="continued").set_value(prompt)
        press(at, "Run beside a control")
        assert address(at).get("prompt") == kept
        at.switch_page("screens/runs.py").run()
        at.switch_page("screens/interventions.py").run()
        assert at.text_input(key="continued").value == prompt
    assert submitted == ["change", "change"]
    assert opened("interventions", run="planted", prompt="From a link").text_input(key="continued").value == (
        "From a link"
    )


def test_a_text_is_in_the_address_where_it_fits(submitted: list[str]) -> None:
    at = opened("", run="planted")
    at.text_area(key="prompt").set_value("A tide comes in.")
    press(at, "Inspect")
    assert address(at)["typed"] == "A tide comes in." and submitted == ["scan"]
    assert opened("", run="planted", typed="Of a link.").text_area(key="prompt").value == "Of a link."
    at.text_area(key="prompt").set_value(" ")
    assert "There is no text. Type a sentence or two." in said(press(at, "Inspect"))
    assert submitted == ["scan"]


@pytest.mark.parametrize(
    ("of", "key", "choices"),
    [("verify", "verify_controls", CONTROLS), ("compression", "compress_what", COMPRESSIONS)],
)
def test_every_choice_of_a_form_is_taken(submitted: list[str], of: str, key: str, choices: Mapping[str, Any]) -> None:
    at = opened("measure", run="planted", measure=of)
    for choice in choices:
        at.selectbox(key=key).set_value(choice)
        at = press(at, "Measure")
        assert submitted == [f"measure {of}"], choice
        submitted.clear()

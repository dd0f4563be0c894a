"""A hostile run, a hostile page and a hostile origin against the dashboard and the exported page, in a real browser."""

import http.client
import re
from pathlib import Path
from typing import Any

import pytest
from e2e.test_browser import expect, says
from fixtures_browser import Visit, Visitor
from fixtures_hostile import ATTACKS, OUTSIDE
from fixtures_runs import HOSTILE, INVALID

from benchmarks.served import Served
from inspector.run.report import open_run
from inspector.show.html import render

SCREENS = {
    **dict.fromkeys(("", "massive", "sinks", "interventions", "compare", "runs"), "planted"),
    **{"compression": "tried", "neurons": "tested-study"},
}
OBEYED = f"""() => [...document.querySelectorAll('*')].filter(e =>
    [...e.attributes].some(a => a.value.includes('{OUTSIDE}') && /href|src|style/.test(a.name))
    || (e.tagName === 'B' && e.textContent === 'bold') || [...e.attributes].some(a => a.name.startsWith('onerror')))
    .map(e => e.outerHTML.slice(0, 200))"""
"""Elements that a run's text has become."""


SHOWN = """at => { const plot = document.querySelectorAll('.js-plotly-plot')[at];
    if (!plot) return null;
    plot.scrollIntoView({block: 'center'});
    const box = plot.getBoundingClientRect();
    return [box.x, box.y, box.width, box.height]; }"""
"""Where a figure is, scrolled into view; null once there is none of this number: pages draw theirs anew."""


def hover(page: Any) -> int:
    """Move over every figure, so that each shows a label; how many there were."""
    number = 0
    while box := page.evaluate(SHOWN, number):
        for share in (0.25, 0.5, 0.75):
            page.mouse.move(box[0] + box[2] * share, box[1] + box[3] * share)
            page.wait_for_timeout(30)
        number += 1
    return number


def refusals(page: Any) -> list[str]:
    """What the browser was told not to do, from now on."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    return said


@pytest.mark.slow  # a minute; the exported page, where the same figures are, is looked at every time
def test_no_string_of_a_run_is_obeyed_on_any_screen(visit: Visit) -> None:
    me = visit("/?run=hostile-planted")
    refused = refusals(me.page)
    for screen, run in SCREENS.items():
        chosen = "layer=2&position=0&head=2&neuron=3" if run == "planted" else "layer=1&neuron=3"
        me.open(f"/{screen}?run=hostile-{run}&{chosen}&pin=planted")
        me.page.wait_for_timeout(300)
        hover(me.page)
        assert me.page.evaluate(OBEYED) == [], screen
        assert "This page failed" not in me.text(), screen
    assert me.strangers == [] and refused == []  # nothing was even tried
    me.open("/?run=hostile-planted")
    says(me, ATTACKS[0])  # as it is written
    me.open("/massive?run=hostile-planted")
    me.page.get_by_role("button", name="Table, files").first.click()
    me.page.get_by_role("button", name="CSV", exact=True).wait_for()
    assert me.strangers == []


def test_no_string_of_a_run_is_obeyed_in_its_exported_page(chromium: Any, shelf: Path, tmp_path: Path) -> None:
    for name in HOSTILE:
        (tmp_path / f"{name}.html").write_text(render(open_run(shelf / f"hostile-{name}")), encoding="utf-8")
        page = chromium.new_page()
        me = Visitor(page, "file:")
        page.on("request", lambda request, me=me: me.strangers.append(request.url))
        page.on("dialog", lambda dialog, me=me: me.strangers.append(dialog.message))
        refused = refusals(page)
        page.goto(f"file://{tmp_path / name}.html")
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        assert hover(page) > 2
        assert page.evaluate(OBEYED) == [] and refused == []
        assert [one for one in me.strangers if not one.startswith(("file:", "data:", "blob:"))] == []
        page.close()


def test_the_exported_page_runs_no_script_that_it_did_not_come_with(chromium: Any, shelf: Path, tmp_path: Path) -> None:
    attacks = f"<img src=x onerror='alert(1)'><script>alert(2)</script><img src='https://{OUTSIDE}/x'>"
    page = render(open_run(shelf / "planted")).replace("</body>", f"{attacks}</body>")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    tab = chromium.new_page()
    refused, ran = refusals(tab), []
    tab.on("dialog", lambda dialog: ran.append(dialog.message))
    tab.goto(f"file://{tmp_path}/page.html")
    tab.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert ran == [] and len(refused) >= 3
    tab.close()


def upgraded(address: str, host: str, origin: str) -> int:
    """The status that a page of this origin gets when it asks for the server's socket."""
    asked = http.client.HTTPConnection(address, timeout=30)
    asked.putrequest("GET", "/_stcore/stream", skip_host=True)
    for header, value in (
        ("Host", host),
        ("Origin", origin),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ):
        asked.putheader(header, value)
    asked.endheaders()
    status = asked.getresponse().status
    asked.close()
    return status


def test_other_hosts_and_other_origins_of_this_machine_are_turned_away(served: Served) -> None:
    host = served.address.removeprefix("http://")
    assert upgraded(host, host, f"http://{host}") == 101
    for origin in ("http://localhost:9", "http://127.0.0.1:9", "http://127.0.0.1", "null", "https://evil.example"):
        assert upgraded(host, host, origin) >= 400, origin
    assert upgraded(host, "evil.example", "http://evil.example") >= 400


def test_no_page_may_frame_the_dashboard(chromium: Any, served: Served, tmp_path: Path) -> None:
    tab = chromium.new_page()
    (tmp_path / "page.html").write_text(f"<iframe src='{served.address}/?run=planted'></iframe>")
    refused = refusals(tab)
    tab.goto(f"file://{tmp_path}/page.html")
    tab.wait_for_timeout(1000)
    assert any("frame-ancestors" in one for one in refused) and tab.frames[1].url.startswith("chrome-error:")
    tab.close()


@pytest.mark.slow
def test_a_run_that_does_not_validate_is_named_in_its_row_and_breaks_no_other_page(visit: Visit) -> None:
    me = visit("/runs?run=planted")
    row = me.page.get_by_test_id("stMain").get_by_text(re.compile("evidence 'sinks'|array .* of 'sinks'")).first
    expect(row).to_be_visible()
    assert INVALID in me.text()
    me.open(f"/sinks?run={INVALID}")
    says(me, re.compile("Choose another run"))
    me.open("/compare?run=planted")
    assert "failed" not in me.text()


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        ("https://team.example", True),
        ("https://team.example:444", False),
        ("http://localhost", False),
        ("null", False),
        ("https://team.example.evil.example", False),
        ("https://[", False),
    ],
)
def test_behind_a_proxy_only_the_host_that_was_named_is_trusted(origin: str, trusted: bool) -> None:
    from dashboards.protection import is_trusted

    assert is_trusted(origin, ["127.0.0.1", "localhost", "team.example"]) == trusted

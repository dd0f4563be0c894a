"""The dashboard in a real browser: what a visitor clicks, types and sees."""

import re
from pathlib import Path
from typing import Any

import pytest
from fixtures_browser import PATIENCE, Visit, Visitor

from benchmarks.served import serving
from inspector.models import embedded

PROMPT = "Text (a line of --- begins another)"
SCREENS = ("", "massive", "sinks", "neurons", "interventions", "compare", "runs")

CONTRAST = """() => {
  const lin = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const lum = ([r, g, b]) => .2126 * lin(r) + .7152 * lin(g) + .0722 * lin(b);
  const rgba = s => { const n = (s.match(/[\\d.e-]+/g) || []).map(Number).filter(v => !isNaN(v));
    if (s.startsWith('color(')) for (let i = 0; i < 3; i++) n[i] *= 255;  // of color-mix
    return n.length < 3 ? [0, 0, 0, 0] : n.length < 4 ? [...n, 1] : n; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const shown = (e, top) => { let a = 1; for (; e && e !== top; e = e.parentElement) a *= +getComputedStyle(e).opacity;
    return a; };
  const under = e => { e = e.closest('[data-testid=stSlider]') || e;  // its number floats above its thumb
    const found = []; let paper = [255, 255, 255];
    for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] > .99) { paper = c; break; } if (c[3]) found.push(c); }
    return found.reduceRight((below, c) => over(c, below), paper); };
  const drawn = (text, svg) => {  // what a picture has drawn where this text stands, the lowest first
    const box = text.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2, found = [];
    const within = [...svg.closest('.js-plotly-plot').querySelectorAll('.nsewdrag')].some(e => {
      const r = e.getBoundingClientRect(); return x > r.x && x < r.right && y > r.y && y < r.bottom; });
    for (const e of svg.closest('.js-plotly-plot').querySelectorAll('.main-svg path, .main-svg rect')) {
      if (!(text.compareDocumentPosition(e) & 2) || e.closest('defs, clipPath, .draglayer')) continue;
      if (!within && e.closest('.cartesianlayer')) continue;  // clipped
      const c = rgba(getComputedStyle(e).fill), s = getComputedStyle(e);
      c[3] *= s.fillOpacity * shown(e, svg);
      const at = e.getScreenCTM() && new DOMPoint(x, y).matrixTransform(e.getScreenCTM().inverse());
      if (c[3] > .01 && s.fill !== 'none' && at && e.isPointInFill(at)) found.push(c); }
    return found; };
  const bad = [];
  for (const e of document.querySelectorAll('[data-testid=stApp] *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const box = e.getBoundingClientRect(), s = getComputedStyle(e), svg = e.closest('.main-svg');
    if (!own || !box.width || s.visibility === 'hidden' || e.closest('[disabled], [aria-disabled=true]')) continue;
    if ((e.closest('svg') && !svg) || e.tagName === 'style') continue;  // icons
    const ink = rgba(svg ? s.fill : s.color);
    const paper = (svg ? drawn(e, svg) : []).reduce((below, c) => over(c, below), under(e));
    if (svg) ink[3] *= s.fillOpacity * shown(e, svg);
    if (!ink[3] || s.fontFamily.includes('Material')) continue;  // shown on touch only; icons, which are no words
    const [a, b] = [lum(over(ink, paper)), lum(paper)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push(`${e.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return bad; }"""

CROWDED = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => {  // the least space between tokens
    const turned = e => (e.getAttribute('transform') || '').includes('rotate') && e.getClientRects().length;
    const at = [...plot.querySelectorAll('.xtick > text')].filter(turned).map(e => e.getBoundingClientRect().right);
    at.sort((a, b) => a - b);
    return Math.min(99, ...at.slice(1).map((x, i) => x - at[i])); }).filter(gap => gap < 8)"""

DRAWN = (
    """() => [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(e => e.querySelector('.main-svg'))"""
)


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect as expecting

    expecting.set_options(timeout=PATIENCE)
    return expecting(locator)


def says(visitor: Visitor, text: str | re.Pattern[str]) -> None:
    """Wait until the screen says this, and shows it."""
    expect(visitor.page.get_by_test_id("stMain").get_by_text(text).first).to_be_visible()


def test_from_a_cell_to_its_writers_to_taking_it_away(visit: Visit) -> None:
    me = visit("/massive?run=planted")
    me.click("size-map", 0, 2)  # 1: the planted spike's cell
    says(me, re.compile("Dim 5 holds 4,99"))
    says(me, re.compile("In layer 2 the MLP adds 5,000 to dim 5, mostly its neurons 0"))
    me.page.get_by_role("link", name=re.compile("Test it: zero dim 5 at token 0")).click()  # 2: what to do with it
    says(me, "Change one thing")
    for number, value in enumerate(("2", "5", "0")):  # layer, dim, token
        expect(me.page.get_by_role("spinbutton").nth(number)).to_have_value(value)


@pytest.mark.slow  # tests/ui has the job and how it is shown
def test_a_change_is_shown_beside_its_twin_on_the_runs_own_model(visit: Visit, tiny_folder: Path) -> None:
    me = visit(f"/interventions?run=tiny&model={tiny_folder}&kind=resid_post&layer=1&unit=3&at=0&op=zero")
    assert me.page.get_by_label("Folder or file of the run's model").input_value() == str(tiny_folder)
    me.page.get_by_label("Prompt to continue").fill("w5 w6 w7")
    me.page.get_by_role("button", name=re.compile("Run beside a control")).click()
    says(me, re.compile(r"Dim 3 of layer 1 zeroed at token 0: the loss goes from \d+\.\d\d to"))
    for role in ("Baseline", "Changed: dim 3 of layer 1 zeroed at token 0", re.compile("Matched random control: dim")):
        says(me, role)


def test_reload_and_back_keep_what_was_chosen(visit: Visit) -> None:
    me = visit("/sinks?run=planted")
    me.click("head-map", 2, 1)
    says(me, re.compile("Head 2 of layer 1 places"))
    me.click("head-map", 0, 3)
    says(me, re.compile("Head 0 of layer 3 places"))
    me.page.reload()
    me.settle()
    says(me, re.compile("Head 0 of layer 3 places"))
    me.page.go_back()
    says(me, re.compile("Head 2 of layer 1 places"))
    me.page.get_by_role("link", name="Massive activations", exact=True).click()
    says(me, "A few numbers inside the model are thousands of times larger than the rest.")
    assert "layer=1" in me.page.url and "run=planted" in me.page.url
    me.page.go_back()
    says(me, re.compile("Head 2 of layer 1 places"))


def test_the_main_path_needs_no_mouse(visit: Visit) -> None:
    me = visit("/?run=planted")
    reach(me, "link", "Massive activations")
    me.page.keyboard.press("Enter")
    says(me, "A few numbers inside the model are thousands of times larger than the rest.")
    for box, typed, option in (("Layer", "2", "2"), ("Token", "0:", "0: #7")):
        me.settle()
        reach(me, "combobox", box)
        me.page.keyboard.type(typed)
        expect(me.page.get_by_role("option").first).to_have_text(option)
        me.page.keyboard.press("Enter")
    says(me, re.compile("Dim 5 holds 4,99"))
    reach(me, "link", "Test it: zero dim 5")
    me.page.keyboard.press("Enter")
    says(me, "Change one thing")


def reach(visitor: Visitor, role: str, name: str) -> None:
    """Press Tab until this has the focus."""
    wanted = visitor.page.get_by_role(role, name=re.compile(name)).first
    wanted.wait_for()
    for _ in range(80):
        if wanted.evaluate("e => e === document.activeElement || e.contains(document.activeElement)"):
            return
        visitor.page.keyboard.press("Tab")
    raise AssertionError(f"Tab doesn't reach the {role} '{name}'")


def inspect(visitor: Visitor, model: Path, prompt: str) -> None:
    """Fill in the form for this model, and start."""
    visitor.page.get_by_text("Model and settings").click()
    visitor.page.get_by_label("Model", exact=True).fill(str(model))
    visitor.page.get_by_role("textbox", name=PROMPT).fill(prompt)
    visitor.page.get_by_role("button", name="Inspect", exact=True).click()


def test_two_visitors_at_once_each_end_with_their_own_numbers(visit: Visit, tiny_folder: Path) -> None:
    words = [[f"w{i}" for i in range(5, 75)], [f"w{i}" for i in range(80, 20, -1)]]
    visitors = [visit("/?run=planted"), visit("/?run=planted")]
    for me, prompt in zip(visitors, words, strict=True):
        inspect(me, tiny_folder, " ".join(prompt))
    for me, prompt in zip(visitors, words, strict=True):
        expect(me.page.get_by_text("Live run")).to_be_visible()
        says(me, re.compile(f"1 text, {len(prompt)} tokens"))
        expect(me.page.locator(".tokens span")).to_have_text(prompt)
    assert visitors[0].page.url != visitors[1].page.url
    visitors[0].page.reload()
    visitors[0].settle()
    says(visitors[0], re.compile("1 text, 70 tokens"))


def test_cancel_ends_a_scan_and_nothing_is_kept(visit: Visit, tiny_folder: Path) -> None:
    me = visit("/?run=planted")
    inspect(me, tiny_folder, " ".join(f"w{5 + i % 90}" for i in range(40_000)))
    button = me.page.get_by_role("button", name="Cancel")
    button.wait_for()
    says(me, re.compile(r"Tokens [\d,]+ of [\d,]+"))
    button.click()
    says(me, "Cancelled. Nothing was kept.")
    assert "live-" not in me.page.url
    inspect_again = me.page.get_by_role("textbox", name=PROMPT)
    inspect_again.fill(" ".join(f"w{i}" for i in range(5, 75)))
    me.page.get_by_role("button", name="Inspect", exact=True).click()
    says(me, re.compile("1 text, 70 tokens"))  # the worker was free, and not after forty thousand tokens


@pytest.mark.parametrize(
    ("dark", "width"),
    [
        pytest.param(False, 1280, id="light and wide", marks=pytest.mark.slow),
        pytest.param(True, 400, id="dark and narrow"),
        pytest.param(True, 1280, id="dark and wide", marks=pytest.mark.slow),
        pytest.param(False, 400, id="light and narrow", marks=pytest.mark.slow),
    ],
)
def test_every_screen_can_be_read_and_fits(visit: Visit, dark: bool, width: int) -> None:
    me = visit("/?run=planted", dark=dark, width=width)
    for screen in SCREENS:
        name = "study" if screen == "neurons" else "planted"
        me.open(f"/{screen}?run={name}&pin=empty&layer=2&position=0&head=2&answer=0")
        me.page.wait_for_function(DRAWN)
        me.page.wait_for_timeout(500)
        if screen == "neurons":
            assert me.page.locator(".answer").count(), "no answer is on screen"
        assert me.page.evaluate(CONTRAST) == [], f"{screen}: words that are too faint"
        assert me.page.evaluate(CROWDED) == [], f"{screen}: names of tokens cover each other"
        assert me.page.get_by_role("main").count() == me.page.get_by_role("navigation", name="Screens").count() == 1
        wide = me.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= width, f"{screen} is {wide} pixels wide"
        assert "failed" not in me.text()
    assert me.strangers == []


@pytest.mark.slow
def test_a_table_comes_as_a_file_with_every_row(visit: Visit, shelf: Path) -> None:
    import io

    import pandas as pd

    from inspector.run.report import open_run

    me = visit("/sinks?run=planted")
    me.page.locator(".st-key-head-map").locator("xpath=ancestor::*[@data-testid='stVerticalBlock'][1]").get_by_role(
        "button", name="Table, files"
    ).first.click()
    for label, read in (("CSV", pd.read_csv), ("Parquet", pd.read_parquet)):
        with me.page.expect_download() as coming:
            me.page.get_by_role("button", name=label, exact=True).click()
        got = read(io.BytesIO(Path(coming.value.path()).read_bytes()))
        expected = open_run(shelf / "planted").frame("sinks.heads")
        assert list(got.columns) == list(expected.columns) and len(got) == len(expected)
        assert got["received"].to_numpy() == pytest.approx(expected["received"].to_numpy())


@pytest.mark.slow
def test_a_live_run_is_saved_renamed_and_deleted(
    chromium: Any, visit: Visit, tiny_folder: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "runs", tmp_path / "log.txt") as own:
        me = visit("/", address=own.address)
        me.page.get_by_role("button", name="A file, several texts, or another model").click()
        inspect(me, tiny_folder, " ".join(f"w{i}" for i in range(5, 75)))
        expect(me.page.get_by_text("Live run")).to_be_visible()
        me.page.get_by_label("Save this run as").fill("../outside")
        me.page.get_by_role("button", name="Save", exact=True).click()
        says(me, re.compile("can't name a run"))
        me.page.get_by_label("Save this run as").fill("mine")
        me.page.get_by_role("button", name="Save", exact=True).click()
        expect(me.page.get_by_text("Saved run")).to_be_visible()
        assert (tmp_path / "runs" / "mine" / "run.json").is_file() and not (tmp_path / "outside").exists()
        me.open("/runs")
        me.page.get_by_role("button", name="More").click()
        me.page.get_by_text("Yes, delete").click()
        me.page.get_by_role("button", name="Delete", exact=True).click()
        me.page.get_by_role("button", name="Delete it").click()
        says(me, re.compile("No runs yet"))
        assert not (tmp_path / "runs" / "mine").exists()


@pytest.mark.slow
def test_fresh_servers_start_clean_on_a_deep_link(visit: Visit, shelf: Path, tmp_path: Path) -> None:
    for number in range(10):
        log = tmp_path / f"log{number}.txt"
        with serving(shelf, log) as fresh:
            me = visit("/massive?run=planted&layer=2&position=0", address=fresh.address)
            says(me, re.compile("Dim 5 holds 4,99"))
            assert me.page.get_by_role("link", name="Attention sinks", exact=True).is_visible()
            me.page.context.close()
        assert "Error" not in log.read_text() and "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.skipif(embedded.gguf_path() is None, reason=embedded.INSTALL)
def test_a_door_opens_by_keyboard_alone_and_the_second_one_is_quick(visit: Visit) -> None:
    import time

    me, took = visit("/"), []
    doors = {
        "Find what is massive": re.compile(r"the largest \|x\| is 22,"),
        "Find where it goes": "Colour the heads by",
    }
    for button, sees in doors.items():
        me.open("/")
        reach(me, "button", button)
        started = time.monotonic()
        me.page.keyboard.press("Enter")
        expect(me.page.get_by_role("button", name="Cancel")).to_be_visible()
        says(me, sees)
        took.append(time.monotonic() - started)
    assert took[1] < took[0]  # the model is loaded and its control inputs are measured
    assert me.strangers == []


@pytest.mark.skipif(embedded.gguf_path() is None, reason=embedded.INSTALL)
def test_the_real_model_end_to_end(visit: Visit) -> None:
    """The prompt and numbers of the literature's table for the built-in model."""
    me = visit("/?run=planted")
    me.page.get_by_role("textbox", name=PROMPT).fill("The capital of France is")
    me.page.get_by_role("button", name="Inspect", exact=True).click()
    me.page.get_by_text("Live run").wait_for(timeout=300_000)
    says(me, "22,552")
    says(me, re.compile("dim 507"))
    me.page.get_by_role("link", name="Massive activations", exact=True).click()
    says(me, re.compile(r"Text 0: the largest \|x\| is 22,552, at token 0"))
    me.click("size-map", 0, 11)
    says(me, re.compile("Dim 507 holds 22,552"))
    assert me.strangers == []

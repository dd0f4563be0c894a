"""Where the command is given, what runs and models say of themselves, and what disks are: none of it is obeyed."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import unicodedata
import urllib.request
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_cli import Command, tree
from fixtures_tiny import Words

from dashboards import state
from dashboards.shelf import Shelf
from inspector.cli import dashboard as cli_dashboard
from inspector.cli import main
from inspector.errors import InputError, ModelError, RunError
from inspector.figures.effects import effect_intervals
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import from_file
from inspector.models import chat_template, embedded, load_model
from inspector.printable import printable
from inspector.records import Effect
from inspector.resume import KEPT, working_folder
from inspector.run.replacing import claim
from inspector.run.report import Report, open_run
from inspector.show.html import render

NASTY = "x\x1b[31m\x1b]0;title\x07\x9b2J\u202eevil\r\x7f[bold red]y[/]<b onclick=alert(1)>z"
"""Escape sequences of both sets, a title, a change of direction, a carriage return, rich markup and HTML."""
OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def obeyed(text: str) -> set[str]:
    return {c for c in text if c not in "\n\t" and unicodedata.category(c) in OBEYED}


# The folder in which the dashboard is started.


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with modules and settings of somebody else."""
    folder = tmp_path / "hostile"
    (folder / "dashboards").mkdir(parents=True)
    (folder / ".streamlit").mkdir()
    mark = f"open({str(tmp_path / 'ran')!r}, 'a').write(__file__ + '\\n')\n"
    for name in (
        "streamlit",
        "dashboards/__init__",
        "dashboards/app",
        "dashboards/frame",
        "inspector",
        "numpy",
        "click",
    ):
        (folder / f"{name}.py").write_text(mark)
    (folder / ".streamlit" / "config.toml").write_text(
        '[client]\nallowedOrigins = ["https://evil.example"]\n[server]\nenableCORS = false\n'
        'corsAllowedOrigins = ["https://evil.example"]\nbaseUrlPath = "evil"\nenableStaticServing = true\n'
        "enableAgentApi = true\nenableXsrfProtection = false\n"
        '[theme]\nbase = "https://evil.example/theme.toml"\n[[theme.fontFaces]]\nfamily = "x"\n'
        'url = "https://evil.example/font.woff2"\n'
    )
    (folder / ".streamlit" / "secrets.toml").write_text('EVIL = "1"\n')
    return folder


def test_the_dashboard_runs_and_obeys_nothing_of_the_folder_it_is_started_in(hostile: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = cli_dashboard.command(tmp_path / "runs", port, "127.0.0.1", [])
    assert given[1] == "-P"
    process = subprocess.Popen(given, cwd=hostile, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        config, origin = _host_config(port, process)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert "evil" not in json.dumps(config) and origin is None, said
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


def _host_config(port: int, process: Any) -> tuple[Any, str | None]:
    """What the server tells a page of another origin about whom it talks to, and whether that page may read it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/_stcore/host-config", headers={"Origin": "https://evil.example"}
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer), answer.headers.get("Access-Control-Allow-Origin")
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not come up ({process.poll()})")


def test_the_dashboard_of_a_file_is_refused_in_a_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("dashboard", tmp_path / "file", "--port", "48123")
    assert done.code == 2 and "not a folder" in done.err and done.err.count("\n") == 1


# Links and archives.


@pytest.mark.parametrize("name", ["run.json", "tokens.parquet", "evidence/massive.safetensors", "evidence"])
def test_a_run_with_a_link_in_it_is_neither_opened_nor_packed(run: Path, name: str) -> None:
    outside = run.parent / "outside"
    (run / name).rename(outside)
    (run / name).symlink_to(outside)
    with pytest.raises(RunError, match="link"):
        open_run(run)
    with pytest.raises(RunError, match="link"):
        Shelf(run.parent).packed("run")


def test_a_pack_holds_what_the_run_lists_and_nothing_else(run: Path) -> None:
    (run / "secret.txt").write_text("mine")
    (run / "linked").symlink_to(run / "secret.txt")
    with zipfile.ZipFile(io.BytesIO(Shelf(run.parent).packed("run"))) as packed:
        assert {"run.json", *json.loads((run / "run.json").read_bytes())["files"]} == set(packed.namelist())


def archive(run: Path, method: int = zipfile.ZIP_DEFLATED, **more: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for path in run.rglob("*"):
            if path.is_file():
                packed.write(path, path.relative_to(run).as_posix())
        for name, content in more.items():
            packed.writestr(name, content)
    return out.getvalue()


def test_an_archive_with_a_file_that_the_run_does_not_list_is_not_unpacked(run: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(RunError, match="doesn't list"):
        shelf.bring_in("other", archive(run, **{"evidence/zeros.safetensors": bytes(1 << 22)}))
    assert tree(shelf.root) == {}


def test_a_listed_file_unpacks_to_its_size_and_no_further(run: Path, tmp_path: Path) -> None:
    path = run / "tokens.parquet"
    path.write_bytes(path.read_bytes() + bytes(1 << 22))
    with pytest.raises(RunError, match="larger"):
        Shelf(tmp_path / "shelf").bring_in("other", archive(run))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_damaged_anywhere_is_refused_in_a_line(run: Path, tmp_path: Path, method: int) -> None:
    shelf, whole, refused = Shelf(tmp_path / "shelf"), archive(run, method), []
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = whole[:at] + bytes(255 - byte for byte in whole[at : at + 9]) + whole[at + 9 :]
        try:
            shelf.bring_in(f"at-{at}", damaged)
        except RunError as error:
            refused.append(str(error))
    assert refused and not [said for said in refused if "\n" in said or str(tmp_path) in said]


# Markup and escape sequences.


def nasty(report: Report) -> Report:
    """The report, saying nasty things wherever a run may say something."""
    numbers = dict.fromkeys(("change", "low", "high", "twin_change", "twin_low", "twin_high", "p", "q"), 0.5)
    effect = Effect(NASTY, NASTY, "loss", **numbers, n=3, reason=NASTY, detector="massive")  # type: ignore[arg-type]
    found = tuple(replace(one, kind=NASTY) for one in report.findings)
    card = {**report.card, "name": NASTY, "dtype": NASTY, "architecture": NASTY, "source": NASTY}
    tokens = {**report.tokens, "token": np.array([NASTY] * len(report.tokens["id"]), dtype=object)}
    return replace(report, card=card, findings=found, tokens=tokens, effects=(effect,), notes=(NASTY,))


@pytest.mark.parametrize("more", [(), ("--json",), ("--frame", "tokens"), ("--frame", "effects"), ("--frame", "x\x1b")])
def test_nothing_a_run_says_is_obeyed_by_the_terminal(
    report: Report, command: Command, tmp_path: Path, more: tuple[str, ...]
) -> None:
    place = nasty(report).save(tmp_path / "run")
    done = command("show", place, *more)
    assert not obeyed(done.out + done.err)
    assert r"\x1b" in done.out + done.err or r"\u001b" in done.out
    if not more:
        assert "[bold red]" in done.out.replace("\n", "")
    if more == ("--json",):
        assert json.loads(done.out)["model"]["name"] == NASTY


def test_nothing_a_run_says_is_markup_on_the_page(report: Report) -> None:
    page = render(nasty(report))
    assert "<b onclick" not in page and "&lt;b onclick" in page


def test_a_title_and_a_verdict_are_text_in_the_figure(report: Report) -> None:
    effects = nasty(report).frame("effects").assign(verdict=NASTY)
    drawn = effect_intervals(effects).to_dict()
    assert "<b onclick" not in repr(drawn)


def test_messages_of_errors_and_names_of_places_are_printed_not_obeyed(command: Command, tmp_path: Path) -> None:
    for arguments in (
        ("show", tmp_path / NASTY.replace("/", "")),
        ("examine", "--model", NASTY, "--out", tmp_path / "out"),
        ("show", "--no\x1b[31m"),
    ):
        done = command(*arguments)
        assert (
            done.code == 2
            and not obeyed(done.out + done.err)
            and "Traceback" not in done.err
            and done.err.count("\n") <= 2
        )


def test_letters_of_any_script_and_emoji_are_printed_as_they_are() -> None:
    said = "Łódź 東京 می‌خواهم क्‍ष 👩‍👧 a\u00a0b ‰"
    assert printable(said) == said and printable("a\nb") == r"a\nb" and printable("a\nb", kept="\n") == "a\nb"


ENCODED = [("cp1252", ("--json",)), ("cp1252", ()), ("cp1252", ("--frame", "tokens"))]
ENCODED += [(encoding, more) for encoding in ("ascii", "utf-8") for more in ((), ("--json",))]


@pytest.mark.parametrize(
    ("encoding", "more"), [*ENCODED[:2], *(pytest.param(*one, marks=pytest.mark.slow) for one in ENCODED[2:])]
)
def test_a_pipe_that_is_not_utf8_gets_everything(
    report: Report, tmp_path: Path, encoding: str, more: tuple[str, ...]
) -> None:
    tokens = {**report.tokens, "token": np.array(["東京 Łódź 🙂"] * len(report.tokens["id"]), dtype=object)}
    place = replace(report, tokens=tokens, notes=("Łódź 🙂",)).save(tmp_path / "run")
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "inspector.cli", "show", str(place), *more], env=env, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if more == ("--json",):
        assert json.loads(done.stdout.decode(encoding))["notes"] == ["Łódź 🙂"]


# Half pairs, templates, names.

HALF = "\ud83d"


@pytest.mark.parametrize(
    "row",
    [
        {"question": f"Who {HALF}?", "answers": ["x"]},
        {"question": "Who?", "answers": [f"x{HALF}"]},
        {"question": "Who?", "answers": ["x"], "subject": HALF},
        {"question": "Who?", "answers": ["x"], "id": HALF},
        {"question": 3, "answers": [HALF]},
    ],
)
def test_half_a_surrogate_pair_in_a_file_of_questions_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    for name, content in (("q.jsonl", json.dumps(row)), ("q.json", json.dumps([row]))):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="half a surrogate pair"):
            from_file(tmp_path / name)


@pytest.mark.parametrize("form", [Form(), Form("chat")])
def test_half_a_surrogate_pair_is_refused_however_a_question_is_put(form: Form) -> None:
    with pytest.raises(InputError, match="half a surrogate pair"):
        form.prompt(Words("a template"), f"Who {HALF}?")
    with pytest.raises(InputError, match="half a surrogate pair"):
        form.answer_ids(Words("a template"), "Who?", HALF)


TEMPLATES = {
    "raises": "{{ raise_exception('only\x1b users') }}",
    "recurses": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "loops": "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
    "uses an undefined name": "{{ nothing.of.this }}",
    "calls an undefined name": "{{ nothing() }}",
    "is no template": "{% for %}",
    "ignores the question": "hello",
    "is endless": "{{ 'a' * 3000000 }}",
    "is blank": "{{ none.x }}",
    "is one long power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "grows in one step": "{% set n = messages|length %}{{ 'a' * (10 ** (9 + n)) }}",
    "pads without end": "{{ 'a'|center(99999999999) }}",
    "formats without end": "{{ '%99999999999d' % 1 }}",
    "justifies without end": "{{ 'a'.ljust('99999999999'|int) }}",
    "doubles without end": "{% set n = namespace(a=1) %}{% for i in range(60) %}{% set n.a = n.a ~ n.a %}{% endfor %}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_chat_template_that_fails_is_refused_in_a_line(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    from transformers import AutoTokenizer

    monkeypatch.setattr(chat_template, "SECONDS", 0.3)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.chat_template = template
    before = sys.gettrace()
    with pytest.raises(InputError, match="chat template") as refused:
        Form("chat").prefix(tokenizer)
    assert not obeyed(str(refused.value)) and "\n" not in str(refused.value) and sys.gettrace() is before


@pytest.mark.parametrize("name", ["模" * 100, "./" + "模" * 100, "a/" + "é" * 200, HALF, "a\0b", "x" * 5000])
def test_a_models_name_that_no_disk_takes_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="no model's name"):
        load_model(name)


@pytest.mark.parametrize(
    "name", ["my run", "обзор", "東京", "a" * 100, "ä", "a+b (2)", "50%", "x [y]", "<b>", "a" * 240]
)
def test_a_run_of_any_name_is_on_the_dashboard_and_can_be_brought_in(report: Report, tmp_path: Path, name: str) -> None:
    report.save(tmp_path / name)
    shelf = Shelf(tmp_path)
    (run,) = shelf.all()
    assert (run.name, run.fault) == (name, "") and shelf.find(name).folder == tmp_path / name
    content = shelf.packed(name)
    shelf.rename(name, "short")
    shelf.bring_in(name, content)
    shelf.delete(name)
    assert [one.name for one in shelf.all()] == ["short"]


def test_a_run_whose_name_can_not_be_shown_is_listed_with_what_to_do(run: Path) -> None:
    run.rename(run.parent / "a\x1bb")
    (found,) = Shelf(run.parent).all()
    assert r"a\x1bb" in found.fault and "Rename" in found.fault


def test_a_moment_is_said_without_what_windows_lacks() -> None:
    assert state.said_time(datetime(2026, 3, 4, 5, 6, tzinfo=UTC)) == "4 March 2026, 05:06 UTC"
    root = Path(state.__file__).parent
    assert not [path for path in root.rglob("*.py") if 'strftime("%-' in path.read_text()]


# Stopped work.


SLOW = """
import sys, time
from pathlib import Path
from inspector.cli.main import main
from inspector.resume import working_folder
from inspector.show import html

def write(report, page):
    with working_folder(Path(page), ["work"]) as folder:
        (folder / "answers.jsonl").write_text("done")
        print("begun", flush=True)
        time.sleep(60)

html.write = write
main()
"""
"""A command that takes long and keeps what it has done so far."""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_work_that_is_stopped_says_what_is_kept_and_is_listed_and_removable(
    run: Path, tmp_path: Path, command: Command, number: int, code: int
) -> None:
    given = [sys.executable, "-c", SLOW, "export", str(run), "--html", str(tmp_path / "a page")]
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # our parent may ignore it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(given, **pipes, preexec_fn=heard) as process:
        assert process.stdout is not None
        begun = process.stdout.readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert begun == "begun\n" and process.returncode == code, said
    (folder,) = tmp_path.glob(".*.working")
    (line,) = [line for line in said.splitlines() if line.strip()]
    assert f"kept in '{folder}'" in line and "the same command resumes it" in line
    listed = json.loads(command("runs", tmp_path, "--json").out)
    assert [one["name"] for one in listed["runs"]] == ["run"]
    assert [one["name"] for one in listed["stopped"]] == [folder.name]
    assert command("runs", tmp_path, "--remove", folder.name).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_work_that_stops_with_nothing_done_leaves_nothing(tmp_path: Path) -> None:
    KEPT.clear()
    with pytest.raises(InputError, match="too few"), working_folder(tmp_path / "run", ["work"]):
        raise InputError("too few")
    assert not list(tmp_path.iterdir()) and not KEPT


def test_a_mistake_after_some_work_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*args: object, **more: object) -> None:
        with working_folder(tmp_path / "run", ["work"]) as folder:
            (folder / "answers.jsonl").write_text("done")
            raise InputError("Too few.")

    monkeypatch.setattr(main, "app", refused)
    monkeypatch.setattr(sys, "argv", ["inspector"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err
    (folder,) = tmp_path.glob(".*.working")
    assert ended.value.code == 2
    assert said.startswith(f"inspector: Too few. What was done is kept in '{folder}'") and said.count("\n") == 1


def test_a_place_that_is_not_utf8_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="its name is not UTF-8"):
        claim(tmp_path / "caf\udce9")


@pytest.mark.parametrize(
    "command", [["detectors"], *(pytest.param([one], marks=pytest.mark.slow) for one in ("models", "--help"))]
)
def test_a_closed_pipe_is_no_mistake(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "inspector.cli", *command], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_question_with_something_deep_beside_it_is_read(tmp_path: Path, suffix: str) -> None:
    row = '{"question":"Who?","answers":["me"],"x":' + "[" * 800 + "]" * 800 + "}"
    file = tmp_path / f"questions{suffix}"
    file.write_text(f"[{row}]" if suffix == ".json" else row)
    assert from_file(file)[0].answers == ("me",)


def test_runs_lists_runs_and_removes_only_what_stopped_work_left(command: Command, run: Path, tmp_path: Path) -> None:
    (tmp_path / ".writing-abc").mkdir()
    shutil.copytree(run, tmp_path / ".writing-abc" / "old")
    (tmp_path / ".git").mkdir()
    with working_folder(run, ["work"]) as folder, working_folder(run, ["other work"]):
        done = command("runs", tmp_path)
        assert "in use" in done.out and "whole run" in done.out and done.out.startswith("run  tiny")
        assert command("runs", tmp_path, "--remove", folder.name).code == 2
    folder.mkdir()
    (folder / "part").write_text("done")
    assert "the same command resumes it" in command("runs", tmp_path).out
    for name in ("run", ".git", "../x", folder.name.removeprefix(".")):
        refused = command("runs", tmp_path, "--remove", name)
        assert refused.code == 2 and refused.err.count("\n") == 1
    assert command("runs", tmp_path, "--remove", folder.name, "--remove", ".writing-abc").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "run"]
    assert command("runs", tmp_path / "nowhere").code == 2


# The cache.


def test_a_cache_that_can_not_be_written_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        monkeypatch.setenv("INSPECTOR_CACHE", str(place))
        with pytest.raises(ModelError, match="Set INSPECTOR_CACHE"):
            embedded.dequantised(tmp_path / "absent.gguf", "0" * 64)


def test_a_cache_without_room_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECTOR_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded, "_size_of", lambda gguf: 1 << 60)
    with pytest.raises(ModelError, match=r"GB are free and 1152921504\.6 GB are needed"):
        embedded.dequantised(tmp_path / "absent.gguf", "0" * 64)
    assert tree(tmp_path) == {}


def test_a_disk_that_fills_up_while_weights_are_written_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(gguf: Path, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("INSPECTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "_convert", full)
    with pytest.raises(ModelError, match="No space left"):
        embedded.dequantised(tmp_path / "absent.gguf", "0" * 64)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_the_disk_refuses_anywhere_is_a_line(command: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr("inspector.run.report.open_run", refuse)
    done = command("show", run)
    assert done.code == 2 and "'/some/file'" in done.err and done.err.count("\n") == 1

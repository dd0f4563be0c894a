"""The command line: one line for each mistake, nothing left behind, and what the commands print."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from fixtures_cli import SCRIPT, TEXT, Command, Outcome, tree

from inspector.run.report import Report, open_run

MEGABYTE = 2**20


def refused(outcome: Outcome, *words: str) -> None:
    """Exit code 2, nothing on stdout, and exactly one line on stderr, which holds these words."""
    assert (outcome.code, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert outcome.err.startswith("inspector: ") and outcome.err.endswith("\n")
    for word in words:
        assert word in outcome.err


@pytest.fixture
def examine(command: Command, tiny_folder: Path, tmp_path: Path) -> Command:
    """`inspector examine` of the tiny model to tmp_path/out; options given later win."""
    return lambda *options: command(
        "examine", "--quiet", "--device", "cpu", "--model", tiny_folder, "--out", tmp_path / "out", *options
    )


def broken_model(tiny: Path, folder: Path, *, file: str = "", keep: int = 0) -> Path:
    """A copy of the tiny model, one of whose files is cut to so many bytes."""
    shutil.copytree(tiny, folder)
    if file:
        os.truncate(folder / file, keep)
    return folder


# Mistakes: what, got, do; nothing is written.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--text", ""], ["Text 0 is empty"]),
        (["--text", "w5", "--text", " \n\t"], ["Text 1 is empty"]),
        (["--text", "w5", "--detectors", "sink"], ["'sink'", "There is: compression, hneurons, massive, sinks"]),
        (["--text", "w5", "--detectors", ","], ["No detector was named"]),
        (["--text", "w5", "--model", "/no/such/folder"], ["/no/such/folder"]),
        (["--text", "w5", "--model", "nothing.gguf"], ["nothing.gguf"]),
        (["--text", "w5", "--bos", "maybe"], ["--bos", "maybe"]),
        (["--text", "w5", "--window", "wide"], ["--window"]),
        (["--text", "w5", "--window", "1"], ["--window"]),
        (["--text", "w5", "--batch-tokens", "0"], ["--batch-tokens"]),
        (["--texts", "0"], ["--texts"]),
        (["--text", "w5", "--dtype", "int3"], ["int3", "float32"]),
        (["--text", "w5", "--device", "floppy"], ["floppy"]),
        (["--text", "w5", "--seed", "-1"], ["seed"]),
        (["--text", "w5 \udce9"], ["Text 0"]),
        (["--text", "w5", "--model", "m" * 300], ["mmm"]),
        (["--nope"], ["--nope"]),
        (["stray"], ["stray"]),
    ],
    ids=lambda value: " ".join(value)[:40].encode("ascii", "replace").decode(),
)
def test_a_bad_option_gives_one_line_and_writes_nothing(
    examine: Command, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    refused(examine(*options), *words)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("latin.txt", "café".encode("latin-1"), ["latin.txt", "UTF-8", "byte 3"]),
        ("blank.txt", b" \n", ["blank.txt", "empty"]),
        ("broken.jsonl", b'{"text": "w5"}\n{"text": \n', ["broken.jsonl", "line 2"]),
        ("keyless.jsonl", b'{"words": "w5"}\n', ["keyless.jsonl", "line 1", '"text"']),
        ("lone.jsonl", b'{"text": "w5 \\ud800"}\n', ["Text 0"]),
        ("deep.jsonl", b"[" * 100_000, ["deep.jsonl", "line 1"]),
    ],
    ids=["latin", "blank", "broken", "keyless", "surrogate", "deep"],
)
def test_a_bad_file_is_named(examine: Command, tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    (tmp_path / name).write_bytes(content)
    before = tree(tmp_path)
    outcome = examine("--file", tmp_path / name)
    refused(outcome, *words)
    assert tree(tmp_path) == before


def test_a_missing_file_is_named(examine: Command, tmp_path: Path) -> None:
    refused(examine("--file", tmp_path / "absent.txt"), "absent.txt", "No such file")
    assert tree(tmp_path) == {}


def test_a_folder_without_weights_is_named(examine: Command, tiny_folder: Path, tmp_path: Path) -> None:
    folder = broken_model(tiny_folder, tmp_path / "weightless")
    (folder / "model.safetensors").unlink()
    before = tree(tmp_path)
    refused(examine("--text", "w5", "--model", folder), "weightless", "model.safetensors")
    assert tree(tmp_path) == before


def test_an_empty_folder_is_no_model(examine: Command, tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    refused(examine("--text", "w5", "--model", tmp_path / "hollow"), "hollow")
    assert tree(tmp_path) == {"hollow": None}


@pytest.mark.parametrize(("file", "keep"), [("model.safetensors", 5000), ("config.json", 20)])
def test_a_truncated_model_is_named(examine: Command, tiny_folder: Path, tmp_path: Path, file: str, keep: int) -> None:
    folder = broken_model(tiny_folder, tmp_path / "cut", file=file, keep=keep)
    refused(examine("--text", "w5", "--model", folder), str(folder))
    assert not (tmp_path / "out").exists()


def test_a_damaged_gguf_is_named(examine: Command, tmp_path: Path) -> None:
    (tmp_path / "junk.gguf").write_bytes(b"GGUF junk")
    refused(examine("--text", "w5", "--model", tmp_path / "junk.gguf"), "junk.gguf")


def test_a_refused_scan_leaves_no_folders_on_the_way_to_out(examine: Command, tmp_path: Path) -> None:
    refused(examine("--text", "", "--out", tmp_path / "a" / "b" / "run"))
    assert tree(tmp_path) == {}


def test_an_existing_run_is_not_overwritten(examine: Command, run: Path) -> None:
    before = tree(run)
    refused(examine("--text", "w5", "--out", run), str(run), "--overwrite")
    assert tree(run) == before


def test_an_existing_run_is_replaced_on_request(examine: Command, run: Path) -> None:
    outcome = examine("--text", "w5 w6 w7", "--out", run, "--overwrite")
    assert outcome == Outcome(0, f"{run}\n", "")
    assert open_run(run).frame("tokens")["token"].tolist() == ["w5", "w6", "w7"]
    assert [path.name for path in run.parent.iterdir()] == [run.name]


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_place_that_is_not_a_run_is_never_touched(examine: Command, tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "letter.txt").write_text("dear")
    before = tree(tmp_path)
    for place in ("thesis", "letter.txt"):
        refused(examine("--text", "w5", "--out", tmp_path / place, *more), place, "is not a run")
    assert tree(tmp_path) == before


def test_an_unwritable_place_is_named_before_the_model_is_loaded(examine: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(examine("--text", "w5", "--model", "/no/model", "--out", tmp_path / "file" / "run"), "can't be written")
    assert tree(tmp_path) == {"file": b"x"}


def test_a_name_too_long_for_the_disk_is_refused(examine: Command, tmp_path: Path) -> None:
    refused(examine("--text", "w5", "--out", tmp_path / ("n" * 300)))
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("arguments", [["show", "nowhere"], ["export", "nowhere", "--html", "page.html"]])
def test_a_missing_run_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(command(*arguments), "nowhere", "run.json")
    assert tree(tmp_path) == {}


def test_an_unknown_frame_lists_the_known_ones(command: Command, run: Path) -> None:
    refused(command("show", run, "--frame", "massive.layer"), "massive.layer", "sinks.heads")


def test_an_unwritable_page_is_named(command: Command, run: Path) -> None:
    refused(command("export", run, "--html", run), str(run), "can't be written")


def test_an_unknown_command_is_named(command: Command) -> None:
    refused(command("inspect"), "inspect")


def test_the_version_is_shown(command: Command) -> None:
    outcome = command("--version")
    assert outcome.code == 0 and re.fullmatch(r"inspector \d+\.\d+\.\d+\n", outcome.out)


def test_no_arguments_give_help_without_an_error_line(command: Command) -> None:
    outcome = command()
    assert "examine" in outcome.out + outcome.err
    assert "inspector: Usage" not in outcome.err


# Real processes.


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """`python -m inspector.cli.main …`; Ctrl-C reaches it even where our own parent ignores it."""
    return subprocess.Popen(
        [sys.executable, "-m", "inspector.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.slow  # tests/test_models.py asks for one in this process
@pytest.mark.parametrize("offline", ["0", "1"])
def test_an_unknown_model_is_named_soon_with_or_without_offline_mode(tmp_path: Path, offline: str) -> None:
    hub = {"HF_HUB_OFFLINE": offline, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    process = start("examine", "-q", "--model", "no-such-model", "--text", "w5", "--out", tmp_path / "out", **hub)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    refused(Outcome(process.returncode, out, err), "'no-such-model'", "smollm2-135m-instruct", "hub")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_behind(tiny_folder: Path, tmp_path: Path) -> None:
    model = ("--model", tiny_folder, "--device", "cpu")
    process = start("examine", *model, "--batch-tokens", "1", "--texts", "240", "--out", tmp_path / "out")
    assert process.stdout is not None and process.stderr is not None
    try:
        heard = ""
        while "Forecast" not in heard:
            heard = process.stderr.readline()
            assert heard, "the scan ended before it was stopped"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if line.strip()] == ["inspector: stopped; nothing was written."]
    assert tree(tmp_path) == {}


@pytest.mark.slow  # the process that Ctrl-C ends says nothing of its libraries either
def test_quiet_is_silent_on_stderr(tiny_folder: Path, tmp_path: Path) -> None:
    model = ("--model", tiny_folder, "--device", "cpu")
    process = start("examine", *model, "--text", TEXT, "--out", tmp_path / "out", "--quiet")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, f"{tmp_path / 'out'}\n", "")


def test_a_reader_that_leaves_early_is_no_error(run: Path) -> None:
    process = start("show", run, "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=30)
    assert err == ""


# What the commands print.


def test_progress_and_messages_go_to_stderr_and_the_run_to_stdout(
    command: Command, tiny_folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    outcome = command("examine", "--model", tiny_folder, "--device", "cpu", "--text", TEXT, "--out", place)
    assert (outcome.code, outcome.out) == (0, f"{place}\n")
    assert "Forecast: " in outcome.err and f"inspector show {place}" in outcome.err


@pytest.mark.parametrize(("bos", "first"), [("one", "<s>"), ("none", "w5"), ("tokenizer", "w5")])
def test_bos_is_fed_as_asked(examine: Command, tmp_path: Path, bos: str, first: str) -> None:
    assert examine("--text", "w5 w6", "--bos", bos).code == 0
    assert open_run(tmp_path / "out").frame("tokens")["token"].tolist()[0] == first


def test_one_detector_alone_and_a_detector_named_twice_are_scanned_once(examine: Command, tmp_path: Path) -> None:
    assert examine("--text", TEXT, "--detectors", " massive , massive").code == 0
    assert open_run(tmp_path / "out").settings["detectors"] == ["massive"]


def test_scale_free_without_the_detector_it_is_for_is_refused_before_the_model_is_loaded(examine: Command) -> None:
    outcome = examine("--text", TEXT, "--detectors", "sinks", "--scale-free", "--model", "no-such-model")
    assert outcome.code == 2
    assert outcome.err.startswith("inspector: --preset scale-free is for massive")


def test_a_text_file_is_one_text_and_a_jsonl_file_one_a_line(examine: Command, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("w5 w6\nw7", encoding="utf-8")
    (tmp_path / "two.jsonl").write_text('{"text": "w8"}\n\n{"text": "w9"}\n', encoding="utf-8")
    assert examine("--file", tmp_path / "one.txt", "--file", tmp_path / "two.jsonl", "--text", "w10").code == 0
    tokens = open_run(tmp_path / "out").frame("tokens")
    assert tokens.groupby("text")["token"].agg(" ".join).tolist() == ["w10", "w5 w6 w7", "w8", "w9"]


def test_show_prints_sentences_and_where_the_run_is(command: Command, run: Path) -> None:
    outcome = command("show", run)
    assert (outcome.code, outcome.err) == (0, "")
    assert "LlamaForCausalLM" in outcome.out and "Attention sinks" in outcome.out
    assert str(run) in outcome.out


def test_show_json_is_valid_and_has_the_promised_keys(command: Command, run: Path, report: Report) -> None:
    outcome = command("show", run, "--json")
    assert (outcome.code, outcome.err) == (0, "")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    shown = json.loads(outcome.out, parse_constant=refuse)
    assert {"model", "settings", "notes", "findings", "massive.layers", "sinks.heads"} <= shown.keys()
    assert shown["model"]["architecture"] == "LlamaForCausalLM"
    assert shown["notes"] == list(report.notes)
    assert len(report.findings) and len(shown["findings"]) == len(report.findings)
    assert shown["findings"][0]["score"] == pytest.approx(report.findings[0].score)


def test_show_frame_prints_the_whole_table_as_csv(command: Command, run: Path, report: Report) -> None:
    outcome = command("show", run, "--frame", "tokens")
    assert outcome.out == report.frame("tokens").to_csv(index=False)
    assert command("show", run, "--frame", "sinks.heads").out.count("\n") == 1 + 3 * 4


def test_show_frame_json_has_that_frame_alone(command: Command, run: Path) -> None:
    shown = json.loads(command("show", run, "--frame", "massive.map", "--json").out)
    assert shown.keys() == {"model", "settings", "notes", "massive.map"}


def test_detectors_are_listed_with_their_package(command: Command) -> None:
    rows = json.loads(command("detectors", "--json").out)
    assert {("massive", "activation-inspector"), ("sinks", "activation-inspector")} <= {
        (row["name"], row["package"]) for row in rows
    }
    plain = command("detectors").out
    assert all(row["name"] in plain and row["class"] in plain for row in rows)


def test_models_lists_the_built_in_one_and_the_architectures(command: Command) -> None:
    shown = json.loads(command("models", "--json").out)
    assert shown["built_in"]["name"] == "smollm2-135m-instruct"
    plain = command("models").out
    assert "LlamaForCausalLM" in shown["architectures"] and all(name in plain for name in shown["architectures"])


class Resources(HTMLParser):
    """Collects what a page would fetch, its tags, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.fetched += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag in ("link", "iframe", "object", "embed", "base"):
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.text).append(data)

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


@pytest.fixture
def page(command: Command, run: Path, tmp_path: Path) -> str:
    """The exported page of the run."""
    outcome = command("export", run, "--html", tmp_path / "pages" / "page.html")
    assert outcome == Outcome(0, f"{tmp_path / 'pages' / 'page.html'}\n", "")
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["page.html"]
    return (tmp_path / "pages" / "page.html").read_text(encoding="utf-8")


def test_an_exported_page_is_one_small_file_that_fetches_nothing(page: str) -> None:
    assert len(page.encode()) <= 6 * MEGABYTE
    seen = Resources()
    seen.feed(page)
    assert seen.fetched == []
    style = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert style and "url(" not in style and "@import" not in style


def test_token_text_cannot_run_in_an_exported_page(page: str) -> None:
    assert SCRIPT not in page
    seen = Resources()
    seen.feed(page)
    assert not [script for script in seen.scripts if script.strip() == "alert(1)"]
    assert SCRIPT in "".join(seen.text)


def test_an_exported_page_says_what_was_found(page: str, report: Report) -> None:
    assert "<title>tiny: what the inspector found</title>" in page
    assert page.count("<figure ") == 6
    assert len(pd.DataFrame(report.frame("findings"))) and "<summary>findings</summary>" in page

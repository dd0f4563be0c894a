"""The documents' commands and code do what they say."""

import importlib
import inspect
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import typer
from documented import undocumented
from fixtures_cli import Command
from fixtures_tiny import loaded

import inspector
from docs import notebooks, numbers, raised
from inspector import Study, examine, models, open_run, texts, verify
from inspector.cli import main as cli
from inspector.errors import RunError
from inspector.hallucination.questions.sets import load
from inspector.models import Model, catalogue
from inspector.testing import PlantedSpike, planted_model, random_texts

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
COMMANDS = list(
    dict.fromkeys(
        line for page in (README, *PAGES.values()) for block in blocks(page, "console") for line in block.splitlines()
    )
)


def test_every_make_target_of_the_readme_is_in_the_makefile() -> None:
    targets = {line.split()[1] for line in COMMANDS if line.startswith("make ")} | set(
        re.findall(r"`make ([\w-]+)`", "".join((README, *PAGES.values())))
    )
    assert {"demo", "test", "test-all", "bench", "dashboard", "picture"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE)


def test_ci_runs_the_readmes_test_command_after_the_checks() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    ran = [line.split()[-1] for line in script.splitlines() if line.startswith("make ")]
    assert ran == ["check", "test"]
    assert "make test" in COMMANDS


QUICK = "beside_your_hooks"
"""The notebook that takes the least time."""
INSPECTOR = [line for line in COMMANDS if line.startswith("inspector ")]
MINUTES = ("hallucinate", "verify", "decode", "context", "sensitivity", "heads", "pruning")
"""Commands that take minutes on the real model."""


@pytest.mark.parametrize("line", INSPECTOR)
def test_every_inspector_command_of_the_readme_and_each_of_its_options_is_there(line: str) -> None:
    program = typer.main.get_command(cli.app)
    _, *words = shlex.split(line)
    with program.make_context("inspector", words) as whole:
        name, command, rest = program.resolve_command(whole, words)
        command.make_context(name, rest, parent=whole).close()


def test_every_option_that_a_page_names_is_one_of_a_command() -> None:
    program = typer.main.get_command(cli.app)
    with program.make_context("inspector", [], resilient_parsing=True) as whole:
        commands = [program.get_command(whole, name) for name in program.list_commands(whole)]
    known = {name for command in commands for one in command.params for name in (*one.opts, *one.secondary_opts)}
    of_other_programs = {"--help", "--count", "--no-deps", "--measure", "--page", "--only", "--quick", "--write"}
    known |= of_other_programs
    pages = "".join(
        (README, *PAGES.values(), *((ROOT / name).read_text() for name in ("CONTRIBUTING.md", "SECURITY.md")))
    )
    named = set(re.findall(r"[`\s(](--[a-z][a-z-]+)", pages))
    assert len(named) > 30 and not named - known, named - known


def test_every_table_that_a_page_names_is_one_of_the_format_s() -> None:
    known = set(re.findall(r"`((?:massive|sinks|hneurons|compression)\.\w+)`", PAGES["run-format"]))
    for name, page in (("README", README), *PAGES.items()):
        named = set(re.findall(r"`((?:massive|sinks|hneurons|compression)\.\w+)`", page))
        assert not named - known, f"{name}: {named - known}"


def test_the_readmes_commands_work(
    smollm2: Model, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """All but those that take minutes, on few texts; their study is the one that other tests made."""
    monkeypatch.chdir(tmp_path)
    few = texts.built_in(4)
    monkeypatch.setattr(texts, "built_in", lambda count=None: few[:count])
    monkeypatch.setattr(models, "load_model", lambda *names, **options: smollm2)
    shutil.copytree(saved, tmp_path / "runs" / "answers")
    write_answers(tmp_path, 12)
    done = [shlex.split(line) for line in INSPECTOR if line.split()[1] not in MINUTES]
    assert len(done) >= 9
    for _, *words in done:
        told = command(*words)
        assert told.code == 0 and told.out.strip(), f"{words}: {told.err}"


def write_answers(folder: Path, count: int = 130) -> None:
    """The README's `answers.csv`: true names, and every second time another question's."""
    asked = [question for question in load("world_facts", count=count) if question.answers]
    given = [asked[n - n % 2].answers[0] for n in range(len(asked))]
    labels = ["wrong" if n % 2 else "right" for n in range(len(asked))]
    texts = [question.question for question in asked]
    pd.DataFrame({"question": texts, "answer": given, "label": labels}).to_csv(folder / "answers.csv", index=False)


@pytest.mark.slow
def test_the_readmes_commands_work_one_after_another(
    smollm2: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    write_answers(tmp_path)
    for line in INSPECTOR:
        told = command(*shlex.split(line)[1:])
        assert told.code == 0 and told.out.strip(), f"{line}: {told.err}"


@pytest.mark.slow  # two minutes
def test_the_readmes_python_works(
    smollm2: Model, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its study is the one that other tests made, its decoders are compared by the answers that are there, and what
    takes a minute is called with what it takes.
    """
    monkeypatch.setattr(inspector, "effect", fits(inspector.effect, None), raising=False)
    monkeypatch.setattr(inspector, "study_hallucination", fits(inspector.study_hallucination, study), raising=False)
    monkeypatch.setattr(inspector, "compare_decoding", fits(inspector.compare_decoding, Decoded()), raising=False)
    run_readme(smollm2, tmp_path, monkeypatch)


@pytest.mark.slow
def test_the_readmes_python_works_as_it_stands(smollm2: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_readme(smollm2, tmp_path, monkeypatch)


def run_readme(model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python and that of the page on notebooks."""
    monkeypatch.setattr(inspector, "load_model", lambda name: model, raising=False)
    for name, page in (("README.md", README), ("notebook.md", PAGES["notebook"]), ("compare.md", PAGES["compare"])):
        place = folder / name
        place.mkdir()
        monkeypatch.chdir(place)
        (code,) = blocks(page, "python")
        exec(compile(code, name, "exec"), {})
    assert (folder / "README.md" / "runs" / "second" / "run.json").is_file()


def test_the_readme_is_short_and_every_page_is_in_the_navigation() -> None:
    assert len(README.splitlines()) <= 120
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    made = [name.removesuffix(".md") for name in raised.pages()]
    for name in (*PAGES, *made, *(f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.py"))):
        assert re.search(rf"[\s\[]{name}\.md", listed), name


def test_an_errors_page_has_every_message_of_its_kind(tmp_path: Path) -> None:
    with pytest.raises(RunError) as told:
        open_run(tmp_path / "nothing")
    says = raised.pages()["errors/RunError.md"].replace("\\_", "_")
    assert re.sub("'[^']*'", "'…'", str(told.value)) in says
    assert {one.kind for one in raised.raised()} == set(raised.KINDS)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * (one != QUICK)) for one in notebooks.names()]
)
def test_a_notebook_runs_to_its_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "PAGES", tmp_path)
    for key, value in notebooks.SETTINGS.items():
        monkeypatch.setenv(key, value)
    assert notebooks.execute(name) > 0 and notebooks.fresh(name)


@pytest.mark.parametrize("path", numbers.pages(), ids=lambda path: path.name)
def test_the_pages_figures_are_those_that_were_saved(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert numbers.written(page, numbers.kept()) == page, "Run python -m docs.numbers"


def test_a_figure_that_was_changed_by_hand_is_noticed() -> None:
    kept = numbers.kept()
    page = "the probe has <!--=probe-->0.999<!--/=-->"
    assert numbers.written(page, kept) == f"the probe has <!--=probe-->{kept['values']['probe']}<!--/=-->"
    with pytest.raises(KeyError):
        numbers.written("<!--=nothing-->1<!--/=-->", kept)
    assert any("<!--=" in path.read_text(encoding="utf-8") for path in numbers.pages())


def fits(function: Callable[..., object], result: object) -> Callable[..., object]:
    """Something in a function's place that takes what it takes and gives this."""
    signature = inspect.signature(function)

    def called(*given: object, **named: object) -> object:
        signature.bind(*given, **named)
        return result

    return called


class Decoded:
    """A study whose decoders were compared."""

    def frame(self, name: str) -> pd.DataFrame:
        assert name == "decoding"
        return pd.DataFrame()


def test_the_table_of_architectures_is_the_catalogue() -> None:
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", PAGES["architectures"], flags=re.MULTILINE)
    assert {name: what for name, what in rows if name in catalogue.ARCHITECTURES} == catalogue.ARCHITECTURES


def test_the_detector_of_the_contributing_guide_keeps_the_laws() -> None:
    detector, laws = blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")
    exec(compile(f"{detector}\n{laws}", "CONTRIBUTING.md", "exec"), {})


@pytest.mark.parametrize("architecture", ["GPT2LMHeadModel", "GptOssForCausalLM"])  # with learned sinks there is more
def test_every_table_of_a_scan_and_its_columns_are_documented(architecture: str) -> None:
    report = examine(loaded(architecture), random_texts(4, 64, 70))
    assert "massive.layers" in report.frames() and "sinks.heads" in report.frames()
    for name in report.frames():
        if not name.startswith("evidence."):
            assert not undocumented(name, report.frame(name)), name


def test_a_column_or_table_that_the_page_does_not_name_is_noticed() -> None:
    table = pd.DataFrame(columns=["layer", "dim_ratio", "dim_ratio_low", "ratio_of_dims", "ratio_of_dims_low"])
    assert undocumented("massive.layers", table) == ["ratio_of_dims", "ratio_of_dims_low"]
    with pytest.raises(AssertionError, match=r"does not have the table massive\.layer"):
        undocumented("massive.layer", table)


def test_an_installed_plugin_is_found_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution on the path with an entry point is all it takes."""
    detector, _ = blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")
    (tmp_path / "size_plugin.py").write_text(detector, encoding="utf-8")
    about = tmp_path / "size_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: size-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[inspector.detectors]\nsize = size_plugin:Size\nbroken = nowhere:X\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    model = planted_model([PlantedSpike(2, 5)])
    report = examine(model, random_texts(4, 64, 70, trigger=7))
    del sys.modules["size_plugin"]
    assert report.settings["detectors"] == ["massive", "sinks", "size"]
    assert len(report.frame("evidence.size.largest")) == 24
    assert [(one.layer, one.unit) for one in report.findings if one.detector == "size"] == [(i, 5) for i in range(2, 6)]
    assert report.evidence["size.random"]["largest"].shape == (8, 6)
    alone = examine(model, random_texts(4, 64, 70, trigger=7), ["size"])
    tested = verify(alone, model, random_texts(16, 64, 66, trigger=7), twins=20)
    assert {one.op for one in tested.effects if one.detector == "size"} == {"zero"}
    assert {one.verdict for one in tested.findings if one.detector == "size"} != {""}
    assert any("Detector 'broken' of size-plugin failed to load" in note for note in report.notes)


def test_every_file_that_the_security_notes_name_is_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(set(named)) > 10 and all((ROOT / name).exists() for name in named)

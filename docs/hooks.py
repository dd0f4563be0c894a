"""Pages of the documentation that are made of the code, of executed notebooks and of files beside it, at each build."""

import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import inspector
from docs import notebooks, raised
from inspector.cli import main as cli
from inspector.detectors.base import load_judges
from inspector.detectors.shown import Term
from inspector.hallucination.baselines import baselines

ROOT = Path(__file__).parents[1]
COPIED = {"changelog.md": "CHANGELOG.md", "security.md": "SECURITY.md", "contributing.md": "CONTRIBUTING.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    for file in sorted(notebooks.PAGES.glob("*_files/*")):
        files.append(
            File.generated(config, f"notebooks/{file.relative_to(notebooks.PAGES)}", content=file.read_bytes())
        )
    return files


def pages() -> dict[str, str]:
    """Pages by name, as Markdown."""
    made = {name: _moved((ROOT / file).read_text(encoding="utf-8")) for name, file in COPIED.items()}
    made |= {"commands.md": commands(), "formulas.md": formulas(), "api.md": api(), "plugin.md": plugin()}
    return made | raised.pages() | {f"notebooks/{name}.md": notebook(name) for name in notebooks.names()}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the root lead to their pages."""
    return re.sub(r"\]\(\.\./(CHANGELOG|SECURITY|CONTRIBUTING)\.md", lambda m: f"]({_page(m[1])}.md", markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Write llms.txt: the pages, their titles and where they are, for programs that read the documentation."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    for name in sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("*.md")):
        title = (ROOT / "docs" / name).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({name.removesuffix('.md')}.html)")
    lines += [f"- [Notebook: {name.replace('_', ' ')}](notebooks/{name}.html)" for name in notebooks.names()]
    (Path(config.site_dir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _moved(text: str) -> str:
    """A file of the root as a page beside the others: links into docs/ lose that folder."""
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\]\((README|CHANGELOG|SECURITY|CONTRIBUTING)\.md", lambda m: f"]({_page(m[1])}.md", text)


def _page(name: str) -> str:
    return "index" if name == "README" else name.lower()


def notebook(name: str) -> str:
    """An executed notebook.

    Raises:
        PluginError: it has not been executed since it or the package changed.
    """
    if not notebooks.fresh(name):
        raise PluginError(f"Notebook '{name}' has not been executed as it is. Run python -m docs.notebooks.")
    text = (notebooks.PAGES / f"{name}.md").read_text(encoding="utf-8")
    source = f"*Executed when these pages were made; the source is `notebooks/{name}.py`.*"
    title, _, rest = text.lstrip().partition("\n")
    return f"{title}\n\n{source}\n{rest}"


def commands() -> str:
    """Every command with its options."""
    program: Any = typer.main.get_command(cli.app)
    out = ["# Commands", "", "What `inspector COMMAND --help` says.", ""]
    with program.make_context("inspector", [], resilient_parsing=True) as context:
        for name in program.list_commands(context):
            command = program.get_command(context, name)
            if command is None or command.hidden:
                continue
            out += [f"## inspector {name}", "", _plain(command.help or ""), ""]
            rows = [_option(one) for one in command.params if not getattr(one, "hidden", False)]
            out += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(out)


def _option(one: Any) -> str:
    argument = one.param_type_name == "argument"
    names = f"`{one.name.upper()}`" if argument else ", ".join(f"`{name}`" for name in one.opts)
    told = _plain(getattr(one, "help", "") or "").replace("\n", " ").replace("|", r"\|")
    return f"| {names} | {told} |"


def _plain(text: str) -> str:
    """Help as Markdown: what looks like a tag is text."""
    return re.sub(r"\[/?[a-z ]+\]", "", text).replace("<", "&lt;")


def formulas() -> str:
    """Every term with formula and paper, by the detector that brings it, and every uncertainty score."""
    out = [
        "# Terms, formulas, papers",
        "",
        "Each term with its formula, the paper that it is of, and the code that has it.",
        "",
    ]
    for judge in load_judges()[0]:
        terms: dict[str, Term] = dict(getattr(judge, "terms", {}))
        if not terms:
            continue
        out += [f"## {getattr(judge, 'title', judge.name)}", "", f"`{type(judge).__module__}`", ""]
        for term in terms.values():
            formula = f"\n\n    {term.formula}" if term.formula else ""
            paper = f"\n\n*{term.paper}*" if term.paper else ""
            out += [f"**{term.name}.** {term.plain.replace('|', chr(92) + '|')}{formula}{paper}", ""]
    out += ["## Uncertainty scores", "", "| score | formula | source | takes | caveat |", "|---|---|---|---|---|"]
    for one in baselines():
        out.append("| " + " | ".join(cell.replace("|", r"\|") for cell in one.words().values()) + " |")
    return "\n".join(out) + "\n"


def api() -> str:
    """The public names, from their docstrings."""
    values = [name for name in inspector.__all__ if name[0].isupper()]
    functions = [name for name in inspector.__all__ if name[0].islower()]
    out = [
        "# Python",
        "",
        "`import inspector` takes no time: each name is loaded when it is first used.",
        "",
        "## Functions",
        "",
    ]
    out += [_reference(name, 3) for name in functions]
    out += ["## What they give and take", ""]
    return "\n".join(out + [_reference(name, 3) for name in values])


def _reference(name: str, level: int) -> str:
    where = inspector._HOMES.get(name, "inspector")
    home = getattr(getattr(inspector, name), "__module__", where)
    options = f"heading_level: {level}\n      heading: inspector.{name}\n      toc_label: {name}"
    return f"::: {home}.{name}\n    options:\n      {options}\n"


def plugin() -> str:
    """What plugins import."""
    intro = (
        "What a plugin imports, and all that is kept stable for it; [how to write one](contributing.md#add-a-detector)."
    )
    return f"# Plugins\n\n{intro}\n\n::: inspector.plugin\n    options:\n      show_root_heading: false\n"

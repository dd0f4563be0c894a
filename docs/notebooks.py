"""Execute the notebooks and write them as pages: python -m docs.notebooks [NAME …] (needs Chromium for their figures).

A page is made anew where its source or anything of the package has changed; what a notebook prints, draws and raises is
always what the code of today does.
"""

import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
SOURCES, PAGES = ROOT / "notebooks", ROOT / "build" / "notebooks"
AT_ONCE = 2
"""Notebooks that run side by side, each on one core."""
SECONDS = 1800
"""A cell that takes longer is a fault."""
QUIET = ["--IPKernelApp.log_level=ERROR"]
"""Without the kernel's remark that it listens on this machine's own ports, unencrypted."""
SETTINGS = {"PLOTLY_RENDERER": "svg", "TQDM_DISABLE": "1"}


def names() -> list[str]:
    """Names of the notebooks."""
    return sorted(path.stem for path in SOURCES.glob("*.py"))


def fresh(name: str) -> bool:
    """Whether this notebook's page was made from today's source and package."""
    made = PAGES / f"{name}.sha256"
    return made.is_file() and (PAGES / f"{name}.md").is_file() and made.read_text() == digest(name)


def digest(name: str) -> str:
    """Of a notebook and of all that its outputs may depend on here."""
    found = hashlib.sha256((SOURCES / f"{name}.py").read_bytes())
    for path in sorted((ROOT / "inspector").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(path.read_bytes())
    return found.hexdigest()


def execute(name: str) -> float:
    """Run one notebook and write its page and pictures; seconds that it took.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    began, folder, made_from = time.perf_counter(), PAGES / f"{name}-work", digest(name)
    folder.mkdir(parents=True, exist_ok=True)
    book = jupytext.read(SOURCES / f"{name}.py")
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=SECONDS, resources=resources, extra_arguments=QUIET).execute()
    book.cells = [cell for cell in book.cells if "importlib.util" not in cell.source]  # of use in Colab only
    named = {"unique_key": name, "output_files_dir": f"{name}_files"}
    text, made = MarkdownExporter().from_notebook_node(book, resources=named)
    for file, content in made["outputs"].items():
        (PAGES / file).parent.mkdir(parents=True, exist_ok=True)
        (PAGES / file).write_bytes(content)
    (PAGES / f"{name}.md").write_text(_readable(text), encoding="utf-8")
    (PAGES / f"{name}.sha256").write_text(made_from)
    return time.perf_counter() - began


def _readable(text: str) -> str:
    """Without what only a notebook obeys: styles of tables."""
    return re.sub(r"<style scoped>.*?</style>", "", text, flags=re.DOTALL)


def run(name: str) -> bool:
    """Execute one notebook in a process of its own, on one core, where its page isn't fresh; whether that worked."""
    if fresh(name):
        print(f"{name}: as it was", flush=True)
        return True
    settings = {**os.environ, **SETTINGS, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "docs.notebooks", name], env=settings).returncode == 0


if __name__ == "__main__":
    if sys.argv[1:]:
        for one in sys.argv[1:]:
            print(f"{one}: {execute(one):.0f} s", flush=True)
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sys.exit(not all(pool.map(run, names())))

"""A page for each kind of error: every message of the package, read from the code that raises it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from inspector import errors

PACKAGE = Path(errors.__file__).parent
KINDS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
"""The errors that a user can meet, by name."""
FILLED = "…"
"""In a message, for what is filled in."""


@dataclass(frozen=True)
class Raised:
    """A message and the module that raises it."""

    kind: str
    module: str
    says: str


def raised() -> list[Raised]:
    """Every message that is written where it is raised, in the order of modules and lines."""
    return [one for path in sorted(PACKAGE.rglob("*.py")) for one in _of(path)]


def _of(path: Path) -> Iterator[Raised]:
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        if isinstance(call.func, ast.Name) and call.func.id in KINDS and call.args:
            says = " ".join(_template(call.args[0]).split())
            if re.search(r"[a-z]{3}", says):  # else a function makes all of it
                yield Raised(call.func.id, module, says)


def _template(node: ast.expr) -> str:
    """The text of a message, with `FILLED` for what is only known when it is raised."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left) + _template(node.right)
    return FILLED


def pages() -> dict[str, str]:
    """A page for each kind, by name, as Markdown."""
    found = raised()
    return {f"errors/{kind}.md": _page(kind, [one for one in found if one.kind == kind]) for kind in KINDS}


def _page(kind: str, found: list[Raised]) -> str:
    out = [
        f"# {kind}",
        "",
        f"*{KINDS[kind].__doc__}* [What holds for all errors](../errors.md).",
        "",
        f"What it can say, by the module that says it; {FILLED} stands for what was given.",
        "",
    ]
    for module, those in groupby(found, key=lambda one: one.module):
        out += [f"`{module}`", "", *(f"- {_escaped(says)}" for says in dict.fromkeys(one.says for one in those)), ""]
    return "\n".join(out)


def _escaped(text: str) -> str:
    """A message as Markdown that shows it letter by letter, but for its code."""
    return re.sub(r"([\\*_\[\]<>{}#|])", r"\\\1", text)

"""Only inspector/models reaches into the bridge."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUTSIDE = sorted(
    path
    for folder in ("inspector", "dashboards")
    for path in (ROOT / folder).rglob("*.py")
    if not path.is_relative_to(ROOT / "inspector" / "models")
)
INSIDE_MODELS = {"bridge", "original_model", "original_component", "hook_dict", "cfg"}
"""Attributes that belong to TransformerLens' bridge."""


def reach_ins(source: str) -> list[str]:
    """Every attribute of the bridge's that this source reads, with its line."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return [f"line {node.lineno}: .{node.attr}" for node in nodes if node.attr in INSIDE_MODELS]


def test_a_reach_in_is_seen() -> None:
    assert reach_ins("x = 1\nmodel.bridge.blocks[0]") == ["line 2: .bridge"]
    assert reach_ins('"bridge"; bridge = 1; f(bridge=2)') == []


def test_only_models_reaches_into_the_bridge() -> None:
    found = {str(path.relative_to(ROOT)): reach_ins(path.read_text(encoding="utf-8")) for path in OUTSIDE}
    assert {path: places for path, places in found.items() if places} == {}

"""A test says in its own body what it asserts, so that whoever reads it sees that it can fail."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "services", "local", "cli", "benchmarks/tests")
FILES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if path.name.startswith("test_") or "testing" in str(path.relative_to(ROOT))
)
EXPECTING = {"raises", "deprecated_call"}


def _asserts(node: ast.AST) -> bool:
    """An assert, pytest's `raises`, or a call of a helper that is named for what it does."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Assert)
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in EXPECTING or name.lstrip("_").startswith(("assert_", "expect_"))


def test_every_test_asserts_where_it_can_be_seen() -> None:
    silent = [
        f"{path.name}::{node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not any(map(_asserts, ast.walk(node)))
    ]
    assert silent == []

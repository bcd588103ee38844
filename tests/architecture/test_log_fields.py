"""Every field that a log line is given is on the allow-list, or its value would never be seen."""

import ast
from collections.abc import Iterator
from pathlib import Path

from headrace_common.logs import ALLOWED_FIELDS

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
TAKEN_AWAY = {"exc_info"}
"""What logging itself turns into other fields."""


def _fields(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names of fields by line, of calls such as `logger.info("event", field=...)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        says = node.func.attr in LEVELS and node.args and isinstance(node.args[0], ast.Constant)
        if says or node.func.attr == "bind":
            yield from ((node.lineno, key.arg) for key in node.keywords if key.arg)


def test_every_field_of_a_log_line_is_one_that_may_be_shown() -> None:
    found = [
        (file.relative_to(ROOT), line, name)
        for file in ROOT.glob("services/*/src/**/*.py")
        for line, name in _fields(ast.parse(file.read_text()))
    ]
    assert len(found) > 50
    assert [each for each in found if each[2] not in ALLOWED_FIELDS | TAKEN_AWAY] == []

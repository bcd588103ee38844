"""The gateway has one notion of a request's path: what decides must be what was checked."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "services/gateway/src/headrace_gateway"
OTHERS = frozenset({"raw_path", "root_path", "url", "base_url", "url_for"})
SIGNED = "http/signature_base.py"
"""RFC 9421 signs a path as it was sent, and `scope["raw_path"]` is that."""


def _other_paths(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="self")):
                continue  # of an object's own, not of a request
            case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
                if name in OTHERS:
                    yield name


def test_every_decision_goes_by_the_scopes_path() -> None:
    found = {
        file.relative_to(SOURCE).as_posix(): [*_other_paths(file)]
        for file in SOURCE.rglob("*.py")
        if "testing" not in file.parts
    }
    assert {name: paths for name, paths in found.items() if paths} == {SIGNED: ["raw_path"]}

"""The sizes that keep this code readable: short files, short functions, a sentence on top."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "services/common/src/headrace"


def _sources() -> list[Path]:
    found = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("local/src/**/*.py")]
    found += [*ROOT.glob("cli/src/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    return [path for path in found if GENERATED not in path.parents]


def _tests() -> list[Path]:
    folders = [*ROOT.glob("services/*/tests"), ROOT / "local/tests", ROOT / "cli/tests"]
    return [path for folder in (*folders, ROOT / "tests") for path in folder.glob("**/*.py")]


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_files_are_short() -> None:
    lengths = {path: _lines(path) for path in _sources()}
    assert len(lengths) > 50
    assert statistics.median(lengths.values()) <= 150
    assert {str(path): n for path, n in lengths.items() if n > 400} == {}


def test_test_files_are_bounded_too() -> None:
    assert {str(path): _lines(path) for path in _tests() if _lines(path) > 400} == {}


def test_functions_are_short() -> None:
    paths = [path for path in (*_sources(), *_tests()) if "migrations" not in path.parts]
    lengths = dict(entry for path in paths for entry in _functions(path))
    assert len(lengths) > 3000
    assert {name: n for name, n in lengths.items() if n > 40} == {}


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "the module has no docstring"
    assert docstring.splitlines()[0].rstrip().endswith((".", ":", "`"))

"""Nothing happens at import: every module loads with an empty environment and leaves no trace."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import importlib, sys, threading
before = threading.active_count()
for name in sys.argv[1:]:
    importlib.import_module(name)
assert threading.active_count() == before, threading.enumerate()
"""
TORCH = "adapters/transformers/"
WITHOUT_TORCH = ("engine", "options", "run", "worker", "spans", "directory")
"""Modules of that folder that load without the extra; see tests/torch for the others."""


def _modules() -> list[str]:
    sources = [*ROOT.glob("services/*/src"), ROOT / "local/src", ROOT / "cli/src"]
    return sorted(
        ".".join(path.relative_to(source).with_suffix("").parts)
        for source in sources
        for path in source.glob("headrace_*/**/*.py")
        if path.name != "__init__.py" and "migrations" not in path.parts
        if TORCH not in path.as_posix() or path.stem in WITHOUT_TORCH
    )


def test_every_module_imports_in_an_empty_environment(tmp_path: Path) -> None:
    modules = _modules()
    assert len(modules) > 50
    result = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM, *modules],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []

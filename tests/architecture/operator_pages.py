"""What is written for operators, in parts that tests can check: commands, values, names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "docs/install.md",
    ROOT / "docs/operations.md",
    *sorted((ROOT / "docs/operations").glob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")


def label(page: Path) -> str:
    """A page's name for those who run tests."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[str]:
    """Fenced blocks; without a language they are commands for a shell."""
    return [text for language, text in FENCE.findall(page.read_text()) if language in languages]


def commands(page: Path, *beginnings: str) -> list[str]:
    """Lines of shell that begin so, continuations joined; a command in `$(...)` is one, too."""
    lines = [
        line.strip()
        for block in blocks(page, "")
        for whole in block.replace("\\\n", " ").splitlines()
        for line in (whole, *re.findall(r"\$\(([^()]+)\)", whole))
    ]
    return [line for line in lines if line.startswith(beginnings)]


def spans(page: Path) -> set[str]:
    """Code within sentences."""
    return set(CODE.findall(FENCE.sub("", page.read_text())))


def values_blocks(page: Path) -> list[dict[str, Any]]:
    """Blocks of YAML that a file of values may be made of: their first line says `# values:`."""
    return [yaml.safe_load(text) for text in blocks(page, "yaml") if text.startswith("# values:")]


def queries(page: Path) -> Iterator[str]:
    """PromQL in blocks of its own, and whatever is code within sentences and tables."""
    yield from blocks(page, "promql")
    yield from spans(page)

"""What documents point at exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("services/*/README.md"),
    ROOT / "local/README.md",
    ROOT / "cli/README.md",
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_make_target_that_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"`make ([a-z0-9-]+)", document.read_text())
    }
    assert named - targets == set()


@pytest.mark.parametrize("document", ["docs/failure-matrix.md", "docs/security.md"])
def test_every_test_that_a_document_names_is_one_that_exists(document: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / document).read_text())
    assert len(named) > 10
    files = [
        path
        for folder in ("tests", "services", "local", "cli")
        for path in (ROOT / folder).rglob("test_*.py")
    ]
    for name, function in named:
        # A file's name alone must be that of one file; else its folder is named, too.
        found = [path for path in files if path.as_posix().endswith(f"/{name}")]
        assert len(found) == 1, f"{name} is {len(found)} files"
        pattern = rf"^(?:async )?def {function}\("
        assert re.search(pattern, found[0].read_text(), re.MULTILINE), f"{name}::{function}"

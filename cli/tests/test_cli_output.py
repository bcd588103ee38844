"""What the command prints: ids whole at any width, names as they are."""

import io

import pytest
from rich.console import Console

from headrace_cli.main import key_table

KEY_ID = "0Diwb7Fo7XxmPGgQ"


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("name", ["ci", "a long name " * 8, "markup [/] [red]"])
def test_an_id_is_never_shortened_and_markup_is_text(columns: int, name: str) -> None:
    key = {
        "id": KEY_ID,
        "name": name,
        "scopes": ["llm:invoke", "models:read"],
        "created_at": "2026-11-22T01:02:03Z",
        "expires_at": None,
        "revoked_at": None,
    }
    output = io.StringIO()
    Console(file=output, width=columns).print(key_table([key]))
    assert KEY_ID in output.getvalue()
    assert name.rsplit(maxsplit=1)[-1] in output.getvalue()

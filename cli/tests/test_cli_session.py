"""The remembered login: only its owner reads it, and a damaged one is no login."""

from pathlib import Path

import pytest

from headrace_cli.session import NotLoggedInError, Session, SessionFile

SESSION = Session("https://localhost:8443", "/ca.pem", "token")


@pytest.fixture
def file(tmp_path: Path) -> SessionFile:
    return SessionFile(tmp_path / "new" / "session.json")


def test_a_login_is_remembered_and_forgotten(file: SessionFile) -> None:
    file.save(SESSION)
    assert file.load() == SESSION
    file.forget()
    with pytest.raises(NotLoggedInError):
        file.load()


def test_only_its_owner_can_read_it_even_when_it_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text("{}")
    path.chmod(0o644)
    SessionFile(path).save(SESSION)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["session.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": "x"}', '"text"'])
def test_a_damaged_file_is_no_login(tmp_path: Path, content: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(content)
    with pytest.raises(NotLoggedInError):
        SessionFile(path).load()

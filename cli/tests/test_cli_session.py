"""The login: kept for its owner alone, renewed once per rotation, ended."""

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace_cli.client import ApiClient
from headrace_cli.errors import NotLoggedInError
from headrace_cli.session import Session, SessionFile
from headrace_cli.testing import Desk, Handler, refusal

ME = "GET /api/v1/auth/me"
LOGIN, REFRESH = "POST /api/v1/auth/login", "POST /api/v1/auth/refresh"


def _tokens(name: str) -> dict[str, Any]:
    return {"access_token": f"{name}-access", "refresh_token": f"{name}-refresh"}


def _me_for(token: str) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == f"Bearer {token}":
            return httpx.Response(200, json={"user_id": "ann"})
        return refusal(401, "invalid_api_key", "Expired.")

    return answer


def test_a_login_keeps_both_tokens_where_only_its_owner_reads_them(desk: Desk) -> None:
    desk.answers[LOGIN] = _tokens("new")
    result = desk("login", "--url", "https://hr.test", "--email", "a@b.c", typed="a long pass\n")
    assert desk.body() == {"email": "a@b.c", "password": "a long pass"}
    stored = desk.file.load()
    assert (stored.access_token, stored.refresh_token) == ("new-access", "new-refresh")
    assert desk.path.stat().st_mode & 0o777 == 0o600
    assert "access" not in result.output + repr(stored)


def test_a_second_factor_is_asked_for_only_when_the_api_wants_one(desk: Desk) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if b'"code"' in request.content:
            return httpx.Response(200, json=_tokens("new"))
        return refusal(401, "second_factor_required", "A code is needed.")

    desk.answers[LOGIN] = answer
    desk("login", "--email", "a@b.c", typed="123456\n", HEADRACE_PASSWORD="secret phrase")
    assert desk.body()["code"] == "123456"


def test_a_password_is_never_an_argument(desk: Desk) -> None:
    desk("login", "--email", "a@b.c", "--password", "x", code=2)
    assert desk.requests == []


@pytest.mark.parametrize("url", ["http://hr.test", "hr.test", "https://", "https://h:p:1", ""])
def test_a_password_travels_encrypted_or_not_at_all(desk: Desk, url: str) -> None:
    arguments = ["--url", url, "--email", "a@b.c"]
    assert "--url: must" in desk("login", *arguments, code=2, HEADRACE_PASSWORD="a phrase").stderr
    assert desk.requests == []


def test_a_login_elsewhere_meanwhile_takes_no_token_there(desk: Desk) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        desk.file.save(Session("https://other.test", None, "other-access", "other-refresh"))
        return refusal(401, "invalid_api_key", "Expired.")

    desk.logged_in().answers[ME] = answer
    desk("me", code=1)
    assert desk.sent() == [ME]


def test_an_expired_login_is_renewed_and_stored_before_its_use(desk: Desk) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer new-access":
            assert desk.file.load().refresh_token == "new-refresh"
        return _me_for("new-access")(request)

    desk.logged_in().answers.update({ME: answer, REFRESH: _tokens("new")})
    assert "ann" in desk("me").output
    assert desk.sent() == [ME, REFRESH, ME]
    assert desk.body(1) == {"refresh_token": "old-refresh"}


def test_a_login_that_cannot_be_renewed_says_what_to_do(desk: Desk) -> None:
    ended = refusal(401, "invalid_api_key", "Used twice.")
    desk.logged_in().answers.update({ME: _me_for("nobody"), REFRESH: ended})
    assert "Run `headrace login` again" in desk("me", code=1).output
    assert desk.sent() == [ME, REFRESH]


def test_two_commands_at_once_use_the_refresh_token_once(desk: Desk) -> None:
    both_refused = threading.Barrier(2)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer old-access":
            both_refused.wait(timeout=30)
        return _me_for("new-access")(request)

    desk.logged_in().answers.update({ME: answer, REFRESH: _tokens("new")})
    transport = httpx.MockTransport(desk.answer)
    clients = [ApiClient(desk.file.load(), transport, desk.file) for _ in range(2)]
    threads = [
        threading.Thread(target=each.call, args=("GET", "/api/v1/auth/me")) for each in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(desk.sent()) == [ME] * 4 + [REFRESH]


def test_switching_keeps_the_tokens_of_the_other_organisation(desk: Desk) -> None:
    desk.logged_in().answers["POST /api/v1/auth/switch"] = _tokens("there")
    desk("switch", "globex")
    assert desk.body() == {"organization_id": "globex"}
    assert desk.file.load().refresh_token == "there-refresh"


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["logout"], "POST /api/v1/auth/logout"),
        (["logout", "--everywhere"], "DELETE /api/v1/auth/sessions"),
    ],
)
def test_logging_out_ends_the_session_there_and_here(
    desk: Desk, arguments: list[str], sent: str
) -> None:
    desk.logged_in().answers[sent] = {}
    desk(*arguments, "--dry-run")
    assert desk.requests == []
    desk(*arguments)
    assert desk.sent() == [sent]
    with pytest.raises(NotLoggedInError):
        desk.file.load()


def test_a_login_that_nobody_can_end_now_is_kept(desk: Desk) -> None:
    unavailable = refusal(503, "dependency_unavailable", "Later.")
    desk.logged_in().answers["POST /api/v1/auth/logout"] = unavailable
    desk("logout", code=1)
    assert desk.file.load().access_token == "old-access"


def test_a_bootstrap_sends_what_was_typed_and_shows_none_of_it(desk: Desk) -> None:
    desk.answers["POST /api/v1/auth/bootstrap"] = {"user_id": "u"}
    token, password = "t" * 40, "a very long phrase"
    desk("bootstrap", "--email", "a@b.c", "--dry-run")
    assert desk.requests == []
    result = desk("bootstrap", "--email", "a@b.c", typed=f"{token}\n{password}\n")
    assert desk.body() == {"email": "a@b.c", "token": token, "password": password}
    assert token not in result.output
    assert password not in result.output


def test_only_its_owner_can_read_it_even_when_it_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text("{}")
    path.chmod(0o644)
    SessionFile(path).save(Session("https://localhost:8443", "/ca.pem", "token"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["session.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": "x", "y": 1}', '"text"'])
def test_a_damaged_file_is_no_login(tmp_path: Path, content: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(content)
    with pytest.raises(NotLoggedInError):
        SessionFile(path).load()

"""The API client: paging, and every failure as one sentence for a person."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from headrace_cli.client import ApiClient, ApiError
from headrace_cli.session import Session

SESSION = Session("https://headrace.test", None, "token")
Answer = Callable[[httpx.Request], httpx.Response]


def _client(answer: Answer) -> ApiClient:
    return ApiClient(SESSION, httpx.MockTransport(answer))


def _error(status: int, code: str, message: str) -> Answer:
    error = {"message": message, "code": code, "request_id": "r-1"}
    return lambda _: httpx.Response(status, json={"error": error})


def test_all_pages_of_keys_are_read() -> None:
    pages = {
        "": {"data": [{"id": "b"}], "next_page_token": "two"},
        "two": {"data": [{"id": "a"}], "next_page_token": None},
    }
    client = _client(lambda r: httpx.Response(200, json=pages[r.url.params["page_token"]]))
    assert [key["id"] for key in client.list_keys()] == ["b", "a"]


def test_the_login_travels_as_a_bearer_token() -> None:
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"id": "k"})

    _client(answer).revoke_key("k")
    assert seen[0]["authorization"] == "Bearer token"


def test_an_ended_login_says_what_to_do() -> None:
    with pytest.raises(ApiError, match="Run `headrace login` again"):
        _client(_error(401, "invalid_api_key", "whatever")).list_keys()


def test_a_refusal_is_told_with_its_request_id() -> None:
    with pytest.raises(ApiError, match=r"There is no such API key. \(request r-1\)"):
        _client(_error(404, "resource_not_found", "There is no such API key.")).revoke_key("x")


def test_something_else_at_the_address_is_said_to_be_no_headrace() -> None:
    with pytest.raises(ApiError, match="is no Headrace"):
        _client(lambda _: httpx.Response(200, text="<html>")).list_keys()


def test_an_address_where_nobody_answers() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    with pytest.raises(ApiError, match="does not answer: connection refused"):
        _client(refuse).list_keys()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_gone_or_none_says_what_to_do(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ApiError, match="headrace login --ca-file"):
        ApiClient(Session("https://headrace.test", str(file), ""))

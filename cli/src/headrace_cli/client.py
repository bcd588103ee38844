"""Calls of the public API: one login that renews itself, every failure as one line."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from headrace_cli.errors import ApiError, CommandError, UnreachableError, UsageError
from headrace_cli.session import Session, SessionFile

TIMEOUT_SECONDS = 30.0
LOGIN_ENDED = "Your login has ended. Run `headrace login` again."


class ApiClient:
    """Synchronous client of `/api/v1`; with a session file it renews the login there."""

    def __init__(
        self,
        session: Session,
        transport: httpx.BaseTransport | None = None,
        file: SessionFile | None = None,
    ) -> None:
        """`transport` stands in for the network in tests. Raises UsageError for a bad CA file."""
        self._session = session
        self._file = file
        self._http = httpx.Client(
            base_url=session.url,
            verify=_trust(session.ca_file),
            transport=transport,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer. Raises ApiError if it is a refusal, UnreachableError if there is none."""
        response = self._send(method, path, body, query)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._session.refresh_token:
            self._renew()
            response = self._send(method, path, body, query)
        return self._read(response)

    def records(self, path: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Those of all pages; of a list that has none, which takes no such parameter, the whole."""
        wanted = dict(query or {})
        answer = self.call("GET", path, query=wanted)
        found: list[dict[str, Any]] = answer["data"]
        while token := answer.get("next_page_token"):
            answer = self.call("GET", path, query={**wanted, "page_token": token})
            found += answer["data"]
        return found

    def _renew(self) -> None:
        """Once per rotation, whoever comes first: a second use of a token would end the session."""
        file = self._file
        if file is None:
            raise ApiError(LOGIN_ENDED)
        with file.alone():
            stored = file.load()
            if stored.url != self._session.url:  # a login elsewhere, a moment ago
                raise ApiError(LOGIN_ENDED)
            if stored.access_token == self._session.access_token:
                body = {"refresh_token": stored.refresh_token}
                response = self._send("POST", "/api/v1/auth/refresh", body, None, open=True)
                stored = stored.with_tokens(self._read(response))
                file.save(stored)
            self._session = stored

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        *,
        open: bool = False,  # noqa: A002 - as the API's description calls it
    ) -> httpx.Response:
        token = "" if open else self._session.access_token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            return self._http.request(method, path, json=body, params=query, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = " Trust its CA with `--ca-file`." if "CERTIFICATE_VERIFY" in str(error) else ""
            text = " ".join(str(error).split())
            raise UnreachableError(f"{self._session.url} does not answer: {text}.{hint}") from None

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise UnreachableError(f"{self._session.url} is no Headrace: the answer is no JSON")
        if response.is_error:
            raise _refusal(response.status_code, body)
        return body


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise UsageError(
            f"The CA file {ca_file} cannot be used ({error.strerror or error}). "
            "Run `headrace login --ca-file ...` again."
        ) from None


def _refusal(status: int, body: Mapping[str, Any]) -> CommandError:
    error = body.get("error")
    if not isinstance(error, Mapping):
        return ApiError(f"HTTP status {status}", status)
    code = str(error.get("code"))
    if code == "invalid_api_key":
        return ApiError(LOGIN_ENDED, status, code)
    message = " ".join(str(error.get("message", f"HTTP status {status}")).split())
    param = error.get("param")
    about = f"param {param}, " if param else ""
    request_id = error.get("request_id", "unknown")
    return ApiError(f"{message} ({about}request {request_id})", status, code)

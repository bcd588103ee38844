"""The few calls of the public API that the command makes."""

import ssl
from typing import Any

import httpx

from headrace_cli.session import Session

TIMEOUT_SECONDS = 30.0


class ApiError(Exception):
    """The API refused or could not be reached; the text is for the person at the terminal."""


class ApiClient:
    """Synchronous client of `/api/v1`."""

    def __init__(self, session: Session, transport: httpx.BaseTransport | None = None) -> None:
        """`transport` stands in for the network in tests. Raises ApiError for a bad CA file."""
        self._url = session.url
        token = session.access_token
        self._http = httpx.Client(
            base_url=session.url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            verify=_trust(session.ca_file),
            transport=transport,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def log_in(self, email: str, password: str) -> str:
        """The access token."""
        body = {"email": email, "password": password}
        token: str = self._call("POST", "/api/v1/auth/login", json=body)["access_token"]
        return token

    def create_key(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", "/api/v1/keys", json=wanted)

    def list_keys(self) -> list[dict[str, Any]]:
        """All keys of the organisation, newest first."""
        keys: list[dict[str, Any]] = []
        page_token: str | None = ""
        while page_token is not None:
            params = {"page_size": "100", "page_token": page_token}
            page = self._call("GET", "/api/v1/keys", params=params)
            keys += page["data"]
            page_token = page["next_page_token"]
        return keys

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        return self._call("DELETE", f"/api/v1/keys/{key_id}")

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            hint = " Trust its CA with `--ca-file`." if "CERTIFICATE_VERIFY" in str(error) else ""
            raise ApiError(f"{self._url} does not answer: {error}.{hint}") from error
        try:
            body: dict[str, Any] = response.json()
        except ValueError as error:
            raise ApiError(f"{self._url} is no Headrace: the answer is no JSON") from error
        if response.is_error:
            raise ApiError(_explain(response.status_code, body))
        return body


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise ApiError(
            f"The CA file {ca_file} cannot be used ({error.strerror or error}). "
            "Run `headrace login --ca-file ...` again."
        ) from error


def _explain(status: int, body: dict[str, Any]) -> str:
    error = body.get("error") or {}
    message = error.get("message", f"HTTP status {status}")
    if error.get("code") == "invalid_api_key":
        return "Your login has ended. Run `headrace login` again."
    return f"{message} (request {error.get('request_id', 'unknown')})"

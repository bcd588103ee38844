"""Signs in at the running stack through its public door and gets a key to use it with."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from headrace_local.credentials import Credentials
from headrace_local.errors import LocalStackError

KEY_NAME = "make up"
DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """All that a client needs to use a running stack."""

    url: str
    ca_file: Path
    email: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)
    model: str

    @classmethod
    def of(cls, url: str, ca_file: Path, credentials: Credentials, model: str) -> "Access":
        return cls(
            url, ca_file, credentials.email, credentials.password, credentials.api_key, model
        )


async def obtain_api_key(url: str, ca_file: Path, credentials: Credentials) -> str:
    """The stored API key if it still works, else a new one made in the administrator's name.

    Raises:
        LocalStackError: the stack refused the stored password or did not answer as it should.
    """
    context = ssl.create_default_context(cafile=ca_file)
    async with httpx.AsyncClient(
        base_url=url, verify=context, timeout=DEADLINE_SECONDS, trust_env=False
    ) as client:
        try:
            if credentials.api_key and await _is_accepted(client, credentials.api_key):
                return credentials.api_key
            return await _create_key(client, await _log_in(client, credentials))
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise LocalStackError(
                f"{url} did not hand out an API key ({_reason(error)});"
                " see `make logs SERVICE=gateway`."
            ) from error


async def _is_accepted(client: httpx.AsyncClient, api_key: str) -> bool:
    answer = await client.get("/v1/models", headers=_bearer(api_key))
    return answer.status_code == httpx.codes.OK


async def _log_in(client: httpx.AsyncClient, credentials: Credentials) -> str:
    form = {"email": credentials.email, "password": credentials.password}
    answer = await client.post("/api/v1/auth/login", json=form)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise LocalStackError(
            "The administrator's stored password is no longer accepted; put the present one into"
            " secrets.json of the state directory, or start afresh with `make reset`."
        )
    return str(answer.raise_for_status().json()["access_token"])


async def _create_key(client: httpx.AsyncClient, access_token: str) -> str:
    answer = await client.post(
        "/api/v1/keys", json={"name": KEY_NAME}, headers=_bearer(access_token)
    )
    return str(answer.raise_for_status().json()["secret"])


def _bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.request.url.path} answered {error.response.status_code}"
    return type(error).__name__

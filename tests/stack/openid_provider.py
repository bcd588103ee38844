"""A real OpenID Connect provider for tests: the package oidc-provider-mock as a process."""

import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

STARTED = re.compile(r"running on (http://127\.0\.0\.1:\d+)")
STOP_SECONDS = 30


def plain_client() -> httpx.Client:
    """For this machine only; loading the usual authorities would take its time each time."""
    return httpx.Client(trust_env=False, verify=False)


@contextmanager
def running_openid_provider(*, registered: bool = True) -> Iterator[str]:
    """Its URL on a free port, which is its issuer too; it asks for nonces.

    Unless clients must be `registered`, any id and secret will do.
    """
    strict = ("-r",) if registered else ()
    command = (sys.executable, "-m", "oidc_provider_mock", "--port", "0", "-n", *strict)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _url(process)
        finally:
            process.terminate()
            process.wait(timeout=STOP_SECONDS)


def register_client(url: str, *, redirect_uri: str, auth_method: str) -> tuple[str, str]:
    """Id and secret of a new client."""
    wish = {"redirect_uris": [redirect_uri], "token_endpoint_auth_method": auth_method}
    with plain_client() as client:
        made = client.post(f"{url}/oauth2/clients", json=wish).raise_for_status().json()
    return made["client_id"], made["client_secret"]


def put_user(url: str, subject: str, **claims: Any) -> None:
    """Somebody whom the provider knows, with what its tokens say of them."""
    with plain_client() as client:
        client.put(f"{url}/users/{subject}", json=claims).raise_for_status()


async def approve(authorization_url: str, subject: str) -> dict[str, str]:
    """Open the page, log in as `subject` and agree: what the browser brings back in its query."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as browser:
        page = await browser.get(authorization_url)
        assert page.status_code == 200, page.text
        assert 'name="sub"' in page.text
        answer = await browser.post(authorization_url, data={"sub": subject})
    assert answer.has_redirect_location, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        started = STARTED.search(line)
        if started:
            # Its log must be read on, or it would wait for room in the pipe.
            threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
            return started[1]
    raise AssertionError("".join(lines))

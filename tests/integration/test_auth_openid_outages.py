"""An OpenID Connect provider that is down, slow, or not what it says it is."""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.loopback import Answer, json_answer
from tests.integration.openid_front import DISCOVERY, KEYS, TOKEN, USER_INFO, Forger, Front

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.bounded_transport import MAXIMUM_BODY
from headrace_auth.adapters.identity_providers.oidc import OpenIdProvider
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.federation import ProviderConfig
from headrace_auth.testing.identity_providers import (
    CODE_VERIFIER,
    NONCE,
    Approve,
    assert_login_fails,
    assert_unavailable,
    begin,
    finish,
)
from headrace_common.testing.clock import FakeClock

ASKED = [DISCOVERY, TOKEN, KEYS, USER_INFO]
IMPATIENCE_SECONDS = 0.5


@pytest.fixture
async def impatient(
    provider_config: ProviderConfig, clock: FakeClock
) -> AsyncIterator[OpenIdProvider]:
    """The same provider, waited for not so long."""
    channel = BackChannel(timeout_seconds=IMPATIENCE_SECONDS, maximum_connections=2)
    yield OpenIdProvider(provider_config, channel, clock)
    await channel.close()


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set at the end: whoever waits for it may go."""
    over = threading.Event()
    yield over
    over.set()


@pytest.fixture
def nameless(forger: Forger) -> None:
    """The ID token says no address, so that every endpoint is asked."""
    forger.sign_anew(lambda claims: {**claims, "email": None})


async def _log_in(provider: OpenIdProvider, approve: Approve) -> ExternalIdentity:
    return await finish(provider, await approve(await begin(provider)))


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.parametrize("path", ASKED)
async def test_a_provider_at_fault_is_unavailable(
    provider: OpenIdProvider, front: Front, nameless: None, approve: Approve, path: str, status: int
) -> None:
    front.replace(path, json_answer({"error": "temporarily_unavailable"}, status))
    await assert_unavailable(_log_in(provider, approve))


@pytest.mark.parametrize("path", ASKED)
async def test_a_silent_provider_is_unavailable_after_the_deadline(
    impatient: OpenIdProvider,
    front: Front,
    nameless: None,
    approve: Approve,
    over: threading.Event,
    path: str,
) -> None:
    front.instead[path] = lambda: Answer(503 if over.wait(60) else 500)
    async with asyncio.timeout(20):
        await assert_unavailable(_log_in(impatient, approve))


async def test_a_provider_that_answers_byte_by_byte_is_unavailable_after_the_deadline(
    impatient: OpenIdProvider, front: Front, over: threading.Event
) -> None:
    front.replace(DISCOVERY, Answer(200, b"{}" + b" " * 10_000, pace=lambda: over.wait(0.02)))
    async with asyncio.timeout(20):
        await assert_unavailable(begin(impatient))


async def test_an_absent_provider_is_unavailable(
    provider_config: ProviderConfig, channel: BackChannel, clock: FakeClock
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        absent = replace(provider_config, issuer=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        await assert_unavailable(begin(OpenIdProvider(absent, channel, clock)))


async def test_a_provider_that_comes_back_is_asked_again(
    provider: OpenIdProvider, front: Front, approve: Approve, somebody: ExternalIdentity
) -> None:
    front.replace(DISCOVERY, Answer(503))
    await assert_unavailable(begin(provider))
    front.instead.clear()
    front.replace(KEYS, Answer(503))
    await assert_unavailable(_log_in(provider, approve))
    front.instead.clear()
    assert await _log_in(provider, approve) == somebody


@pytest.mark.parametrize("path", ASKED)
async def test_a_redirect_is_not_followed(
    provider: OpenIdProvider, front: Front, nameless: None, approve: Approve, path: str
) -> None:
    elsewhere = {"Location": f"{front.url}/elsewhere", "Content-Type": "application/json"}
    front.replace(path, Answer(307, b'{"access_token": "a", "token_type": "Bearer"}', elsewhere))
    await assert_login_fails(_log_in(provider, approve))
    assert front.count("/elsewhere") == 0


ODD = {
    "not found": Answer(404, b"not here"),
    "a page": Answer(200, b"<html>log in first</html>", {"Content-Type": "text/html"}),
    "nothing": Answer(200, b""),
    "not UTF-8": Answer(200, b'{"a": "\xff"}'),
    "deep": Answer(200, b"[" * 100_000),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("path", ASKED)
async def test_an_odd_answer_is_not_believed(
    provider: OpenIdProvider,
    front: Front,
    nameless: None,
    approve: Approve,
    path: str,
    answer: Answer,
) -> None:
    front.replace(path, answer)
    await assert_login_fails(_log_in(provider, approve))


async def test_an_answer_may_be_as_large_as_the_bound_and_no_larger(
    provider: OpenIdProvider, front: Front
) -> None:
    document = front.client.get(front.url + DISCOVERY).content
    front.replace(DISCOVERY, Answer(200, document.ljust(MAXIMUM_BODY + 1)))
    await assert_login_fails(begin(provider))
    front.replace(DISCOVERY, Answer(200, document.ljust(MAXIMUM_BODY)))
    assert (await begin(provider)).startswith(front.url)


async def test_a_compressed_answer_is_not_unpacked(provider: OpenIdProvider, front: Front) -> None:
    document = front.client.get(front.url + DISCOVERY).content
    packed = Answer(200, gzip.compress(document), {"Content-Encoding": "gzip"})
    front.replace(DISCOVERY, packed)
    await assert_login_fails(begin(provider))
    [asked] = [request for request in front.requests if "headrace" in request.headers["user-agent"]]
    assert asked.headers["accept-encoding"] == "identity"


EVIL: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://evil.test"},
    "no issuer": {"issuer": None},
    "an issuer in a list": {"issuer": ["https://evil.test"]},
    "no authorisation endpoint": {"authorization_endpoint": None},
    "no token endpoint": {"token_endpoint": None},
    "no keys": {"jwks_uri": None},
    "http elsewhere": {"token_endpoint": "http://evil.test/token"},
    "http in the own network": {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
    "a file": {"jwks_uri": "file:///etc/passwd"},
    "a user": {"userinfo_endpoint": "https://evil.test@acme.test/userinfo"},
    "a backslash": {"token_endpoint": "https://evil.test\\@acme.test/token"},
    "no string": {"token_endpoint": 1},
    "no way to show who we are": {"token_endpoint_auth_methods_supported": ["none"]},
}


@pytest.mark.parametrize("changes", EVIL.values(), ids=EVIL.keys())
async def test_a_document_that_breaks_the_rules_is_not_believed(
    provider: OpenIdProvider, front: Front, changes: dict[str, Any]
) -> None:
    front.lie(DISCOVERY, **changes)
    await assert_login_fails(begin(provider))


async def test_the_log_says_why_and_no_secret(
    provider: OpenIdProvider,
    provider_config: ProviderConfig,
    front: Front,
    forger: Forger,
    approve: Approve,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forger.sign_anew(lambda claims: {**claims, "nonce": "canary"})
    code = await approve(await begin(provider))
    await assert_login_fails(finish(provider, code))
    await assert_login_fails(finish(provider, "canary"))
    front.replace(TOKEN, json_answer({"error": "canary canary"}, 400))
    await assert_login_fails(finish(provider, "canary"))
    log = "".join(capsys.readouterr())
    for said in ("id_token_nonce", "invalid_grant", "other"):
        assert said in log
    for secret in ("canary", code, NONCE, CODE_VERIFIER, provider_config.client_secret):
        assert secret not in log + repr(provider_config)

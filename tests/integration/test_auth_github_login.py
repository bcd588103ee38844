"""Logins through GitHub, played by a small server of the tests' own (`github_server.py`)."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.integration.github_server import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    EMAILS,
    USER,
    GitHub,
    running_github,
)
from tests.integration.loopback import Answer, json_answer

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.github import GitHubProvider
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.federation import ProviderConfig, ProviderKind
from headrace_auth.testing.identity_providers import (
    CALLBACK,
    STATE,
    Approve,
    IdentityProviderSuite,
    assert_login_fails,
    assert_unavailable,
    begin,
    finish,
)

ADDRESS = {"email": "Ada@Acme.Test", "primary": True, "verified": True, "visibility": None}
OTHER = {"email": "other@acme.test", "primary": False, "verified": True, "visibility": None}


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running_github(CALLBACK) as github:
        github.user = {"id": 583231, "login": "ada", "name": "Ada Lovelace", "email": None}
        github.emails = [OTHER, ADDRESS]
        yield github


@pytest.fixture
def provider_config(github: GitHub) -> ProviderConfig:
    return ProviderConfig(
        name="github",
        kind=ProviderKind.GITHUB,
        issuer=github.url,
        api_url=f"{github.url}/api/v3",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        allow_http_on_loopback=True,
    )


@pytest.fixture
def provider(provider_config: ProviderConfig, channel: BackChannel) -> GitHubProvider:
    return GitHubProvider(provider_config, channel)


@pytest.fixture
def somebody() -> ExternalIdentity:
    return ExternalIdentity("github", "583231", "ada@acme.test", True, "Ada Lovelace")


@pytest.fixture
def approve() -> Approve:
    async def approve(url: str) -> str:
        async with httpx.AsyncClient(trust_env=False, verify=False) as browser:
            assert "Authorize" in (await browser.get(url)).text
            answer = await browser.post(url)
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert back["state"] == [STATE]
        return back["code"][0]

    return approve


class TestGitHubProvider(IdentityProviderSuite):
    pass


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([ADDRESS], "ada@acme.test"),
        ([OTHER], None),
        ([{**ADDRESS, "verified": False}, OTHER], None),
        ([{**ADDRESS, "verified": "true"}], None),
        ([{**ADDRESS, "primary": 1}], None),
        ([{**ADDRESS, "email": None}], None),
        ([{**ADDRESS, "email": "\N{KELVIN SIGN}@acme.test"}], None),
        (["ada@acme.test", None], None),
        ([], None),
    ],
)
async def test_only_the_primary_verified_address_counts(
    provider: GitHubProvider,
    github: GitHub,
    approve: Approve,
    emails: Any,
    email: str | None,
) -> None:
    github.emails = emails
    identity = await finish(provider, await approve(await begin(provider)))
    assert (identity.email, identity.email_verified) == (email, email is not None)


async def test_the_address_of_the_profile_does_not_count(
    provider: GitHubProvider, github: GitHub, approve: Approve
) -> None:
    github.user["email"] = "root@acme.test"  # anybody may write anything there
    github.emails = []
    identity = await finish(provider, await approve(await begin(provider)))
    assert identity.email is None


async def test_who_has_no_name_is_shown_by_login(
    provider: GitHubProvider, github: GitHub, approve: Approve
) -> None:
    github.user["name"] = None
    identity = await finish(provider, await approve(await begin(provider)))
    assert (identity.name, identity.subject) == ("ada", "583231")


@pytest.mark.parametrize("user", [{"id": "583231"}, {"id": True}, {"login": "ada"}, [], None])
async def test_a_user_without_a_number_is_refused(
    provider: GitHubProvider, github: GitHub, approve: Approve, user: Any
) -> None:
    github.user = user
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize("emails", [{"message": "Not Found"}, None, "ada@acme.test"])
async def test_addresses_that_are_no_list_are_refused(
    provider: GitHubProvider, github: GitHub, approve: Approve, emails: Any
) -> None:
    github.emails = emails
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


async def test_a_wrong_secret_is_refused(
    provider_config: ProviderConfig, channel: BackChannel, approve: Approve
) -> None:
    provider = GitHubProvider(replace(provider_config, client_secret="wrong"), channel)
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (ACCESS_TOKEN, json_answer({"error": "bad_verification_code"})),
        (ACCESS_TOKEN, json_answer({"access_token": "gho_1"})),
        (ACCESS_TOKEN, Answer(200, b"access_token=gho_1&token_type=bearer")),
        (ACCESS_TOKEN, Answer(404, b"Not Found")),
        (USER, json_answer({"message": "Bad credentials"}, 401)),
        (EMAILS, json_answer({"message": "Resource not accessible"}, 403)),
    ],
)
async def test_refusals_are_refusals(
    provider: GitHubProvider, github: GitHub, approve: Approve, path: str, answer: Answer
) -> None:
    github.instead[path] = lambda: answer
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.parametrize("path", [ACCESS_TOKEN, USER, EMAILS])
async def test_a_github_at_fault_is_unavailable(
    provider: GitHubProvider, github: GitHub, approve: Approve, path: str, status: int
) -> None:
    github.instead[path] = lambda: Answer(status, b"unicorn")
    await assert_unavailable(finish(provider, await approve(await begin(provider))))


async def test_a_silent_github_is_unavailable_after_the_deadline(
    provider_config: ProviderConfig, github: GitHub, approve: Approve
) -> None:
    over = threading.Event()
    channel = BackChannel(timeout_seconds=0.5, maximum_connections=1)
    provider = GitHubProvider(provider_config, channel)
    code = await approve(await begin(provider))
    github.instead[USER] = lambda: Answer(200 if over.wait(60) else 500)
    async with asyncio.timeout(20):
        await assert_unavailable(finish(provider, code))
    over.set()
    await channel.close()


async def test_secrets_are_in_no_url(
    provider: GitHubProvider, github: GitHub, approve: Approve
) -> None:
    await finish(provider, await approve(await begin(provider)))
    for request in github.requests:
        assert CLIENT_SECRET not in request.target
        assert "gho_" not in request.target

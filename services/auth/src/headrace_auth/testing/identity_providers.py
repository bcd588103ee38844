"""The suites that every IdentityProvider and every UnfinishedLogins must pass."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.pending_login import PendingLogin, s256_challenge
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.ports import IdentityProvider, UnfinishedLogins
from headrace_common.errors import HeadraceError, Reason

T = TypeVar("T")
STATE = "a-state-" + "s" * 35
NONCE = "a-nonce-" + "n" * 35
CODE_VERIFIER = "a-verifier-" + "v" * 43
CALLBACK = "https://headrace.test/oauth2/provider/callback"

Approve = Callable[[str], Awaitable[str]]
"""A browser: opens the authorization URL, logs in, agrees, and comes back with a code."""


async def begin(provider: IdentityProvider) -> str:
    """The authorization URL of the suite's login."""
    return await provider.authorization_url(
        redirect_uri=CALLBACK, state=STATE, nonce=NONCE, code_verifier=CODE_VERIFIER
    )


async def finish(
    provider: IdentityProvider,
    code: str,
    *,
    redirect_uri: str = CALLBACK,
    nonce: str = NONCE,
    code_verifier: str = CODE_VERIFIER,
) -> ExternalIdentity:
    """Whom the code stands for, in the suite's login."""
    return await provider.identity(
        redirect_uri=redirect_uri, code=code, nonce=nonce, code_verifier=code_verifier
    )


async def assert_login_fails(answer: Awaitable[object]) -> None:
    """It is refused in the one way that tells nothing."""
    with pytest.raises(HeadraceError) as caught:
        await answer
    assert caught.value.reason is Reason.LOGIN_FAILED
    assert caught.value.message == "The identity provider did not confirm this login."


async def assert_unavailable(answer: Awaitable[object]) -> None:
    """It is an outage, and not the person's fault."""
    with pytest.raises(HeadraceError) as caught:
        await answer
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


class IdentityProviderSuite:
    """Subclasses provide the fixtures `provider`, `approve` and `somebody`, who approves."""

    async def test_the_browser_is_sent_with_state_and_challenge_and_without_the_verifier(
        self, provider: IdentityProvider
    ) -> None:
        url = await begin(provider)
        query = parse_qs(urlsplit(url).query)
        assert query["state"] == [STATE]
        assert query["redirect_uri"] == [CALLBACK]
        assert query["code_challenge"] == [s256_challenge(CODE_VERIFIER)]
        assert query["code_challenge_method"] == ["S256"]
        assert CODE_VERIFIER not in url

    async def test_a_code_stands_for_who_approved(
        self, provider: IdentityProvider, approve: Approve, somebody: ExternalIdentity
    ) -> None:
        code = await approve(await begin(provider))
        assert await finish(provider, code) == somebody

    async def test_a_code_is_good_once(self, provider: IdentityProvider, approve: Approve) -> None:
        code = await approve(await begin(provider))
        await finish(provider, code)
        await assert_login_fails(finish(provider, code))

    async def test_an_invented_code_is_refused(self, provider: IdentityProvider) -> None:
        await assert_login_fails(finish(provider, "invented"))

    async def test_a_code_is_refused_with_another_verifier(
        self, provider: IdentityProvider, approve: Approve
    ) -> None:
        code = await approve(await begin(provider))
        await assert_login_fails(finish(provider, code, code_verifier="x" * 43))

    async def test_a_code_is_refused_with_another_redirect_uri(
        self, provider: IdentityProvider, approve: Approve
    ) -> None:
        code = await approve(await begin(provider))
        await assert_login_fails(finish(provider, code, redirect_uri=f"{CALLBACK}/x"))

    async def test_logins_at_the_same_time_do_not_mix(
        self, provider: IdentityProvider, approve: Approve, somebody: ExternalIdentity
    ) -> None:
        codes = [await approve(await begin(provider)) for _ in range(3)]
        answers = await asyncio.gather(*(finish(provider, code) for code in codes))
        assert answers == [somebody] * 3

    @pytest.mark.parametrize("code_verifier", ["", "short", "v" * 42 + "!", "v" * 129])
    async def test_no_login_begins_without_a_proper_verifier(
        self, provider: IdentityProvider, code_verifier: str
    ) -> None:
        with pytest.raises(ValueError, match="code_verifier"):
            await provider.authorization_url(
                redirect_uri=CALLBACK, state=STATE, nonce=NONCE, code_verifier=code_verifier
            )


SOMEBODY = ExternalIdentity("acme", "ada", "ada@acme.test", True, "Ada Lovelace")
PENDING = PendingLogin(
    provider="acme",
    nonce=NONCE,
    code_verifier=CODE_VERIFIER,
    redirect_uri="https://app.acme.test/welcome?a=b",
    front_end_challenge=s256_challenge("f" * 43),
    created_at=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
)
LINKING = replace(PENDING, link_session_id="01900000-0000-7000-8000-000000000003")
PROVEN = ProvenLogin(
    identity=SOMEBODY,
    front_end_challenge=s256_challenge("f" * 43),
    expires_at=datetime(2026, 1, 1, 12, 1, 0, 123456, tzinfo=UTC),
)
PROVEN_WITHOUT_ADDRESS = replace(
    PROVEN, identity=replace(SOMEBODY, email=None, email_verified=False), tries=3
)


class UnfinishedLoginsSuite(Generic[T]):
    """Subclasses provide fixtures `kept`, a store, and `data` and `other`, which it can keep."""

    async def test_what_was_put_is_taken(
        self, kept: UnfinishedLogins[T], data: T, other: T
    ) -> None:
        for value in (data, other):
            await kept.put(STATE, value, 600)
            assert await kept.take(STATE) == value

    async def test_it_is_good_once(self, kept: UnfinishedLogins[T], data: T) -> None:
        await kept.put(STATE, data, 600)
        await kept.take(STATE)
        assert await kept.take(STATE) is None

    async def test_of_racing_takers_one_gets_it(self, kept: UnfinishedLogins[T], data: T) -> None:
        await kept.put(STATE, data, 600)
        taken = await asyncio.gather(*(kept.take(STATE) for _ in range(8)))
        assert [value for value in taken if value] == [data]

    @pytest.mark.parametrize("secret", ["", STATE[:-1], STATE + " ", "\N{SNOWMAN}", "*"])
    async def test_an_unknown_secret_is_nothing(
        self, kept: UnfinishedLogins[T], data: T, secret: str
    ) -> None:
        await kept.put(STATE, data, 600)
        assert await kept.take(secret) is None

    async def test_secrets_do_not_mix(self, kept: UnfinishedLogins[T], data: T, other: T) -> None:
        await kept.put(STATE, data, 600)
        await kept.put("other", other, 600)
        assert await kept.take("other") == other
        assert await kept.take(STATE) == data

    async def test_what_was_taken_can_be_put_again(
        self, kept: UnfinishedLogins[T], data: T
    ) -> None:
        await kept.put(STATE, data, 600)
        await kept.take(STATE)
        await kept.put(STATE, data, 600)
        assert await kept.take(STATE) == data


class LoginStatesSuite(UnfinishedLoginsSuite[PendingLogin]):
    """The suite for logins whose person is at the provider."""

    @pytest.fixture
    def data(self) -> PendingLogin:
        return PENDING

    @pytest.fixture
    def other(self) -> PendingLogin:
        return LINKING


class LoginCodesSuite(UnfinishedLoginsSuite[ProvenLogin]):
    """The suite for logins that the front end has not picked up."""

    @pytest.fixture
    def data(self) -> ProvenLogin:
        return PROVEN

    @pytest.fixture
    def other(self) -> ProvenLogin:
        return PROVEN_WITHOUT_ADDRESS

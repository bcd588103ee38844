"""The adapters in memory pass the suites of identity providers and of unfinished logins."""

import pytest

from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_auth.adapters.unfinished_logins import MemoryUnfinishedLogins
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.pending_login import PendingLogin
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.testing.identity_providers import (
    PENDING,
    PROVEN,
    STATE,
    Approve,
    IdentityProviderSuite,
    LoginCodesSuite,
    LoginStatesSuite,
    assert_login_fails,
    assert_unavailable,
    begin,
    finish,
)
from headrace_common.testing.clock import FakeClock


class TestMemoryIdentityProvider(IdentityProviderSuite):
    @pytest.fixture
    def provider(self) -> MemoryIdentityProvider:
        return MemoryIdentityProvider()

    @pytest.fixture
    def somebody(self) -> ExternalIdentity:
        return ExternalIdentity("memory", "ada", "ada@acme.test", True, "Ada Lovelace")

    @pytest.fixture
    def approve(self, provider: MemoryIdentityProvider, somebody: ExternalIdentity) -> Approve:
        async def approve(url: str) -> str:
            return provider.approve(url, somebody)

        return approve

    async def test_a_code_is_refused_with_another_nonce(
        self, provider: MemoryIdentityProvider, approve: Approve
    ) -> None:
        code = await approve(await begin(provider))
        await assert_login_fails(finish(provider, code, nonce="another"))

    async def test_it_can_be_down(self, provider: MemoryIdentityProvider) -> None:
        provider.down = True
        await assert_unavailable(begin(provider))
        await assert_unavailable(finish(provider, "code"))


class TestMemoryLoginStates(LoginStatesSuite):
    @pytest.fixture
    def kept(self, clock: FakeClock) -> MemoryUnfinishedLogins[PendingLogin]:
        return MemoryUnfinishedLogins(clock)

    async def test_a_login_expires(
        self, kept: MemoryUnfinishedLogins[PendingLogin], clock: FakeClock
    ) -> None:
        await kept.put(STATE, PENDING, 600)
        await kept.put("other", PENDING, 600)
        clock.advance(599)
        assert await kept.take("other") == PENDING
        clock.advance(1)
        assert await kept.take(STATE) is None


class TestMemoryLoginCodes(LoginCodesSuite):
    @pytest.fixture
    def kept(self, clock: FakeClock) -> MemoryUnfinishedLogins[ProvenLogin]:
        return MemoryUnfinishedLogins(clock)


def test_a_login_under_way_shows_no_secret() -> None:
    for secret in (PENDING.nonce, PENDING.code_verifier, PENDING.front_end_challenge):
        assert secret not in repr(PENDING)
    assert PROVEN.front_end_challenge not in repr(PROVEN)

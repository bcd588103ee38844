"""The adapters in memory pass the suites of identity providers and of login states."""

import pytest

from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_auth.adapters.login_states import MemoryLoginStates
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.testing.identity_providers import (
    PENDING,
    STATE,
    Approve,
    IdentityProviderSuite,
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
    def states(self, clock: FakeClock) -> MemoryLoginStates:
        return MemoryLoginStates(clock)

    async def test_a_login_expires(self, states: MemoryLoginStates, clock: FakeClock) -> None:
        await states.put(STATE, PENDING, 600)
        await states.put("other", PENDING, 600)
        clock.advance(599)
        assert await states.take("other") == PENDING
        clock.advance(1)
        assert await states.take(STATE) is None


def test_a_pending_login_shows_no_secret() -> None:
    for secret in (PENDING.nonce, PENDING.code_verifier, PENDING.front_end_challenge):
        assert secret not in repr(PENDING)

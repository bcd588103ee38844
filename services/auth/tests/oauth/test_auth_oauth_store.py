"""The authorization server's ports over the store pass their suites, for any order of uses."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.oauth.errors import OAuthError
from headrace_auth.testing.oauth_suites import (
    CODE,
    AuthorizationCodesSuite,
    OAuthClientsSuite,
    TokensSuite,
)
from headrace_auth.testing.oauth_world import WEB, OAuthWorld, stored_world
from headrace_auth.testing.seeding import seed
from headrace_common.testing.clock import FakeClock


class TestStoredOAuth(OAuthClientsSuite, AuthorizationCodesSuite, TokensSuite):
    @pytest.fixture
    async def world(self, clock: FakeClock) -> OAuthWorld:
        return await make_world(clock)


async def make_world(clock: FakeClock) -> OAuthWorld:
    store = MemoryStore(clock)
    await seed(store, "hash")
    return await stored_world(store, clock)


@given(st.lists(st.integers(0, 9), max_size=12))
def test_a_family_lives_until_any_but_its_newest_token_is_used(uses: list[int]) -> None:
    async def play() -> None:
        world = await make_world(FakeClock())
        await world.register(WEB)
        ports = world.ports
        first = await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
        family, alive = [first.refresh_token or ""], True
        for use in uses:
            index = min(use, len(family) - 1)
            expected = alive and index == len(family) - 1
            try:
                renewed = await ports.issuer.refresh(family[index], WEB, None)
            except OAuthError:
                assert not expected
                alive = False
            else:
                assert expected
                family.append(renewed.refresh_token or "")

    asyncio.run(play())

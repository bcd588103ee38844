"""The authorization server's ports over the store pass their suites, and tell what happens."""

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.testing.oauth_suites import (
    AuthorizationCodesSuite,
    OAuthClientsSuite,
    TokensSuite,
)
from headrace_auth.testing.oauth_world import OAuthWorld, stored_world
from headrace_auth.testing.seeding import seed
from headrace_common.testing.clock import FakeClock


class TestStoredOAuth(OAuthClientsSuite, AuthorizationCodesSuite, TokensSuite):
    @pytest.fixture
    async def world(self, clock: FakeClock) -> OAuthWorld:
        store = MemoryStore(clock)
        await seed(store, "hash")
        return await stored_world(store, clock)

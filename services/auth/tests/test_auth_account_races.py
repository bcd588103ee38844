"""Accounts in memory: what comes at once ends as if it came one after the other."""

from collections.abc import AsyncIterator

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.testing.account_suite import AccountRacesSuite
from headrace_auth.testing.accounts import AccountWorld, account_world
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[AccountWorld]:
    async with account_world(MemoryStore(clock), clock) as world:
        yield world


class TestAccountsInMemory(AccountRacesSuite):
    pass

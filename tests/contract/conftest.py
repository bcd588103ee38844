"""An auth service over memory with the directory in it, for the files that need no other."""

from collections.abc import AsyncIterator

import pytest

from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def auth(clock: FakeClock) -> AsyncIterator[RunningAuth]:
    async with running_auth(clock) as running:
        yield running

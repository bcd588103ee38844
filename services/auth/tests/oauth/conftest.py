"""An authorization server over a store in memory, with three registered applications."""

from collections.abc import AsyncIterator

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.oauth_flow import OAuthFlow
from headrace_auth.testing.oauth_world import (
    NATIVE,
    NATIVE_REDIRECT,
    RIVAL,
    WEB,
    OAuthWorld,
    stored_world,
)
from headrace_auth.testing.seeding import seed
from headrace_common.testing.clock import FakeClock

ISSUER = "https://headrace.test"


@pytest.fixture
async def world(clock: FakeClock) -> OAuthWorld:
    store = MemoryStore(clock)
    await seed(store, "hash")
    world = await stored_world(store, clock)
    for client in (WEB, NATIVE, RIVAL):
        await world.register(client)
    return world


@pytest.fixture
async def server(world: OAuthWorld) -> AsyncIterator[OAuthServer]:
    bridge = Bridge(threads=2, maximum_pending=16, port_seconds=5.0)
    yield OAuthServer(world.ports, bridge, world.clock, issuer=ISSUER)
    await bridge.close()


@pytest.fixture
def web(server: OAuthServer) -> OAuthFlow:
    return OAuthFlow(server)


@pytest.fixture
def native(server: OAuthServer) -> OAuthFlow:
    return OAuthFlow(server, client=NATIVE, redirect_uri=NATIVE_REDIRECT, credentials="")

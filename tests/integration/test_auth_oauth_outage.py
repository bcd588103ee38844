"""The authorization server without its database: an outage is never a wrong client or grant."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.oauth_flow import OAuthFlow, authorization_request
from headrace_auth.testing.oauth_world import WEB, stored_world
from headrace_auth.testing.seeding import seed
from headrace_common.errors import HeadraceError, Reason
from headrace_common.postgres import create_engine
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.postgres import proxying_postgres
from headrace_common.testing.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Scene:
    """An application in the middle of things, and the way to the database."""

    flow: OAuthFlow
    proxy: Proxy
    code: str
    tokens: dict[str, str]

    async def is_unavailable(self) -> None:
        """Whatever anybody asks."""
        token = self.tokens["access_token"]
        calls = (
            self.flow.exchange(self.code),
            self.flow.refresh(self.tokens["refresh_token"]),
            self.flow.post(grant_type="client_credentials"),
            self.flow.revoke(token),
            self.flow.introspect(token),
            self.flow.server.check_authorization(authorization_request()),
        )
        async with asyncio.timeout(15):
            results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            assert isinstance(result, HeadraceError), result
            assert result.reason is Reason.DEPENDENCY_UNAVAILABLE


@pytest.fixture
async def scene(auth_database_url: str) -> AsyncIterator[Scene]:
    async with proxying_postgres(auth_database_url) as (proxy, url):
        engine = create_engine(url, statement_seconds=2)
        store = PostgresStore(engine, timeout_seconds=2)
        await seed(PostgresStore(engine, timeout_seconds=60), "hash")
        world = await stored_world(store, FakeClock())
        await world.register(WEB)
        bridge = Bridge(threads=5, maximum_pending=16, port_seconds=5.0)
        server = OAuthServer(world.ports, bridge, world.clock, issuer="https://headrace.test")
        flow = OAuthFlow(server)
        yield Scene(flow, proxy, await flow.code(), await flow.tokens())
        await bridge.close()
        await store.close()
        await engine.dispose()


@pytest.mark.parametrize("way", ["cut", "freeze"])
async def test_without_a_database_applications_hear_of_an_outage(scene: Scene, way: str) -> None:
    getattr(scene.proxy, way)()
    await scene.is_unavailable()
    scene.proxy.restore()
    # Nothing that was asked meanwhile has used anything up, or revoked it.
    assert (await scene.flow.exchange(scene.code)).status == 200
    assert (await scene.flow.introspect(scene.tokens["access_token"]))["active"]
    assert (await scene.flow.refresh(scene.tokens["refresh_token"])).status == 200

"""The bridge between loop and threads: bounded, never blocking, and honest about outages."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.oauth_flow import OAuthFlow
from headrace_auth.testing.oauth_world import OAuthWorld
from headrace_common.errors import HeadraceError, Reason

REQUEST_ID = contextvars.ContextVar("request_id", default="")


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    bridge = Bridge(threads=1, maximum_pending=2, port_seconds=0.05)
    yield bridge
    await bridge.close()


class SlowClients:
    """Answers when told to."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def get(self, _client_id: str) -> OAuthClient | None:
        self.asked.set()
        await self.go.wait()
        return None


class BrokenClients:
    """What a store says whose database is away."""

    async def get(self, _client_id: str) -> OAuthClient | None:
        raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the database does not answer")


async def test_work_runs_in_a_thread_and_its_waits_on_the_loop(bridge: Bridge) -> None:
    loop_thread = threading.get_ident()

    async def port() -> int:
        return threading.get_ident()

    def work() -> tuple[int, int]:
        return threading.get_ident(), bridge.wait(port())

    in_work, in_port = await bridge.run(work)
    assert in_work != loop_thread
    assert in_port == loop_thread


async def test_the_callers_context_goes_along(bridge: Bridge) -> None:
    REQUEST_ID.set("r-1")

    async def port() -> str:
        return REQUEST_ID.get()

    assert await bridge.run(lambda: (REQUEST_ID.get(), bridge.wait(port()))) == ("r-1", "r-1")


async def test_beyond_the_bound_calls_are_refused_at_once(bridge: Bridge) -> None:
    gate = threading.Event()
    calls = [asyncio.create_task(bridge.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(HeadraceError) as caught:
        await bridge.run(gate.wait)
    assert caught.value.reason is Reason.QUEUE_FULL
    assert caught.value.retry_after_seconds == 1
    gate.set()
    assert await asyncio.gather(*calls) == [True, True]
    assert await bridge.run(lambda: 1) == 1


async def test_a_cancelled_call_counts_until_its_thread_is_done(bridge: Bridge) -> None:
    gate, started = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(started.set)
        gate.wait()

    call = asyncio.create_task(bridge.run(work))
    await started.wait()
    call.cancel()
    waiting = asyncio.create_task(bridge.run(lambda: 1))
    await asyncio.sleep(0)
    with pytest.raises(HeadraceError):
        await bridge.run(lambda: 2)
    gate.set()
    assert await waiting == 1
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_port_that_does_not_answer_is_an_outage(bridge: Bridge) -> None:
    cancelled = asyncio.Event()

    async def port() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(HeadraceError) as caught:
        await bridge.run(lambda: bridge.wait(port()))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_an_outage_is_never_a_401(world: OAuthWorld, bridge: Bridge) -> None:
    ports = replace(world.ports, clients=BrokenClients())
    flow = OAuthFlow(OAuthServer(ports, bridge, world.clock, issuer="https://headrace.test"))
    calls = (
        flow.post(grant_type="client_credentials"),
        flow.revoke("token"),
        flow.server.introspect(flow.request(token="token")),
        flow.pending(),
    )
    for call in calls:
        with pytest.raises(HeadraceError) as caught:
            await call
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_the_loop_goes_on_while_a_port_is_slow(world: OAuthWorld) -> None:
    bridge = Bridge(threads=1, maximum_pending=4, port_seconds=30)
    clients = SlowClients()
    ports = replace(world.ports, clients=clients)
    flow = OAuthFlow(OAuthServer(ports, bridge, world.clock, issuer="https://headrace.test"))
    call = asyncio.create_task(flow.post(grant_type="client_credentials"))
    # Neither of these would return if the wait held the loop.
    await clients.asked.wait()
    clients.go.set()
    assert (await call).status == 401
    await bridge.close()

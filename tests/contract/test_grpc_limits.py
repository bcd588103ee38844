"""A gRPC server beyond its bounds: a clear refusal at once, probes answered, memory let go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_limits import MAXIMUM_IDLE
from headrace_common.grpc_server import LIVENESS, ROOM_FOR_PROBES, Registration
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.domain.principal import Principal
from headrace_gateway.http.errors import status_of

BOUND = 8
DEADLINE_SECONDS = 5.0


class Doorkeeper(auth_pb2_grpc.AuthServiceServicer):
    """Answers `ResolveCredential` once its door is open."""

    def __init__(self) -> None:
        self.inside = 0
        self.full = asyncio.Event()
        self.empty = asyncio.Event()
        self.door = asyncio.Event()

    async def ResolveCredential(
        self, request: auth_pb2.ResolveCredentialRequest, context: Any
    ) -> auth_pb2.ResolveCredentialResponse:
        self.inside += 1
        if self.inside == BOUND:
            self.full.set()
        try:
            await self.door.wait()
        finally:
            self.inside -= 1
            if not self.inside:
                self.empty.set()
        return auth_pb2.ResolveCredentialResponse()

    def registration(self) -> Registration:
        return Registration(
            "headrace.auth.v1.AuthService",
            auth_pb2_grpc.add_AuthServiceServicer_to_server,
            self,
        )


@pytest.fixture
def keeper() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
async def channel(keeper: Doorkeeper) -> AsyncIterator[grpc.aio.Channel]:
    async with serving([keeper.registration()], maximum_concurrent_calls=BOUND) as channel:
        yield channel


@asynccontextmanager
async def _filled(channel: grpc.aio.Channel, keeper: Doorkeeper) -> AsyncIterator[AuthClient]:
    """A client of a server whose places are all taken; when the block ends, they are free."""
    client = AuthClient(channel, resolve_seconds=DEADLINE_SECONDS)
    calls = [asyncio.create_task(client.resolve("x")) for _ in range(BOUND)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        await keeper.full.wait()
        yield client
        keeper.door.set()
        assert [type(result) for result in await asyncio.gather(*calls)] == [Principal] * BOUND


@pytest.mark.parametrize("excess", [2 * BOUND, 3 * (BOUND + ROOM_FOR_PROBES)])
async def test_calls_beyond_the_bound_are_refused_at_once_as_overload(
    channel: grpc.aio.Channel, keeper: Doorkeeper, excess: int
) -> None:
    async with _filled(channel, keeper) as client:
        async with asyncio.timeout(DEADLINE_SECONDS / 2):
            results = await asyncio.gather(
                *(client.resolve("x") for _ in range(excess)), return_exceptions=True
            )
        errors = [result for result in results if isinstance(result, HeadraceError)]
        assert [error.reason for error in errors] == [Reason.QUEUE_FULL] * excess
        assert {status_of(error) for error in errors} == {503}  # no 429, no 401
        assert keeper.inside == BOUND
    assert isinstance(await client.resolve("x"), Principal)


async def test_a_full_server_lives_and_says_so(
    channel: grpc.aio.Channel, keeper: Doorkeeper
) -> None:
    async with _filled(channel, keeper):
        check = health_pb2_grpc.HealthStub(channel).Check
        for service in ("", LIVENESS):
            answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=1)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_streams_that_strangers_leave_open_keep_nobody_out(
    channel: grpc.aio.Channel, keeper: Doorkeeper
) -> None:
    keeper.door.set()
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    watches = [stub.Watch(request, timeout=60) for _ in range(2 * MAXIMUM_IDLE)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        first = await asyncio.gather(*map(anext, map(aiter, watches)), return_exceptions=True)
        refused = [each.code() for each in first if isinstance(each, grpc.aio.AioRpcError)]
        assert refused == [grpc.StatusCode.RESOURCE_EXHAUSTED] * MAXIMUM_IDLE
        assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
        client = AuthClient(channel, resolve_seconds=DEADLINE_SECONDS)
        assert isinstance(await client.resolve("x"), Principal)
    for watch in watches:
        watch.cancel()


async def test_callers_that_leave_free_their_places(
    channel: grpc.aio.Channel, keeper: Doorkeeper
) -> None:
    client = AuthClient(channel, resolve_seconds=DEADLINE_SECONDS)
    leaving = [asyncio.create_task(client.resolve("x")) for _ in range(BOUND)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        await keeper.full.wait()
        for call in leaving:
            call.cancel()
        await keeper.empty.wait()
    keeper.full.clear()
    async with _filled(channel, keeper):
        assert keeper.inside == BOUND


async def test_a_message_beyond_the_bound_is_refused_for_good(keeper: Doorkeeper) -> None:
    keeper.door.set()
    async with serving([keeper.registration()], maximum_message_bytes=64 * 1024) as channel:
        client = AuthClient(channel, resolve_seconds=DEADLINE_SECONDS)
        with pytest.raises(HeadraceError) as caught:
            await client.resolve("x" * 65 * 1024)
        assert caught.value.reason is Reason.REQUEST_TOO_LARGE
        assert isinstance(await client.resolve("x"), Principal)


@asynccontextmanager
async def _few_streams(keeper: Doorkeeper) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to what allows BOUND streams per connection, as proxies do and our server not."""
    server = grpc.aio.server(options=(("grpc.max_concurrent_streams", BOUND),))
    auth_pb2_grpc.add_AuthServiceServicer_to_server(keeper, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with create_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def test_calls_that_wait_for_a_stream_end_at_their_deadline(keeper: Doorkeeper) -> None:
    async with _few_streams(keeper) as channel:
        client = AuthClient(channel, resolve_seconds=0.5)
        async with asyncio.timeout(2):
            results = await asyncio.gather(
                *(client.resolve("x") for _ in range(3 * BOUND)), return_exceptions=True
            )
        reasons = [result.reason for result in results if isinstance(result, HeadraceError)]
        assert reasons == [Reason.DEPENDENCY_UNAVAILABLE] * 3 * BOUND
        async with asyncio.timeout(DEADLINE_SECONDS):
            await keeper.empty.wait()
            keeper.door.set()
            assert isinstance(await _once_streams_are_free(client), Principal)


async def _once_streams_are_free(client: AuthClient) -> Principal:
    """The first answer; a server refuses streams until it has let go of those that ended."""
    while True:
        try:
            return await client.resolve("x")
        except HeadraceError as error:
            if error.reason is not Reason.DEPENDENCY_UNAVAILABLE:
                raise

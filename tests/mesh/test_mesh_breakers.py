"""A full model refuses at once, and callers hear when to come again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from tests.chaos.callers import client_of
from tests.mesh.calls import GATEWAY, Model, calling
from tests.mesh.layout import Layout
from tests.mesh.second_mesh import second_mesh
from tests.mesh.translator.objects import named, without
from tests.mesh.world import World
from tests.stack.completions import CHAT

NARROW = "headrace-inference-narrow"
ROOM = 3
"""What the values say of requests in flight from one gateway."""
FAST_SECONDS = 1.0
LONG = "word " * 500


@asynccontextmanager
async def narrow_model(mesh: Layout, caller: str = GATEWAY) -> AsyncIterator[Model]:
    async with calling(mesh, caller, NARROW) as channel:
        yield Model(channel, "narrow")


@asynccontextmanager
async def streams(model: Model, count: int) -> AsyncIterator[list[Any]]:
    """So many answers that have begun, and that end with the block."""
    calls = [model.begin(LONG) for _ in range(count)]
    try:
        for call in calls:
            await call.read()
        yield calls
    finally:
        for call in calls:
            call.cancel()


async def test_a_request_beyond_the_breaker_is_refused_at_once(
    world: World, tmp_path: Path
) -> None:
    # Not through the gateway's own proxy, which it asks for the model's load now and then.
    async with (
        second_mesh(world, world.objects, tmp_path) as mesh,
        narrow_model(mesh) as model,
        streams(model, ROOM),
    ):
        started = time.monotonic()
        refused = await model.generate("one more")
        seconds = time.monotonic() - started
    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert "overflow" in refused.details
    assert refused.trailers["x-envoy-overloaded"] == "true"
    assert seconds < FAST_SECONDS


async def test_without_the_breaker_requests_beyond_it_pass(world: World, tmp_path: Path) -> None:
    objects = without(world.objects, named("DestinationRule", NARROW))
    async with (
        second_mesh(world, objects, tmp_path) as mesh,
        narrow_model(mesh) as model,
        streams(model, ROOM),
    ):
        assert (await model.generate("one more")).good


async def test_what_one_callers_proxy_is_bounded_to_is_no_bound_of_all_together(
    world: World, tmp_path: Path
) -> None:
    gateways = [GATEWAY, "headrace-gateway-1"]
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(
            second_mesh(
                world,
                world.objects,
                tmp_path,
                copies={"headrace-gateway": len(gateways)},
                stand_ins={gateways[1]: GATEWAY},
            )
        )
        begun = []
        for gateway in gateways:
            model = await stack.enter_async_context(narrow_model(mesh, gateway))
            begun += await stack.enter_async_context(streams(model, ROOM))
        assert [call.done() for call in begun] == [False] * (2 * ROOM)


async def test_the_gateway_tells_callers_of_a_full_model_when_to_come_again(world: World) -> None:
    async with client_of(world.stack) as client, asyncio.TaskGroup() as group:
        begun = [asyncio.Event() for _ in range(ROOM)]

        async def hold(event: asyncio.Event) -> None:
            body = {"model": "narrow", "prompt": LONG, "stream": True, "max_tokens": 400}
            while True:  # the gateway's own questions to the model may take a place for a moment
                async with client.stream("POST", "/v1/completions", json=body) as answer:
                    if answer.status_code == 200:
                        event.set()
                        await asyncio.Event().wait()

        holders = [group.create_task(hold(event)) for event in begun]
        for event in begun:
            await event.wait()
        started = time.monotonic()
        messages = [{"role": "user", "content": "one more"}]
        refused = await client.post(CHAT, json={"model": "narrow", "messages": messages})
        seconds = time.monotonic() - started
        for holder in holders:
            holder.cancel()
    assert refused.status_code == 503, refused.text
    assert refused.json()["error"]["code"] == "queue_full"
    assert int(refused.headers["retry-after"]) >= 1
    assert seconds < FAST_SECONDS
